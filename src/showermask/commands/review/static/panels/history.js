// @ts-check
// A bad pixel in all integrations, of this exposure and of those beside it: ramps next to each other.

import { Plot, rangeOf } from "../plot.js";

const GAP = 2; // groups between two ramps
const MOST = 24; // ramps that are drawn

// Draw what the server tells of a pixel; return words on its rates.
export function drawHistory(svg, history) {
  const drawn = history.slice(0, MOST);
  const length = Math.max(...drawn.map(({ values }) => values.length));
  const step = length > 1 ? length + GAP : 1;
  const plot = new Plot(svg, {
    x: [0, Math.max(1, step * drawn.length - (length > 1 ? GAP : 0))],
    y: rangeOf(drawn.flatMap(({ values }) => values)),
    xLabel: length > 1 ? "groups of one integration after the other" : "integrations",
    yLabel: length > 1 ? "DN" : "DN/s",
    whole: false,
  });
  drawn.forEach(({ values, exposure, integration, rate }, k) => {
    const title = `${exposure}, integration ${integration}: ${rate === null ? "no rate" : `${rate.toPrecision(3)} DN/s`}`;
    if (k % 2) plot.shade(k * step - GAP / 2, (k + 1) * step - GAP / 2, title);
    if (length > 1) plot.line(values.map((value, g) => [k * step + g, value]), "ramp");
    else if (values[0] !== null) plot.point(k, values[0], { title });
  });
  plot.show();
}

// The rates of a pixel in words.
export function ratesOf(history) {
  const rates = history.map(({ rate }) => rate).filter((rate) => rate !== null);
  if (!rates.length) return "no rate in any integration";
  const [low, high] = rangeOf(rates);
  const middle = [...rates].sort((a, b) => a - b)[Math.floor(rates.length / 2)];
  const spread = rates.length > 1 ? `, ${low.toPrecision(3)} to ${high.toPrecision(3)}` : "";
  return `${middle.toPrecision(3)} DN/s${spread} in ${rates.length} of ${history.length} integrations`;
}
