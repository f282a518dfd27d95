// @ts-check
// The place of the current entry in other integrations and exposures: small evidence images.

import { entryRequest } from "../kinds.js";
import { codeColours, colourTable } from "../stretch.js";

const SIZE = 140; // pixels of a thumbnail
const DELAY = 350; // ms: what is on show comes first

export class Witnesses {
  constructor(store, $, { postFrame }) {
    this.store = store;
    this.strip = $("witnesses");
    this.postFrame = postFrame;
    this.timer = null;
    this.asked = "";
    store.on("entries", () => this.#ask());
    store.on("look", () => this.#repaint());
    this.shown = []; // [{canvas, image}]
  }

  get #hasOthers() {
    const { info } = this.store;
    return info.nints > 1 || info.hasNeighbours;
  }

  #ask() {
    const { store, strip } = this;
    const { current, info } = store;
    const isThere = current && current.section !== "pixels" && this.#hasOthers;
    const request = isThere ? entryRequest(current) : null;
    const key = request ? `${info.number} ${JSON.stringify(request)}` : "";
    strip.hidden = !isThere;
    if (key === this.asked) return;
    this.asked = key;
    clearTimeout(this.timer);
    if (request) this.timer = setTimeout(() => this.#fill(key, request), DELAY);
  }

  async #fill(key, request) {
    const { store, strip } = this;
    const path = `exposures/${store.info.number}`;
    const found = await store.server.postJson(`${path}/witnesses`, request).catch(() => ({ witnesses: [] }));
    if (key !== this.asked) return;
    const all = [{ witness: null, title: "here", integration: store.current?.integration, number: store.info.number }, ...found.witnesses];
    this.shown = [];
    const tiles = all.map((witness) => this.#tile(witness));
    strip.replaceChildren(...tiles.map(({ button }) => button));
    for (const [i, { canvas }] of tiles.entries()) {
      const body = { ...request, witness: all[i].witness ?? undefined };
      const image = await this.postFrame(`${path}/witness`, body, store.info).catch(() => null);
      if (key !== this.asked) return;
      if (image) {
        this.shown.push({ canvas, image });
        this.#paint(canvas, image);
      } else {
        canvas.classList.add("unseen");
      }
    }
  }

  #tile({ witness, title, number, integration, x, y }) {
    const button = document.createElement("button");
    const canvas = document.createElement("canvas");
    const caption = document.createElement("span");
    caption.textContent = title.replace(/^integration /, "int ").replace(/, same (sky|pixel)$/, "");
    button.title = number === null ? `${title}; open its folder to go there` : `Evidence at this place: ${title}`;
    button.setAttribute("aria-label", button.title);
    button.className = "tile";
    button.append(canvas, caption);
    if (witness !== null && number !== null) button.addEventListener("click", () => this.store.visit(number, integration, x, y));
    return { button, canvas };
  }

  // As many sigma as the large image shows, so that they compare.
  #paint(canvas, image) {
    const [ny, nx] = image.shape;
    const native = document.createElement("canvas");
    native.width = nx;
    native.height = ny;
    const context = native.getContext("2d");
    const pixels = context.createImageData(nx, ny);
    const words = new Uint32Array(pixels.data.buffer);
    const { look } = this.store;
    const stretch = { isFixed: true, low: -4, high: 12, shape: "linear" };
    const colours = codeColours(image, stretch, colourTable(look.map, look.inverted));
    for (let row = 0; row < ny; row += 1) {
      for (let column = 0; column < nx; column += 1) {
        words[(ny - 1 - row) * nx + column] = colours[image.codes[row * nx + column]];
      }
    }
    context.putImageData(pixels, 0, 0);
    const scale = Math.ceil(SIZE / Math.max(nx, ny));
    canvas.width = nx * scale;
    canvas.height = ny * scale;
    const large = canvas.getContext("2d");
    large.imageSmoothingEnabled = false;
    large.drawImage(native, 0, 0, canvas.width, canvas.height);
    this.#outline(large, image, scale);
  }

  // The outline of the entry, around the same place.
  #outline(context, { shape: [ny], place }, scale) {
    const { current } = this.store;
    if (!current || current.a === undefined || !place) return;
    const [x, y] = [(place[0] + 0.5) * scale, (ny - 0.5 - place[1]) * scale];
    const { look } = this.store;
    context.strokeStyle = look.inverted ? "#0008" : "#fff9";
    context.lineWidth = 1.5;
    context.beginPath();
    context.ellipse(x, y, current.a * scale, current.b * scale, (-current.theta * Math.PI) / 180, 0, 2 * Math.PI);
    context.stroke();
  }


  #repaint() {
    for (const { canvas, image } of this.shown) this.#paint(canvas, image);
  }
}
