// @ts-check
// The keys of the page.

export class Keys {
  constructor(store, $, { image, editor, header }) {
    this.store = store;
    this.image = image;
    const toggle = (id) => {
      $(id).checked = !$(id).checked;
      $(id).dispatchEvent(new Event("change"));
    };
    const table = [
      ["←  →", "previous, next group", { ArrowLeft: () => store.show(store.integration, store.group - 1), ArrowRight: () => store.show(store.integration, store.group + 1) }],
      ["↓  ↑", "previous, next integration", { ArrowDown: () => store.show(store.integration - 1, store.group), ArrowUp: () => store.show(store.integration + 1, store.group) }],
      ["Enter", "mark the placed ellipse or polygon", { Enter: () => editor.mark() }],
      ["A", "accept", { a: () => store.decide("accepted") }],
      ["R", "reject", { r: () => store.decide("rejected") }],
      ["N", "next candidate", { n: () => store.nextCandidate() }],
      ["Delete", "delete", { Delete: () => store.remove(), Backspace: () => store.remove() }],
      ["C", "place a copy of the last shower at the cursor", { c: () => store.copyLast() }],
      ["L", "draw a polygon with the mouse", { l: () => store.setLasso(!store.isLasso) }],
      ["P", "mask the pixel under the cursor", { p: () => store.addPixel() }],
      ["T", "comment on the shower", { t: () => $("comment").focus() }],
      ["Esc", "drop the placed ellipse, or select nothing", { Escape: () => store.escape() }],
      ["U  Shift+U", "undo, redo (also Ctrl+Z, Ctrl+Y)", { u: () => store.undo(), U: () => store.redo() }],
      ["M", "the pixels that the step would mask", { m: () => toggle("show-mask") }],
      ["D", "data-quality flags", { d: () => toggle("show-flags") }],
      ["I", "invert the colours", { i: () => toggle("invert") }],
      ["0", "take the stretch from this frame", { 0: () => $("auto").click() }],
      ["F", "fit the frame", { f: () => image.refit() }],
      ["+  −", "zoom", { "+": () => image.zoom(1.4), "=": () => image.zoom(1.4), "-": () => image.zoom(1 / 1.4) }],
      ["[  ]", "previous, next exposure", { "[": () => store.open(store.info.number - 1), "]": () => store.open(store.info.number + 1) }],
      ["S", "save the region file", { s: () => header.save() }],
      ["?", "this list", { "?": () => $("keys").showModal() }],
    ];
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

  #onKey(event) {
    const { target } = event;
    if (!this.store.info || this.image.isDragging || document.querySelector("dialog[open]")) return;
    if (!(target instanceof Element)) return;
    const isTyping = target.matches("input:not([type=range], [type=checkbox]), textarea");
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
