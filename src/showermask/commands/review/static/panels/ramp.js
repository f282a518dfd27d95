// @ts-check
// The ramp of one pixel, as a small plot.

import { Plot, rangeOf } from "../plot.js";

export function flagNames(flags, known) {
  return Object.entries(known).filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name);
}

// Draw values against groups; flagged groups are marked, the group on show is emphasised.
export function drawRamp(svg, { values, flags }, group, known, { xLabel, yLabel }) {
  const plot = new Plot(svg, { x: [0, Math.max(1, values.length - 1)], y: rangeOf(values), xLabel, yLabel });
  plot.upright(group, "now");
  plot.line(values.map((value, g) => [g, value]), "ramp");
  values.forEach((value, g) => {
    if (value === null) return;
    const names = flagNames(flags[g], known);
    plot.point(g, value, {
      name: names.length ? "flagged" : "good",
      radius: g === group ? 3.4 : 2,
      title: `${xLabel} ${g}: ${value.toPrecision(6)}${names.length ? `, ${names.join(" ")}` : ""}`,
    });
  });
  plot.show();
}
