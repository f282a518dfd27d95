// @ts-check
// Small plots in SVG: axes with ticks, lines, points with error bars.

const SVG = "http://www.w3.org/2000/svg";
const PAD = { left: 46, right: 8, top: 8, bottom: 30 };

export function element(name, attributes, title) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  if (title) {
    const text = document.createElementNS(SVG, "title");
    text.textContent = title;
    node.append(text);
  }
  return node;
}

// Round values that divide a range into some steps.
export function ticks(low, high, count) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((part) => part * power).find((size) => size >= rough) ?? rough;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * span; i += 1) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}

const label = (value) => (Math.abs(value) >= 10000 ? value.toExponential(0) : String(value));

export class Plot {
  // Ranges of both axes; labels of them; whether x stands for whole numbers.
  constructor(svg, { x, y, xLabel, yLabel, whole = true }) {
    this.svg = svg;
    const box = svg.getBoundingClientRect();
    this.width = Math.max(160, Math.round(box.width) || 316);
    this.height = Math.max(80, Math.round(box.height) || 130);
    svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    const margin = 0.06 * (y[1] - y[0] || 1);
    this.x0 = x[0];
    this.x1 = x[1];
    this.y0 = y[0] - margin;
    this.y1 = y[1] + margin;
    this.parts = [];
    this.#axes(xLabel, yLabel, whole);
  }

  x(value) {
    return PAD.left + ((this.width - PAD.left - PAD.right) * (value - this.x0)) / (this.x1 - this.x0 || 1);
  }

  y(value) {
    return this.height - PAD.bottom - ((this.height - PAD.top - PAD.bottom) * (value - this.y0)) / (this.y1 - this.y0 || 1);
  }

  add(name, attributes, title) {
    this.parts.push(element(name, attributes, title));
  }

  text(words, attributes) {
    const node = element("text", attributes);
    node.textContent = words;
    this.parts.push(node);
  }

  #axes(xLabel, yLabel, whole) {
    const [left, right, top, bottom] = [PAD.left, this.width - PAD.right, PAD.top, this.height - PAD.bottom];
    this.add("rect", { class: "plot-frame", x: left, y: top, width: right - left, height: bottom - top });
    for (const value of ticks(this.x0, this.x1, Math.max(2, (right - left) / 45)).filter((v) => !whole || Number.isInteger(v))) {
      this.add("line", { class: "tick", x1: this.x(value), x2: this.x(value), y1: bottom, y2: bottom + 3 });
      this.text(label(value), { class: "plot-label", x: this.x(value), y: bottom + 12, "text-anchor": "middle" });
    }
    const values = ticks(this.y0, this.y1, Math.max(2, (bottom - top) / 26));
    for (const value of values.length > 1 ? values : ticks(this.y0, this.y1, 5)) {
      this.add("line", { class: "grid", x1: left, x2: right, y1: this.y(value), y2: this.y(value) });
      this.text(label(value), { class: "plot-label", x: left - 4, y: this.y(value) + 3, "text-anchor": "end" });
    }
    this.text(xLabel, { class: "plot-label", x: (left + right) / 2, y: this.height - 4, "text-anchor": "middle" });
    this.text(yLabel, { class: "plot-label", transform: `translate(9 ${(top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" });
  }

  // A shaded range of x.
  shade(from, to, title) {
    const [a, b] = [Math.max(this.x0, from), Math.min(this.x1, to)];
    if (b > a) this.add("rect", { class: "shade", x: this.x(a), y: PAD.top, width: this.x(b) - this.x(a), height: this.height - PAD.top - PAD.bottom }, title);
  }

  // A line through [x, value] pairs; one that is not known breaks it.
  line(points, name) {
    let path = "";
    let isDown = false;
    for (const [x, value] of points) {
      if (value === null) {
        isDown = false;
      } else {
        path += `${isDown ? "L" : "M"}${this.x(x).toFixed(1)},${this.y(value).toFixed(1)}`;
        isDown = true;
      }
    }
    this.add("path", { class: name, d: path || "M0,0" });
  }

  point(x, value, { error = 0, name = "good", radius = 2.2, title = "" } = {}) {
    if (error) this.add("line", { class: "error", x1: this.x(x), x2: this.x(x), y1: this.y(value - error), y2: this.y(value + error) });
    this.add("circle", { class: name, cx: this.x(x).toFixed(1), cy: this.y(value).toFixed(1), r: radius }, title);
  }

  upright(x, name) {
    this.add("line", { class: name, x1: this.x(x), x2: this.x(x), y1: PAD.top, y2: this.height - PAD.bottom });
  }

  show() {
    this.svg.replaceChildren(...this.parts);
  }
}

// The least and the greatest of some values that may be unknown.
export function rangeOf(values) {
  const known = values.filter((value) => value !== null && Number.isFinite(value));
  return known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
}
