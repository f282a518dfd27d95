// @ts-check
// Entries and handles over the image, in SVG.

import { handles, toScreen } from "../geometry.js";

const SVG = "http://www.w3.org/2000/svg";
const ROTATE_REACH = 26; // screen pixels from the end of the a axis

function element(name, attributes = {}) {
  const node = document.createElementNS(SVG, name);
  set(node, attributes);
  return node;
}

function set(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
}

// How each kind of entry is drawn: the element, the attributes of its shape, and of its place.
const DRAWN = {
  showers: {
    name: "ellipse",
    shape: ({ a, b }) => ({ rx: a, ry: b }),
    place: ({ x, y, theta }) => `translate(${x} ${y}) rotate(${theta})`,
  },
  pixels: { name: "rect", shape: ({ box }) => box },
  polygons: { name: "polygon", shape: ({ vertices }) => ({ points: vertices.join(" ") }) },
};

// Handles by kind of entry: positions in the image by name.
const GRIPS = {
  showers: (entry, view) => handles(entry, ROTATE_REACH / view.scale),
  polygons: ({ vertices }) => Object.fromEntries(vertices.map((vertex, i) => [`vertex${i}`, vertex])),
  pixels: () => ({}),
};

// The current entry and its handles are in a layer of their own, so that dragging them paints nothing
// else, however many entries there are.
export class Overlay {
  constructor(root) {
    this.others = element("g", { class: "frame" });
    this.current = element("g", { class: "frame" });
    this.lasso = element("polyline", { class: "lasso" });
    this.grips = element("g", { class: "grips" });
    const [below, above] = [element("svg"), element("svg")];
    below.append(this.others);
    above.append(this.current, this.lasso, this.grips);
    root.append(below, above);
    this.nodes = new Map();
  }

  // Entries to show: [{id, section, status, isSelected, …geometry}]; id "draft" is the one being placed.
  setEntries(entries) {
    const wanted = new Set(entries.map((entry) => `${entry.section} ${entry.id}`));
    for (const [key, node] of this.nodes) {
      if (!wanted.has(key)) {
        node.group.remove();
        this.nodes.delete(key);
      }
    }
    for (const entry of entries) this.#setEntry(entry);
  }

  #setEntry(entry) {
    const key = `${entry.section} ${entry.id}`;
    let node = this.nodes.get(key);
    if (!node) {
      const group = element("g", { "data-id": entry.id });
      const lines = ["halo", "line"].map((name) => element(DRAWN[entry.section].name, { class: name }));
      group.append(...lines);
      node = { group, lines };
      this.nodes.set(key, node);
    }
    const kind = entry.section === "pixels" ? "region shower" : "shower";
    node.group.setAttribute("class", `${kind} ${entry.status}${entry.isSelected ? " selected" : ""}`);
    this.setShape(entry);
    const layer = entry.isSelected && entry.section !== "pixels" ? this.current : this.others;
    if (node.group.parentNode !== layer) layer.append(node.group);
  }

  // Give an entry that is shown another geometry.
  setShape(entry) {
    const node = this.nodes.get(`${entry.section} ${entry.id}`);
    if (!node) return;
    const drawn = DRAWN[entry.section];
    for (const line of node.lines) set(line, drawn.shape(entry));
    if (drawn.place) node.group.setAttribute("transform", drawn.place(entry));
  }

  setView(view) {
    const { scale, left, top, ny } = view;
    const matrix = `matrix(${scale} 0 0 ${-scale} ${left + 0.5 * scale} ${top + (ny - 0.5) * scale})`;
    for (const layer of [this.others, this.current]) layer.setAttribute("transform", matrix);
  }

  // The line that is being drawn, in screen coordinates.
  setLasso(points) {
    this.lasso.setAttribute("points", points.join(" "));
  }

  setHandles(entry, view) {
    const ends = entry ? GRIPS[entry.section](entry, view) : {};
    const names = Object.keys(ends);
    if (this.grips.dataset.names !== names.join()) {
      this.grips.dataset.names = names.join();
      const stem = ends.rotate ? [element("line", { class: "stem" })] : [];
      const circles = names.map((name) =>
        element("circle", { class: `grip ${name}`, "data-handle": name, r: name in { a: 0, b: 0, rotate: 0 } ? 6 : 5 }));
      this.grips.replaceChildren(...stem, ...circles);
    }
    for (const grip of this.grips.querySelectorAll("circle")) {
      const [cx, cy] = toScreen(view, ...ends[grip.dataset.handle]);
      set(grip, { cx, cy });
    }
    if (ends.rotate) {
      const [[x1, y1], [x2, y2]] = [toScreen(view, ...ends.a), toScreen(view, ...ends.rotate)];
      set(this.grips.querySelector("line"), { x1, y1, x2, y2 });
    }
  }
}
