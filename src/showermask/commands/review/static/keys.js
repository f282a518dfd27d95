// @ts-check
// The keys of the page.

import { KINDS } from "./kinds.js";

export class Keys {
  constructor(store, $, { image, editor, header }) {
    this.store = store;
    this.image = image;
    const table = this.#table($, { image, editor, header });
    this.actions = Object.assign({}, ...table.map(([, , actions]) => actions));
    this.withControl = (event) => ({
      z: event.shiftKey ? this.actions.U : this.actions.u, Z: this.actions.U, y: this.actions.U, s: this.actions.s,
    })[event.key];
    $("key-list").replaceChildren(...table.flatMap(([keys, what]) => {
      const term = document.createElement("dt");
      const meaning = document.createElement("dd");
      term.textContent = String(keys);
      meaning.textContent = String(what);
      return [term, meaning];
    }));
    $("help").addEventListener("click", () => $("keys").showModal());
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  // Rows of [keys, meaning, actions by key].
  #table($, { image, editor, header }) {
    const { store } = this;
    const toggle = (id) => {
      $(id).checked = !$(id).checked;
      $(id).dispatchEvent(new Event("change"));
    };
    return [
      ["N", "next candidate, the strongest first: its evidence, enlarged", { n: () => store.nextCandidate() }],
      ["A  R", "accept, reject", { a: () => store.decide("accepted"), r: () => store.decide("rejected") }],
      ["Shift+A  Shift+R", "accept, reject, and go on to the next", { A: () => store.decideAndGoOn("accepted"), R: () => store.decideAndGoOn("rejected") }],
      ["←  →", "previous, next group", { ArrowLeft: () => store.show(store.integration, store.group - 1), ArrowRight: () => store.show(store.integration, store.group + 1) }],
      ["↓  ↑", "previous, next integration", { ArrowDown: () => store.show(store.integration - 1, store.group), ArrowUp: () => store.show(store.integration + 1, store.group) }],
      ...KINDS.map(({ name, key, title }) => [key, title, { [key]: () => store.setKind(name) }]),
      ["D", "back to single differences", { d: () => store.setKind("difference") }],
      ["M  B", "pin this group; blink between it and another", { m: () => store.pin(), b: () => store.blink() }],
      [",  .", "smooth the evidence less, more", { ",": () => this.#smooth(-0.5), ".": () => this.#smooth(0.5) }],
      ["O  E  F", "fit the onset, the end, the ellipse to the evidence", { o: () => store.fit("group"), e: () => store.fit("last_group"), f: () => store.fit("ellipse") }],
      ["Enter", "mark the placed ellipse or polygon", { Enter: () => editor.mark() }],
      ["Delete", "delete", { Delete: () => store.remove(), Backspace: () => store.remove() }],
      ["C", "place a copy of the last shower at the cursor", { c: () => store.copyLast() }],
      ["L", "draw a polygon with the mouse", { l: () => store.setLasso(!store.isLasso) }],
      ["P", "mask the pixel under the cursor", { p: () => store.addPixel() }],
      ["T", "mask the shower, or take its light out", { t: () => store.toggleAction() }],
      ["W", "comment on the shower", { w: () => $("comment").focus() }],
      ["Esc", "drop the placed ellipse, or select nothing", { Escape: () => store.escape() }],
      ["U  Shift+U", "undo, redo (also Ctrl+Z, Ctrl+Y)", { u: () => store.undo(), U: () => store.redo() }],
      ["H", "hide or show the marks", { h: () => toggle("show-marks") }],
      ["K", "the pixels that the step would mask", { k: () => toggle("show-mask") }],
      ["Q  Shift+Q", "data-quality flags; those of PIXELDQ", { q: () => toggle("show-flags"), Q: () => toggle("show-pixel-flags") }],
      ["I", "invert the colours", { i: () => toggle("invert") }],
      ["0", "take the stretch from this image", { 0: () => $("auto").click() }],
      ["Z", "zoom to all of the image", { z: () => image.refit() }],
      ["+  −", "zoom", { "+": () => image.zoom(1.4), "=": () => image.zoom(1.4), "-": () => image.zoom(1 / 1.4) }],
      ["[  ]", "previous, next exposure", { "[": () => store.open(store.info.number - 1), "]": () => store.open(store.info.number + 1) }],
      ["S  Shift+S", "save the region file; those of all exposures", { s: () => header.save(), S: () => header.saveAll() }],
      ["Y", "light or dark", { y: () => $("theme").click() }],
      ["?", "this list", { "?": () => $("keys").showModal() }],
    ];
  }

  // From what fits the entry, which is some 2 pixels, in steps.
  #smooth(step) {
    const { smoothing } = this.store;
    this.store.setSmoothing(Math.min(4, Math.max(0, (smoothing ?? 2) + step)));
  }

  #onKey(event) {
    const { target } = event;
    if (!this.store.info || this.image.isDragging || document.querySelector("dialog[open]")) return;
    if (!(target instanceof Element)) return;
    const isTyping = target.matches("input:not([type=range], [type=checkbox]), textarea, select");
    if (event.ctrlKey || event.metaKey) {
      if (!isTyping || event.key === "s") this.#run(event, this.withControl(event));
    } else if (isTyping && !event.altKey) {
      const isDone = event.key === "Escape" || (event.key === "Enter" && target.id === "comment");
      if (isDone && target instanceof HTMLElement) target.blur();
    } else if (!event.altKey && !(event.key === "Enter" && target.matches("button"))) {
      this.#run(event, this.actions[event.key]);
    }
  }

  #run(event, action) {
    if (!action) return;
    event.preventDefault();
    action();
  }
}
