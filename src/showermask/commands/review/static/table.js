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
  { name: "probability", label: "P", title: "Probability of being a shower, from propose", value: (entry) => entry.probability, text: places(2) },
  { name: "removed", label: "DN/s", title: "What the mask takes out of the rate, on average over its pixels", value: (_, effect) => effect?.removed, text: (v) => v.toPrecision(2) },
  { name: "pixels", label: "px", title: "Masked pixels", value: (_, effect) => effect?.pixels, text: String },
  { name: "seconds", label: "s", title: "Exposure time in s that each masked pixel loses", value: (_, effect) => effect?.seconds, text: places(0) },
  { name: "noise", label: "noise", title: "Noise of the rate after the mask, in units of that before; ∞ where no rate is left", value: (_, effect) => noiseOf(effect), text: (v) => (v === Infinity ? "∞" : `×${v.toFixed(2)}`) },
  { name: "comment", label: "Comment", title: "Comment, and where the entry comes from", value: (entry) => [kindOf(entry), entry.comment].filter(Boolean).join(" ") },
];

// What a shower may be instead; what is wrong with pixels is in their comment.
function kindOf({ section, kind, comment }) {
  if (section === "pixels") return kind && !comment?.startsWith(kind) ? kind : "";
  return kind && `${kind}?`;
}

// No rate is left where the mask leaves no two groups in a row.
function noiseOf(effect) {
  if (!effect) return undefined;
  return effect.noise ?? (effect.withoutRate > 0.5 ? Infinity : undefined);
}

const RANK = { showers: 0, polygons: 1, pixels: 2 };

// Most probable first; then what has only a score, the strongest first; then the rest.
export function byProbability(p, q) {
  const section = Number(p.section === "pixels") - Number(q.section === "pixels");
  const probability = (entry) => entry.probability ?? (entry.score === undefined ? -1 : 0.5);
  return section || probability(q) - probability(p) || (q.score ?? 0) - (p.score ?? 0);
}

const SERIES = /^one glow over integrations \d+ to \d+/; // as propose writes it

// An entry, and those of other integrations that are the same glow, of the same status: what lasts
// longer than an integration has an entry in each.
export function oneGlow(entry, entries) {
  const series = SERIES.exec(entry.comment ?? "")?.[0];
  if (!series) return [entry];
  const shape = ({ section, x, y, a, b, theta, vertices }) => JSON.stringify([section, x, y, a, b, theta, vertices]);
  return entries.filter((other) => other === entry || (
    other.status === entry.status && other.comment?.startsWith(series) && shape(other) === shape(entry)
  ));
}

// Entries in the order of a column, or candidates first and the most probable first; unknown values
// last.
export function sorted(entries, effects, { sort, isDown }) {
  const column = COLUMNS.find(({ name }) => name === sort);
  if (!column) {
    const isOpen = (entry) => (entry.status === "candidate" && entry.section !== "pixels" ? 0 : 1);
    const rest = (p, q) => RANK[p.section] - RANK[q.section];
    return [...entries].sort((p, q) => isOpen(p) - isOpen(q) || (isOpen(p) ? rest(p, q) : byProbability(p, q)));
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

// Where an entry comes from; of bad pixels, with what is wrong with them.
export const sourceOf = ({ source, section, kind }) => (section === "pixels" && kind ? `${source ?? "pixels"}: ${kind}` : source ?? "not told");

// The entries that a filter lets through.
export function filtered(entries, { status, source }) {
  return entries.filter((entry) => (!status || entry.status === status) && (!source || sourceOf(entry) === source));
}
