// @ts-check
// The list of entries as a table: values, order, filter. Pure functions.

/** @typedef {{name: string, label: string, title: string, value: (entry: any, effect: any) => any, text?: (value: any) => string}} Column */

const places = (digits) => (value) => value.toFixed(digits);

/** @type {Column[]} */
export const COLUMNS = [
  { name: "integration", label: "Int", title: "Integration", value: (entry) => entry.integration },
  { name: "group", label: "Groups", title: "First and last affected group", value: (entry) => entry.group },
  { name: "x", label: "Centre", title: "Column and row of the centre", value: (entry) => entry.x },
  { name: "score", label: "S/N", title: "Signal-to-noise ratio, from propose", value: (entry) => entry.score, text: places(1) },
  { name: "removed", label: "DN/s", title: "What the mask takes out of the rate, on average over its pixels", value: (_, effect) => effect?.removed, text: (v) => v.toPrecision(2) },
  { name: "pixels", label: "px", title: "Masked pixels", value: (_, effect) => effect?.pixels, text: String },
  { name: "seconds", label: "s", title: "Exposure time in s that each masked pixel loses", value: (_, effect) => effect?.seconds, text: places(0) },
  { name: "noise", label: "noise", title: "Noise of the rate after the mask, in units of that before; ∞ where no rate is left", value: (_, effect) => noiseOf(effect), text: (v) => (v === Infinity ? "∞" : `×${v.toFixed(2)}`) },
  { name: "comment", label: "Comment", title: "Comment, and where the entry comes from", value: (entry) => entry.comment ?? "" },
];

// No rate is left where the mask leaves no two groups in a row.
function noiseOf(effect) {
  if (!effect) return undefined;
  return effect.noise ?? (effect.withoutRate > 0.5 ? Infinity : undefined);
}

const RANK = { showers: 0, polygons: 1, pixels: 2 };

// Entries in the order of a column, or candidates first and the strongest first; unknown values last.
export function sorted(entries, effects, { sort, isDown }) {
  const column = COLUMNS.find(({ name }) => name === sort);
  if (!column) {
    const isOpen = (entry) => (entry.status === "candidate" && entry.section !== "pixels" ? 0 : 1);
    const score = (entry) => (isOpen(entry) ? 0 : -(entry.score ?? 0));
    return [...entries].sort((p, q) => isOpen(p) - isOpen(q) || RANK[p.section] - RANK[q.section] || score(p) - score(q));
  }
  const value = (entry) => column.value(entry, effects(entry));
  const isKnown = (v) => typeof v === "number" || (typeof v === "string" && v !== "");
  return [...entries].sort((p, q) => {
    const [a, b] = [value(p), value(q)];
    if (!isKnown(a) || !isKnown(b)) return Number(isKnown(b)) - Number(isKnown(a));
    const order = a < b ? -1 : Number(a > b);
    return isDown ? -order : order;
  });
}

export const sourceOf = (entry) => entry.source ?? "not told";

// The entries that a filter lets through.
export function filtered(entries, { status, source }) {
  return entries.filter((entry) => (!status || entry.status === status) && (!source || sourceOf(entry) === source));
}
