// Ellipses and handles over the image, in SVG.

import { handles, toScreen } from "./geometry.js";

const SVG = "http://www.w3.org/2000/svg";
const ROTATE_REACH = 26; // screen pixels from the end of the a axis

function element(name, attributes = {}) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

// The current ellipse and its handles are in a layer of their own, so that dragging them paints
// nothing else, however many showers there are.
export class Overlay {
  constructor(root) {
    this.regions = element("g", { class: "frame" });
    this.others = element("g", { class: "frame" });
    this.current = element("g", { class: "frame" });
    this.grips = element("g", { class: "grips" });
    const [below, above] = [element("svg"), element("svg")];
    below.append(this.regions, this.others);
    above.append(this.current, this.grips);
    root.append(below, above);
    this.nodes = new Map();
  }

  // Showers to show: [{id, ellipse, status, isSelected}]; id "draft" is the one being placed.
  setShowers(showers) {
    const wanted = new Set(showers.map((shower) => String(shower.id)));
    for (const [id, node] of this.nodes) {
      if (!wanted.has(id)) {
        node.group.remove();
        this.nodes.delete(id);
      }
    }
    for (const shower of showers) this.setShower(shower);
  }

  // Pixel regions to show: [{box, status, isSelected}], a box in pixels of the frame.
  setRegions(regions) {
    this.regions.replaceChildren(...regions.map(({ box, status, isSelected }) => {
      const group = element("g", { class: `region shower ${status}${isSelected ? " selected" : ""}` });
      group.append(element("rect", { class: "halo", ...box }), element("rect", { class: "line", ...box }));
      return group;
    }));
  }

  setShower({ id, ellipse, status, isSelected }) {
    let node = this.nodes.get(String(id));
    if (!node) {
      const group = element("g", { "data-id": id });
      const halo = element("ellipse", { class: "halo" });
      const line = element("ellipse", { class: "line" });
      group.append(halo, line);
      node = { group, halo, line };
      this.nodes.set(String(id), node);
    }
    node.group.setAttribute("class", `shower ${status}${isSelected ? " selected" : ""}`);
    this.shape(id, ellipse);
    const layer = isSelected ? this.current : this.others;
    if (node.group.parentNode !== layer) layer.append(node.group);
  }

  shape(id, ellipse) {
    const node = this.nodes.get(String(id));
    if (!node) return;
    for (const part of [node.halo, node.line]) {
      part.setAttribute("rx", ellipse.a);
      part.setAttribute("ry", ellipse.b);
    }
    node.group.setAttribute(
      "transform", `translate(${ellipse.x} ${ellipse.y}) rotate(${ellipse.theta})`,
    );
  }

  setView(view) {
    const { scale, left, top, ny } = view;
    const matrix = `matrix(${scale} 0 0 ${-scale} ${left + 0.5 * scale} ${top + (ny - 0.5) * scale})`;
    for (const layer of [this.regions, this.others, this.current]) layer.setAttribute("transform", matrix);
  }

  setHandles(ellipse, view) {
    if (!ellipse) {
      this.grips.replaceChildren();
      return;
    }
    if (!this.grips.firstChild) {
      this.grips.append(
        element("line", { class: "stem" }),
        ...["a", "b", "rotate"].map((name) =>
          element("circle", { class: `grip ${name}`, "data-handle": name, r: 6 })),
      );
    }
    const ends = handles(ellipse, ROTATE_REACH / view.scale);
    const [stem, ...grips] = this.grips.children;
    const [ax, ay] = toScreen(view, ...ends.a);
    const [rx, ry] = toScreen(view, ...ends.rotate);
    for (const [key, value] of Object.entries({ x1: ax, y1: ay, x2: rx, y2: ry })) {
      stem.setAttribute(key, value);
    }
    for (const grip of grips) {
      const [x, y] = toScreen(view, ...ends[grip.dataset.handle]);
      grip.setAttribute("cx", x);
      grip.setAttribute("cy", y);
    }
  }
}
