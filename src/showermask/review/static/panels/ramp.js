// @ts-check
// The ramp of one pixel, as a small plot.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 316;
const HEIGHT = 92;
const PAD = { left: 6, right: 6, top: 8, bottom: 8 };

export function flagNames(flags, known) {
  return Object.entries(known).filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name);
}

// Draw values against groups; flagged groups are marked, the group on show is emphasised.
export function drawRamp(svg, { values, flags }, group, known) {
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const finite = values.filter((value) => value !== null);
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  const x = (g) => PAD.left + ((WIDTH - PAD.left - PAD.right) * g) / Math.max(1, values.length - 1);
  const y = (v) => HEIGHT - PAD.bottom - ((HEIGHT - PAD.top - PAD.bottom) * (v - low)) / (high - low || 1);
  const parts = [];
  const add = (name, attributes, title) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (title) {
      const text = document.createElementNS(SVG, "title");
      text.textContent = title;
      node.append(text);
    }
    parts.push(node);
  };
  add("line", { class: "now", x1: x(group), x2: x(group), y1: 0, y2: HEIGHT });
  const points = values.flatMap((v, g) => (v === null ? [] : [`${x(g).toFixed(1)},${y(v).toFixed(1)}`]));
  add("polyline", { class: "ramp", points: points.join(" ") });
  values.forEach((v, g) => {
    if (v === null) return;
    const names = flagNames(flags[g], known);
    add(
      "circle",
      {
        class: names.length ? "flagged" : "good", cx: x(g).toFixed(1), cy: y(v).toFixed(1),
        r: g === group ? 3.4 : 2,
      },
      `group ${g}: ${v.toPrecision(6)}${names.length ? `, ${names.join(" ")}` : ""}`,
    );
  });
  svg.replaceChildren(...parts);
}
