// The list as a table, the ticks of plots, stretches, and names of views.

import assert from "node:assert/strict";
import { test } from "node:test";

const from = (name) => import(new URL(`../../src/showermask/commands/review/static/${name}.js`, import.meta.url));
const { byProbability, filtered, oneGlow, sorted } = await from("table");
const { ticks } = await from("plot");
const { limits, scaled } = await from("stretch");
const { KINDS, viewBody, viewKey } = await from("kinds");

const ENTRIES = [
  { id: 1, section: "pixels", status: "accepted", x: 3 },
  { id: 2, section: "showers", status: "accepted", x: 9, score: 30, source: "propose" },
  { id: 3, section: "showers", status: "candidate", x: 5, score: 7, source: "propose" },
  { id: 4, section: "showers", status: "candidate", x: 1, score: 9, source: "manual" },
];
const EFFECTS = { 2: { pixels: 5, noise: null, withoutRate: 1 }, 3: { pixels: 9, noise: 1.5 }, 4: null };
const effects = (entry) => EFFECTS[entry.id];
const ids = (entries) => entries.map(({ id }) => id);

test("candidates come first, the strongest first", () => {
  assert.deepEqual(ids(sorted(ENTRIES, effects, { sort: "", isDown: true })), [4, 3, 2, 1]);
});

test("the most probable comes first, then the strongest; what has no score comes last", () => {
  const entries = [
    { id: 1, section: "pixels" },
    { id: 2, section: "showers" },
    { id: 3, section: "showers", score: 9 },
    { id: 4, section: "polygons", score: 5, probability: 0.9 },
    { id: 5, section: "showers", score: 50, probability: 0.2 },
    { id: 6, section: "showers", score: 8, probability: 0.9 },
  ];
  assert.deepEqual(ids(entries.sort(byProbability)), [6, 4, 3, 5, 2, 1]);
});

test("a glow of several integrations is one", () => {
  const comment = "one glow over integrations 2 to 4";
  const shower = { section: "showers", status: "candidate", x: 1, y: 2, a: 3, b: 4, theta: 5, comment };
  const entries = [
    { ...shower, id: 1, integration: 2 },
    { ...shower, id: 2, integration: 3, comment: `${comment}; perhaps not a shower: it moves` },
    { ...shower, id: 3, integration: 4, status: "rejected" },
    { ...shower, id: 4, integration: 3, x: 9 },
    { ...shower, id: 5, integration: 4, comment: undefined },
  ];
  assert.deepEqual(ids(oneGlow(entries[0], entries)), [1, 2]);
  assert.deepEqual(ids(oneGlow(entries[4], entries)), [5]);
});

test("a column sorts both ways, with what is not known last", () => {
  assert.deepEqual(ids(sorted(ENTRIES, effects, { sort: "x", isDown: true })), [2, 3, 1, 4]);
  assert.deepEqual(ids(sorted(ENTRIES, effects, { sort: "pixels", isDown: false })), [2, 3, 1, 4]);
  assert.deepEqual(ids(sorted(ENTRIES, effects, { sort: "noise", isDown: true })).slice(0, 2), [2, 3]); // no rate left: infinite
});

test("status and source filter", () => {
  assert.deepEqual(ids(filtered(ENTRIES, { status: "candidate", source: "" })), [3, 4]);
  assert.deepEqual(ids(filtered(ENTRIES, { status: "", source: "not told" })), [1]);
});

test("ticks are round, within the range, and few", () => {
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(-0.13, 0.22, 4), [-0.1, 0, 0.1, 0.2]);
  assert.deepEqual(ticks(3, 3, 5), [3]);
  for (const [low, high] of [[1e-9, 3e-9], [-5e5, 2e6], [17, 18]]) {
    const found = ticks(low, high, 5);
    assert.ok(found.length >= 2 && found.length <= 7);
    assert.ok(found.every((value) => value >= low && value <= high + 1e-9 * (high - low)));
  }
});

test("every stretch goes from 0 to 1, and contrast turns about the bias", () => {
  for (const shape of ["linear", "sqrt", "log", "asinh"]) {
    const values = [-1, 0, 1, 5, 10, 11].map((value) => scaled(value, 0, 10, { shape }));
    assert.deepEqual([values[0], values[1], values[4], values[5]], [0, 0, 1, 1]);
    assert.ok(values[1] < values[2] && values[2] < values[3]);
  }
  assert.equal(scaled(3, 0, 10, { contrast: 4, bias: 0.3 }), 0.5);
  assert.equal(scaled(8, 0, 10, { contrast: 4, bias: 0.3 }), 1);
  assert.deepEqual(limits({ k: 2, reference: { median: 1, mad: 3 } }), [-5, 7]);
});

test("kinds have keys of their own, and views a name for each image", () => {
  assert.equal(new Set(KINDS.map(({ key }) => key)).size, KINDS.length);
  const entry = { id: 7, section: "showers", status: "candidate", integration: 0, group: 3, x: 1, y: 2, a: 3, b: 4, theta: 5 };
  const view = { kind: "evidence", integration: 0, group: 9, entry, smoothing: null };
  assert.equal(viewKey(view), viewKey({ ...view, group: 1, entry: { ...entry, status: "accepted" } }));
  assert.notEqual(viewKey(view), viewKey({ ...view, entry: { ...entry, group: 4 } }));
  assert.deepEqual(viewBody({ kind: "pair", integration: 1, group: 5, from: 2 }), { kind: "pair", integration: 1, group: 5, from: 2 });
  assert.equal(viewKey({ kind: "difference", integration: 1, group: 5 }), "1/5");
});
