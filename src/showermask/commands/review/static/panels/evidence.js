// @ts-check
// The light curve of the current entry.

import { entryRequest } from "../kinds.js";
import { Plot, rangeOf } from "../plot.js";
import { drawHistory, ratesOf } from "./history.js";

const DELAY = 30; // ms

// A single bad pixel, of all integrations.
const isOnePixel = (entry) => entry?.section === "pixels" && Number.isInteger(entry.x) && Number.isInteger(entry.y);

export class EvidencePanel {
  constructor(store, $) {
    this.store = store;
    this.$ = $;
    this.timer = null;
    this.asked = ""; // the entry whose light curve is on show or on its way
    this.curve = null;
    this.history = null; // of a bad pixel, which has no light curve
    this.kept = new Map();
    this.verdicts = new Map(); // on subtraction, by what is fitted
    const fits = { "fit-group": "group", "fit-last": "last_group", "fit-ellipse": "ellipse" };
    for (const [id, what] of Object.entries(fits)) $(id).addEventListener("click", () => store.fit(what));
    store.on("entries", () => this.#ask());
    store.on("exposure", () => {
      this.kept.clear();
      this.verdicts.clear();
    });
    store.on("effects", () => this.#drawVerdict());
    new ResizeObserver(() => this.#draw()).observe($("curve"));
    $("curve").addEventListener("click", (event) => this.#onClick(event));
  }

  #ask() {
    const { $, store } = this;
    const { current, info } = store;
    const hasCurve = current && current.section !== "pixels" && info.product !== "rate";
    for (const id of ["fit-group", "fit-last"]) $(id).disabled = !hasCurve || !info.isRamp;
    $("fit-ellipse").disabled = !hasCurve || current.section !== "showers";
    const request = hasCurve ? entryRequest(current) : null;
    const pixel = isOnePixel(current) ? `${info.number} pixel ${current.x} ${current.y}` : "";
    const key = request ? `${info.number} ${JSON.stringify(request)}` : pixel;
    if (key === this.asked) {
      this.#draw();
      return;
    }
    this.asked = key;
    clearTimeout(this.timer);
    this.history = null;
    if (isOnePixel(current)) {
      this.timer = setTimeout(() => this.#askHistory(key, current), DELAY);
      return;
    }
    if (!request) {
      this.#take(null, "");
      return;
    }
    if (this.kept.has(key)) {
      this.#take(this.kept.get(key), "");
      return;
    }
    // The image comes first.
    this.timer = setTimeout(async () => {
      const answer = await store.server.postJson(`exposures/${info.number}/curve`, request).then(
        (curve) => ({ curve, words: "" }),
        (error) => ({ curve: null, words: error.message }),
      );
      if (answer.curve) this.kept.set(key, answer.curve);
      if (key === this.asked) this.#take(answer.curve, answer.words);
      if (key === this.asked && answer.curve?.axis === "group" && !info.isRaw) await this.#judge(key, request);
    }, DELAY);
  }

  async #askHistory(key, { x, y }) {
    const path = `exposures/${this.store.info.number}/history/${x}/${y}`;
    const history = await this.store.server.getJson(path).catch(() => null);
    if (key !== this.asked) return;
    this.history = history?.length ? history : null;
    this.#take(null, this.history ? ratesOf(this.history) : "");
  }

  // Ask what taking the light out would do: after the light curve, for it takes longer.
  async #judge(key, request) {
    const path = `exposures/${this.store.info.number}/subtraction`;
    const verdict = await this.store.server.postJson(path, request).catch(() => null);
    if (!verdict) return;
    this.verdicts.set(key, verdict);
    if (key === this.asked) this.#draw();
  }

  // The rule's word on it, and the costs of subtraction and mask side by side.
  #drawVerdict() {
    const { $, store } = this;
    const verdict = this.verdicts.get(this.asked);
    $("verdict").hidden = !verdict;
    if (!verdict) return;
    const { isSubtracted, doubt, snr, chiSquare, noise, left } = verdict;
    const mask = store.current ? store.effectOf(store.current) : null;
    const masked = mask ? `; mask: ${mask.noise ? `noise ×${mask.noise.toFixed(2)}` : "no rate left"}` : "";
    const numbers = noise ? `noise ×${noise.toFixed(2)}, light left ≲ ${(100 * left).toFixed(0)} %` : "";
    $("verdict").textContent = isSubtracted
      ? `Subtract: S/N ${snr}, χ² ${chiSquare}, ${numbers}${masked}`
      : `Subtract: no (${doubt})${masked}`;
  }

  #take(curve, words) {
    this.curve = curve;
    const level = curve?.level ? `above ${curve.level.toPrecision(2)} ${curve.unit}` : "";
    this.$("curve-words").textContent = words || (curve ? level : "of the shower that is selected");
    this.#draw();
  }

