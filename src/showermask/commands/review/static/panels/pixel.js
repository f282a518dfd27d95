// @ts-check
// The pixel under the cursor: value, flags, ramp.

import { kindOf } from "../kinds.js";
import { decode } from "../stretch.js";
import { drawRamp, flagNames } from "./ramp.js";

const DELAY = 40; // ms

export class PixelPanel {
  constructor(store, $, image) {
    this.store = store;
    this.$ = $;
    this.image = image;
    this.timer = null;
    this.request = 0;
    store.on("pointer", () => this.#describe());
  }

  #describe() {
    const { $, store, image } = this;
    clearTimeout(this.timer);
    if (!store.pointer || !store.info) return;
    const [x, y] = store.pointer.map(Math.round);
    if (x < 0 || y < 0 || x >= store.info.nx || y >= store.info.ny) return;
    const { frame } = image.canvas;
    $("pixel-where").textContent = `x ${x}, y ${y}`;
    this.request += 1;
    const { request } = this;
    this.timer = setTimeout(async () => {
      const path = `exposures/${store.info.number}/pixel/${store.integration}/${x}/${y}`;
      const ramp = await store.server.getJson(path).catch(() => null);
      if (ramp && request === this.request && frame === image.canvas.frame) this.#draw(ramp, x, y);
    }, DELAY);
  }

  #draw(ramp, x, y) {
    const { $ } = this;
    const { info, group, view } = this.store;
    const at = info.isRamp ? group : 0;
    const now = ramp.values[at];
    const before = at > 0 ? ramp.values[at - 1] : 0;
    const { frame } = this.image.canvas;
    let value = now === null || before === null ? NaN : now - before;
    if (view.kind !== "difference" && frame) value = decode(frame.codes[y * info.nx + x], frame);
    const text = Number.isNaN(value) ? "NaN" : Number(value.toPrecision(view.kind === "difference" ? 6 : 3)).toString();
    $("pixel-where").textContent = `x ${x}, y ${y}: ${text} ${kindOf(view.kind).unit(info)}`;
    const names = flagNames(ramp.flags[at], info.flags);
    const always = flagNames(ramp.pixelFlags, info.pixelFlags).map((name) => `${name} (pixel)`);
    $("pixel-flags").textContent = [...names, ...always].join(", ") || "no flags";
    $("pixel-flags").title = $("pixel-flags").textContent;
    if (!$("ramp").clientWidth) return; // the panel is folded
    const units = info.isRamp ? { xLabel: "group", yLabel: "DN" } : { xLabel: "sample", yLabel: "DN/s" };
    drawRamp($("ramp"), ramp, at, info.flags, units);
  }
}
