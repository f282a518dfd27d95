// @ts-check
// Paint images, flags and masks on the canvas.

import { codeColours, colourTable } from "../stretch.js";

const LEAST_SIZE = 3; // screen pixels
const CROWD = 20000;

const pack = ([red, green, blue], alpha) =>
  ((Math.round(alpha * 255) << 24) | (blue << 16) | (green << 8) | red) >>> 0;

// The colour of a flag; those that matter less share one.
export const flagColour = (colours, name) => colours[name] ?? colours[""];

export class Canvas {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.native = document.createElement("canvas");
    this.scratch = document.createElement("canvas");
    this.layers = new Map();
    this.frame = null;
    this.isPainted = false;
  }

  // Colours of flags by name, the most telling first, and of the mask.
  setColours(flags, mask) {
    this.flagColours = flags;
    this.maskColour = mask;
  }

  setImage(frame, nx = 0, ny = 0) {
    this.frame = frame;
    if (!frame) return;
    this.nx = nx;
    this.ny = ny;
    this.isPainted = false;
  }

  setStretch(stretch, map, inverted) {
    this.stretch = stretch;
    this.table = colourTable(map, inverted);
    this.isPainted = false;
  }

  // A layer of single pixels over the image: [{indices, colour(index) as packed RGBA}].
  setLayer(name, indices, colour) {
    if (indices && indices.length) this.layers.set(name, { indices, colour });
    else this.layers.delete(name);
  }

  setFlags(flags, enabled, known, opacity) {
    if (!flags || opacity === 0) {
      this.setLayer("flags", null);
      return;
    }
    let bits = 0;
    const byBit = [];
    for (const [name, bit] of Object.entries(known)) {
      if (!enabled.has(name)) continue;
      bits = (bits | bit) >>> 0;
      byBit.push([bit, pack(flagColour(this.flagColours, name), opacity), Object.keys(this.flagColours).indexOf(name)]);
    }
    byBit.sort((p, q) => (p[2] < 0 ? 99 : p[2]) - (q[2] < 0 ? 99 : q[2]));
    const shown = flags.flagged.filter((i) => (flags.flags[i] & bits) !== 0);
    this.setLayer("flags", shown, (i) => byBit.find(([bit]) => (flags.flags[i] & bit) !== 0)[1]);
  }

  // Pixels that have any flag for all of the exposure.
  setPixelFlags(flags, opacity) {
    const colour = pack(flagColour(this.flagColours, "DO_NOT_USE"), opacity);
    const other = pack(flagColour(this.flagColours, ""), opacity);
    this.setLayer("pixel flags", flags?.flagged ?? null, (i) => (flags.flags[i] & 1 ? colour : other));
  }

  setMask(indices) {
    const colour = pack(this.maskColour, 0.45);
    this.setLayer("mask", indices, () => colour);
  }

  paintNative() {
    if (this.isPainted) return;
    const { nx, ny, frame, native } = this;
    if (native.width !== nx || native.height !== ny) {
      native.width = nx;
      native.height = ny;
      this.pixels = native.getContext("2d").createImageData(nx, ny);
      this.words = new Uint32Array(this.pixels.data.buffer);
    }
    const colours = codeColours(frame, this.stretch, this.table);
    for (let y = 0; y < ny; y += 1) {
      const source = y * nx;
      const target = (ny - 1 - y) * nx; // rows upward
      for (let x = 0; x < nx; x += 1) this.words[target + x] = colours[frame.codes[source + x]];
    }
    native.getContext("2d").putImageData(this.pixels, 0, 0);
    this.isPainted = true;
  }

  paint(view) {
    const { canvas, context } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = window.getComputedStyle(canvas.parentElement).backgroundColor;
    context.fillRect(0, 0, width, height);
    if (!this.frame) return;
    this.paintNative();
    const scale = view.scale * ratio;
    context.imageSmoothingEnabled = scale < 1;
    context.imageSmoothingQuality = "medium";
    context.drawImage(
      this.native, view.left * ratio, view.top * ratio, this.nx * scale, this.ny * scale,
    );
    for (const layer of this.layers.values()) this.paintLayer(layer, view, ratio);
  }

  // Each pixel of a layer takes a few pixels of the screen however far out the zoom is, so that single
  // ones are seen; where there are very many of them, one.
  paintLayer({ indices, colour }, view, ratio) {
    const { canvas, nx, ny } = this;
    const scale = view.scale * ratio;
    const least = indices.length < CROWD ? LEAST_SIZE * ratio : 1;
    const size = Math.max(least, scale);
    const shift = (size - scale) / 2;
    const overlay = new ImageData(canvas.width, canvas.height);
    const words = new Uint32Array(overlay.data.buffer);
    for (const index of indices) {
      const x = index % nx;
      const y = (index - x) / nx;
      const left = view.left * ratio + x * scale - shift;
      const top = view.top * ratio + (ny - 1 - y) * scale - shift;
      const x0 = Math.max(0, Math.round(left));
      const y0 = Math.max(0, Math.round(top));
      const x1 = Math.min(canvas.width, Math.max(x0 + 1, Math.round(left + size)));
      const y1 = Math.min(canvas.height, Math.max(y0 + 1, Math.round(top + size)));
      if (left + size < 0 || top + size < 0) continue;
      const word = colour(index);
      for (let row = y0; row < y1; row += 1) words.fill(word, row * canvas.width + x0, row * canvas.width + x1);
    }
    if (this.scratch.width !== canvas.width || this.scratch.height !== canvas.height) {
      this.scratch.width = canvas.width;
      this.scratch.height = canvas.height;
    }
    this.scratch.getContext("2d").putImageData(overlay, 0, 0);
    this.context.drawImage(this.scratch, 0, 0);
  }
}
