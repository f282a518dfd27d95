// @ts-check
// How the image is shown: stretch, colours, flags, mask.

import { flagColour } from "../image/canvas.js";
import { kindOf } from "../kinds.js";
import { COLOUR_MAPS, STRETCHES, colourTable, limits, scaled } from "../stretch.js";

// Boxes, and what of the look they say.
const CHECKED = {
  invert: "inverted", "show-flags": "flagsOn", "show-marks": "marks", "show-mask": "mask", "show-pixel-flags": "pixelFlags",
};
const IMPORTANT = ["DO_NOT_USE", "JUMP_DET", "SATURATED"];

// The slider runs from 0.5 to 500 MAD by factors.
const kOfSlider = (value) => 0.5 * 10 ** ((3 * value) / 100);
const sliderOfK = (k) => (100 * Math.log10(k / 0.5)) / 3;

export class DisplayPanel {
  constructor(store, $, image) {
    this.store = store;
    this.$ = $;
    $("map").replaceChildren(...COLOUR_MAPS.map((name) => new Option(name, name)));
    $("shape").replaceChildren(...STRETCHES.map((name) => new Option(name, name)));
    $("map").value = store.look.map;
    for (const [id, name] of Object.entries(CHECKED)) $(id).checked = store.look[name];
    $("opacity").value = 100 * store.look.opacity;
    $("smoothing").addEventListener("input", (event) => store.setSmoothing(Number(event.target.value)));
    $("smoothing-auto").addEventListener("click", () => store.setSmoothing(null));
    this.#bindStretch();
    this.#bindLook();
    $("auto").addEventListener("click", () => {
      if (!image.canvas.frame || !store.stretch) return;
      const { median, mad } = image.canvas.frame;
      Object.assign(store.stretch, { reference: { median, mad }, isFixed: false, contrast: 1, bias: 0.5 });
      store.emit("look");
    });
    store.on("exposure", () => this.#buildFlags());
    store.on("look", () => {
      this.#draw();
      this.#drawBar();
      store.keepLook();
    });
    store.on("kind exposure", () => this.#drawSmoothing());
  }

  #bindStretch() {
    const { store } = this;
    const inputs = {
      shape: ["change", (stretch, input) => { stretch.shape = input.value; }],
      k: ["input", (stretch, input) => { stretch.k = kOfSlider(Number(input.value)); }],
      fixed: ["change", (stretch, input) => { stretch.isFixed = input.checked; }],
      low: ["input", (stretch, input) => { if (input.value !== "") stretch.low = Number(input.value); }],
      high: ["input", (stretch, input) => { if (input.value !== "") stretch.high = Number(input.value); }],
    };
    for (const [id, [kind, apply]] of Object.entries(inputs)) {
      this.$(id).addEventListener(kind, (event) => {
        if (!store.stretch) return;
        /** @type {Function} */ (apply)(store.stretch, event.target);
        store.emit("look");
      });
    }
  }

  #bindLook() {
    const { store } = this;
    const inputs = {
      map: ["change", (input) => { store.look.map = input.value; }],
      opacity: ["input", (input) => { store.look.opacity = Number(input.value) / 100; }],
    };
    for (const [id, name] of Object.entries(CHECKED)) {
      if (id !== "show-mask") inputs[id] = ["change", (input) => { store.look[name] = input.checked; }];
    }
    for (const [id, [kind, apply]] of Object.entries(inputs)) {
      this.$(id).addEventListener(kind, (event) => {
        /** @type {Function} */ (apply)(event.target);
        store.emit("look");
      });
    }
    this.$("show-mask").addEventListener("change", (event) => {
      store.look.mask = event.target.checked;
      store.keepLook();
      store.emit("look", "mask");
    });
  }

  #buildFlags() {
    const { store } = this;
    const { flags, flagColours } = store.info;
    const names = [...IMPORTANT, ...Object.keys(flags).filter((name) => !IMPORTANT.includes(name))];
    this.$("flags").replaceChildren(...names.map((name) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.dataset.flag = name;
      box.addEventListener("change", () => {
        if (box.checked) store.look.enabled.add(name);
        else store.look.enabled.delete(name);
        store.emit("look");
      });
      label.style.setProperty("--flag", `rgb(${flagColour(flagColours, name).join(" ")})`);
      label.append(box, name);
      return label;
    }));
  }

  #draw() {
    const { $, store } = this;
    const { stretch } = store;
    if (!stretch) return;
    $("shape").value = stretch.shape;
    $("k").value = sliderOfK(stretch.k);
    $("k-value").textContent = stretch.k.toPrecision(2).replace(/\.0$/, "");
    $("k").disabled = stretch.isFixed;
    $("fixed").checked = stretch.isFixed;
    if (!stretch.isFixed) [stretch.low, stretch.high] = limits(stretch);
    for (const name of ["low", "high"]) {
      $(name).disabled = !stretch.isFixed;
      if (document.activeElement !== $(name)) $(name).value = Number(stretch[name].toPrecision(5));
    }
  }

  #drawSmoothing() {
    const { $, store } = this;
    $("smoothing").value = store.smoothing ?? 2;
    $("smoothing-value").textContent = store.smoothing === null ? "to fit" : `${store.smoothing} px`;
    $("smoothing-auto").disabled = store.smoothing === null;
  }

  // The colours of the image, and the values that they stand for.
  #drawBar() {
    const { $, store } = this;
    const { stretch, look, info } = store;
    if (!stretch) return;
    const canvas = $("bar");
    const context = canvas.getContext("2d");
    const table = colourTable(look.map, look.inverted);
    const pixels = context.createImageData(canvas.width, 1);
    const words = new Uint32Array(pixels.data.buffer);
    for (let i = 0; i < words.length; i += 1) {
      words[i] = table[Math.round(255 * scaled(i / (words.length - 1), 0, 1, stretch))];
    }
    for (let row = 0; row < canvas.height; row += 1) context.putImageData(pixels, 0, row);
    const [low, high] = limits(stretch);
    const text = (value) => (Math.abs(value) < 1e-3 * (high - low) ? "0" : Number(value.toPrecision(3)).toString());
    $("bar-low").textContent = text(low);
    $("bar-middle").textContent = text((low + high) / 2);
    $("bar-high").textContent = `${text(high)} ${kindOf(store.view.kind).unit(info)}`;
  }
}