  #draw() {
    const { curve } = this;
    const svg = this.$("curve");
    this.#drawVerdict();
    if (!svg.clientWidth) return; // the panel is folded
    if (this.history) drawHistory(svg, this.history);
    else if (curve) this.#drawCurve(svg, curve);
    else svg.replaceChildren();
  }

  #drawCurve(svg, curve) {
    const { store } = this;
    const { axis, first, step, unit, errors, others } = curve;
    // The constant light of sources, and of the sky if it is uneven, is taken away.
    const level = curve.level ?? 0;
    const values = curve.values.map((value) => (value === null ? null : value - level));
    const model = curve.model?.map((value) => value - level);
    const at = (i) => i + first;
    const known = values.flatMap((value, i) => (value === null ? [] : [value - errors[i], value + errors[i]]));
    const time = step ? `, ${step.toPrecision(3)} s each` : "";
    const plot = new Plot(svg, {
      x: [at(0) - 0.5, at(values.length - 1) + 0.5],
      y: rangeOf([...known, ...(model ?? [])]),
      xLabel: `${axis}${time}`,
      yLabel: unit,
    });
    const entry = store.current;
    if (axis === "group" && entry) plot.shade((entry.group ?? 0) - 0.5, store.lastGroup(entry) + 0.5, "masked groups");
    plot.upright(axis === "group" ? store.group : store.integration, "now");
    const clipped = (value) => (value === null ? null : Math.min(plot.y1, Math.max(plot.y0, value)));
    for (const other of others) plot.line(other.values.map((value, i) => [at(i), clipped(value)]), "other");
    if (model) plot.line(model.map((value, i) => [at(i), value]), "model");
    const verdict = this.verdicts.get(this.asked);
    if (verdict?.light) {
      // What is taken out, above what is left on average.
      const left = values.map((value, i) => (value === null ? null : value - verdict.light[i])).filter((v) => v !== null);
      const mean = left.reduce((sum, value) => sum + value, 0) / Math.max(1, left.length);
      plot.line(verdict.light.map((value, i) => [at(i), clipped(value + mean)]), "subtracted");
    }
    values.forEach((value, i) => {
      if (value === null) return;
      const seconds = step ? ` (${(at(i) * step).toFixed(1)} s)` : "";
      plot.point(at(i), value, {
        error: errors[i],
        title: `${axis} ${at(i)}${seconds}: ${value.toPrecision(3)} ± ${errors[i].toPrecision(2)} ${unit}`,
      });
    });
    plot.show();
    this.plot = plot;
  }

  // A click goes to the group.
  #onClick(event) {
    const { plot, curve, store } = this;
    if (!curve || !plot) return;
    const box = this.$("curve").getBoundingClientRect();
    const part = (event.clientX - box.left - plot.x(plot.x0)) / (plot.x(plot.x1) - plot.x(plot.x0));
    const place = Math.round(plot.x0 + part * (plot.x1 - plot.x0));
    if (curve.axis === "group") store.show(store.integration, place);
    else store.show(place, store.group);
  }
}
