// @ts-check
// The pixel under the cursor: value, flags, ramp.

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
    const { info, group } = this.store;
    const at = info.isRamp ? group : 0;
    const now = ramp.values[at];
    const before = at > 0 ? ramp.values[at - 1] : 0;
    const value = now === null || before === null ? "NaN" : Number((now - before).toPrecision(6)).toString();
    $("pixel-where").textContent = `x ${x}, y ${y}: ${value}`;
    const names = flagNames(ramp.flags[at], info.flags);
    const always = flagNames(ramp.pixelFlags, info.pixelFlags).map((name) => `${name} (pixel)`);
    $("pixel-flags").textContent = [...names, ...always].join(", ") || "no flags";
    $("pixel-flags").title = $("pixel-flags").textContent;
    drawRamp($("ramp"), ramp, at, info.flags);
  }
}
