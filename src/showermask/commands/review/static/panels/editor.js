// @ts-check
// The numbers and the comment of the current entry, and what can be said of it.

import { ellipseOf, isGeometry, withinReason } from "../store.js";

/** @typedef {{name: string, label?: string, title: string, step: number, min?: number, max?: number, isAlone?: boolean}} Field */

/** @type {Field[]} */
const FIELDS = [
  { name: "x", title: "Column of the centre, zero-based", step: 0.5 },
  { name: "y", title: "Row of the centre, zero-based", step: 0.5 },
  { name: "a", title: "Semi-axis along theta, pixels", step: 0.5, min: 0.5 },
  { name: "b", title: "Semi-axis across theta, pixels", step: 0.5, min: 0.5 },
  { name: "theta", label: "θ", title: "Degrees counter-clockwise from +x to a", step: 1, min: 0, max: 359.9, isAlone: true },
  { name: "group", title: "First affected group", step: 1, min: 0 },
  { name: "last_group", label: "last", title: "Last affected group; the end of the integration is the rule", step: 1, min: 0 },
];
const TITLES = { showers: "Shower", pixels: "Pixels", polygons: "Polygon" };

// Whether an entry has a number that can be edited here.
function hasField(entry, name) {
  if (!entry || entry.section === "pixels") return false;
  return entry.section === "showers" || !isGeometry(name);
}

export class Editor {
  constructor(store, $) {
    this.store = store;
    this.$ = $;
    for (const field of FIELDS) this.#addField(field);
    const clicks = {
      mark: () => this.mark(),
      accept: () => store.decide("accepted"),
      reject: () => store.decide("rejected"),
      delete: () => store.remove(),
      copy: () => store.copyLast(),
      subtract: () => store.toggleAction(),
    };
    for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", action);
    $("comment").addEventListener("change", (event) => {
      const entry = store.current;
      if (entry && (entry.comment ?? "") !== event.target.value) store.edit({ comment: event.target.value || null });
    });
    store.on("exposure", () => this.#fit());
    store.on("entries", () => this.#draw());
    store.on("shape", () => {
      for (const field of FIELDS) if (isGeometry(field.name)) this.#drawField(field);
    });
  }

  mark() {
    return this.store.mark(this.$("comment").value);
  }

  /** @param {Field} field */
  #addField({ name, label, title, step, min, max, isAlone }) {
    const { $, store } = this;
    const caption = document.createElement("label");
    caption.textContent = label ?? name;
    caption.title = title;
    caption.htmlFor = `field-${name}`;
    const slider = document.createElement("input");
    const range = { step: step < 1 ? "0.5" : "1", min: String(min ?? 0), max: String(max ?? 100) };
    Object.assign(slider, { type: "range", id: `slider-${name}`, title, ...range });
    slider.setAttribute("aria-label", title);
    const number = document.createElement("input");
    Object.assign(number, { type: "number", id: `field-${name}`, step: "any", title });
    if (name === "last_group") number.placeholder = "end";
    slider.addEventListener("input", () => {
      const entry = store.current;
      if (!entry) return;
      number.value = slider.value;
      if (isGeometry(name)) store.drag({ ...ellipseOf(entry), [name]: Number(slider.value) });
    });
    slider.addEventListener("change", () => this.#commit(name, slider.value));
    number.addEventListener("change", () => this.#commit(name, number.value));
    $("fields").append(caption, slider, number);
    if (isAlone) $("fields").append(...["", "", ""].map(() => document.createElement("span")));
  }

  async #commit(name, text) {
    const { $, store } = this;
    const entry = store.current;
    if (!entry) return;
    store.override = null;
    let value = text.trim() === "" ? null : Number(text);
    const isNonsense = $(`field-${name}`).validity.badInput || Number.isNaN(value);
    if (isNonsense || (value === null && name !== "last_group")) {
      $(`field-${name}`).value = "";
      store.emit("entries");
      return;
    }
    if (value !== null) value = withinReason(name, value, entry, store.info);
    if (name === "last_group" && value === store.info.groups - 1) value = null;
    const values = { [name]: value };
    if (name === "group" && entry.last_group < value) values.last_group = value;
    await store.edit(values);
    store.emit("entries");
  }

  #fit() {
    const { info } = this.store;
    const largest = Math.max(50, info.nx / 3);
    const limits = {
      x: [0, info.nx - 1], y: [0, info.ny - 1], a: [0.5, largest], b: [0.5, largest],
      group: [0, info.groups - 1], last_group: [0, info.groups - 1],
    };
    for (const [name, [low, high]] of Object.entries(limits)) {
      this.$(`slider-${name}`).min = low;
      this.$(`slider-${name}`).max = high;
    }
  }

  #draw() {
    const { $, store } = this;
    const { placed, current } = store;
    for (const field of FIELDS) this.#drawField(field);
    const title = TITLES[current?.section ?? "showers"];
    $("editor-title").textContent = placed ? `New ${title.toLowerCase()}` : title;
    $("editor-status").textContent = this.#status();
    if (document.activeElement !== $("comment")) $("comment").value = current?.comment ?? "";
    $("comment").disabled = !current;
    $("mark").disabled = !placed;
    $("accept").disabled = store.selected === null || current?.status === "accepted";
    $("reject").disabled = store.selected === null || current?.status === "rejected";
    $("delete").disabled = !current;
    $("subtract").disabled = !current || current.section === "pixels";
    $("subtract").setAttribute("aria-pressed", String(Boolean(current) && (current.action ?? "mask") !== "mask"));
    $("copy").disabled = !store.state.showers.length;
    this.#hint();
  }

  #status() {
    const { placed, current } = this.store;
    if (placed) return `integration ${placed.integration}, not marked`;
    if (!current) return "click on the image to place one";
    if (current.section === "pixels") return `${current.status}, ${current.location}`;
    const score = current.score === undefined ? "" : `, S/N ${current.score.toFixed(1)}`;
    const probability = current.probability === undefined ? "" : `, P ${current.probability.toFixed(2)}`;
    const kind = current.kind ? `, perhaps a ${current.kind}` : "";
    const corners = current.vertices ? `, ${current.vertices.length} corners` : "";
    const action = (current.action ?? "mask") === "mask" ? "" : `, ${current.action}`;
    return `${current.status}${action}, integration ${current.integration}${corners}${score}${probability}${kind}`;
  }

  #drawField({ name }) {
    const { $, store } = this;
    const number = $(`field-${name}`);
    const slider = $(`slider-${name}`);
    const entry = hasField(store.current, name) ? store.dragged : null;
    number.disabled = slider.disabled = !entry;
    if (document.activeElement === number) return;
    const value = entry?.[name];
    number.value = value === undefined || value === null ? "" : Math.round(value * 10) / 10;
    slider.value = value ?? (name === "last_group" && entry ? store.info.groups - 1 : 0);
  }

  #hint() {
    const { $, store } = this;
    const { placed } = store;
    let text = "";
    if (placed && store.info.isRamp) {
      text = store.group === placed.group && !placed.vertices
        ? "A bright shower is largest in its first frame: go one group on (→) and size the ellipse there. Enter marks it."
        : "A shower adds to the ramp after it has faded from view: leave “last” empty, to mask to the end of the integration.";
    }
    $("hint").textContent = text;
    $("hint").hidden = !text;
  }
}
