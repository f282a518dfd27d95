// The state of the review page, with a server that answers as the real one does.

import assert from "node:assert/strict";
import { test } from "node:test";

const { Refusal, Store, withinReason } = await import(new URL("../../src/showermask/commands/review/static/store.js", import.meta.url));

const SHOWER = { integration: 0, group: 3, x: 20, y: 15, a: 9, b: 5, theta: 30, status: "candidate", score: 8 };
const SQUARE = [[2, 2], [8, 2], [8, 8], [2, 8]];

class Server {
  constructor(showers = []) {
    this.past = [];
    this.next = 0;
    this.entries = { showers: showers.map((entry) => ({ id: (this.next += 1), ...entry })), pixels: [], polygons: [] };
    this.saved = JSON.stringify(this.entries);
    this.revision = 0;
    this.asked = [];
    this.refusal = null;
  }

  get state() {
    const entries = structuredClone(this.entries);
    const isDirty = JSON.stringify(this.entries) !== this.saved;
    return { ...entries, revision: this.revision, isDirty, canUndo: this.past.length > 0, canRedo: false, reviewer: "" };
  }

  async getJson(path) {
    if (path === "exposures") return { exposures: [{ isUnsaved: false }, { isUnsaved: false }] };
    const number = Number(path.split("/")[1]);
    if (number === 1) throw new Refusal(422, { error: "can't be opened", kind: "error" });
    return {
      number, root: "x", product: "ramp", isRamp: true, nints: 2, ngroups: 10, ngroupsOfRamp: 10, nintsOfRamp: 2,
      nx: 40, ny: 32, flags: { DO_NOT_USE: 1 }, regionFile: "x_showers.yaml", state: this.state,
    };
  }

  async postJson(path, body) {
    this.asked.push([path, body]);
    if (this.refusal) {
      const refusal = this.refusal;
      this.refusal = null;
      throw refusal;
    }
    if (path.endsWith("save")) {
      this.saved = JSON.stringify(this.entries);
      return { state: this.state };
    }
    return { state: this.#change(body), added: this.next };
  }

  #change(body) {
    const before = structuredClone(this.entries);
    if (body.change === "undo") this.entries = this.past.pop();
    else this.past.push(before);
    for (const section of Object.keys(before)) {
      if (body.change === "add" && body[section]) {
        this.entries[section].push({ status: "accepted", ...body[section], id: (this.next += 1) });
      }
      for (const entry of this.entries[section]) {
        if (body.change === "status" && body.ids.includes(entry.id)) entry.status = body.status;
        if (body.change === "edit" && body.id === entry.id) Object.assign(entry, body.values);
      }
      if (body.change === "remove") this.entries[section] = this.entries[section].filter((entry) => entry.id !== body.id);
    }
    this.revision += 1;
    return this.state;
  }
}

class Storage extends Map {
  getItem(key) { return this.get(key) ?? null; }
  setItem(key, value) { this.set(key, value); }
  removeItem(key) { this.delete(key); }
}

async function opened(showers = [], storage = new Storage()) {
  const server = new Server(showers);
  const store = new Store({ server, storage });
  const notices = [];
  store.on("notice", (said) => notices.push(said?.text ?? null));
  await store.loadExposures();
  await store.open(0);
  return { server, store, storage, notices };
}

test("an ellipse is placed, moved, and marked with what was said of it", async () => {
  const { server, store } = await opened();
  store.place(10.04, 12);
  assert.equal(store.placed.x, 10);
  store.edit({ a: 17, comment: "faint" });
  store.place(11, 13);
  await store.mark();
  assert.equal(store.placed, null);
  const [marked] = server.entries.showers;
  assert.deepEqual([marked.x, marked.y, marked.a, marked.comment, marked.source], [11, 13, 17, "faint", "manual"]);
  assert.equal(store.current.section, "showers");
  assert.deepEqual(store.shape, { a: 17, b: 20, theta: 0 });
});

test("a placed entry survives the tab, and goes with the exposure", async () => {
  const { store, storage } = await opened();
  store.placePolygon(SQUARE);
  const { store: again } = await opened([], storage);
  assert.deepEqual(again.placed.vertices, SQUARE);
  again.escape();
  const { store: empty } = await opened([], storage);
  assert.equal(empty.placed, null);
});

test("undo brings back what was placed and dropped, then goes to the server", async () => {
  const { server, store } = await opened([SHOWER]);
  store.place(10, 12);
  store.escape();
  assert.ok(store.canUndo);
  await store.undo();
  assert.equal(store.placed.x, 10);
  await store.undo();
  assert.equal(store.placed, null);
  await store.redo();
  assert.equal(store.placed.x, 10);
  store.escape();
  store.select(1);
  await store.decide("rejected");
  assert.equal(store.count("rejected"), 1);
  await store.undo();
  assert.equal(server.entries.showers[0].status, "candidate");
});

test("one decision is for all integrations of a glow, and is undone as one", async () => {
  const comment = "one glow over integrations 0 to 1";
  const { server, store, notices } = await opened([
    { ...SHOWER, comment }, { ...SHOWER, integration: 1, comment }, { ...SHOWER, integration: 1 },
  ]);
  store.select(1);
  await store.decide("accepted");
  const statuses = () => server.entries.showers.map(({ status }) => status);
  assert.deepEqual(statuses(), ["accepted", "accepted", "candidate"]);
  assert.ok(notices.includes("Decided in 2 integrations at once; Undo (U) takes it back."));
  await store.undo();
  assert.deepEqual(statuses(), ["candidate", "candidate", "candidate"]);
});

test("polygons are marked, edited and deleted as showers are", async () => {
  const { server, store } = await opened();
  store.setLasso(true);
  store.placePolygon(SQUARE.map(([x, y]) => [x + 0.04, y]));
  await store.mark("by eye");
  assert.deepEqual(server.entries.polygons[0].vertices, SQUARE);
  assert.equal(server.entries.polygons[0].comment, "by eye");
  assert.deepEqual(store.boxOf(store.current), { x: 1.5, y: 1.5, width: 7, height: 7 });
  const moved = SQUARE.map(([x, y]) => [x + 1, y]);
  const edit = store.edit({ vertices: moved });
  assert.deepEqual(store.current.vertices, moved, "shown before the server answers");
  await edit;
  await store.remove();
  assert.deepEqual([store.entries.length, store.selected], [0, null]);
});

test("changes are sent one after the other, each to the revision before it", async () => {
  const { server, store } = await opened([SHOWER, SHOWER]);
  store.select(1);
  await Promise.all([store.decide("accepted"), store.edit({ x: 5 }), store.edit({ x: 6 })]);
  assert.deepEqual(server.asked.map(([, body]) => body.revision), [0, 1, 2]);
  assert.equal(server.entries.showers[0].x, 6);
});

test("candidates come by score, and those above a limit are accepted at once", async () => {
  const scores = [7, 12, 9].map((score) => ({ ...SHOWER, score }));
  const { store, notices } = await opened([...scores, { ...SHOWER, score: undefined }]);
  assert.deepEqual(store.candidates.map((entry) => entry.score), [12, 9, 7, undefined]);
  store.nextCandidate();
  assert.equal(store.current.score, 12);
  store.nextCandidate();
  assert.equal(store.current.score, 9);
  await store.decideAbove(9, "accepted");
  assert.equal(store.count("accepted"), 2);
  assert.match(notices.at(-1), /^Accepted 2/);
  await store.decideAbove(NaN, "accepted");
  assert.match(notices.at(-1), /^Give the S\/N/);
});

test("what the server refuses is said, and a stale state is taken anew", async () => {
  const { server, store, notices } = await opened([SHOWER]);
  store.select(1);
  server.refusal = new Refusal(422, { error: "group is 40", kind: "error" });
  await store.edit({ group: 40 });
  assert.equal(store.current.group, 3);
  assert.ok(notices.includes("group is 40"));
  server.refusal = new Refusal(409, { error: "out of date", kind: "stale" });
  await store.decide("accepted");
  assert.match(notices.at(-1), /changed in another tab/);
});

test("saving asks for marks to be finished, and tells of a file that has changed", async () => {
  const { server, store, notices } = await opened([SHOWER]);
  store.place(1, 2);
  await store.save("A. Name");
  assert.match(notices.at(-1), /placed but not marked/);
  store.escape();
  const conflicts = [];
  store.on("conflict", (sentence) => conflicts.push(sentence));
  server.refusal = new Refusal(409, { error: "was changed", kind: "changed" });
  await store.save("A. Name");
  assert.deepEqual(conflicts, ["was changed"]);
  await store.save("A. Name", { force: true });
  assert.match(notices.at(-1), /^Saved 1 in x_showers.yaml/);
  assert.deepEqual(server.asked.at(-1)[1], { reviewer: "A. Name", force: true });
});

test("a decision needs a selection, and saving says what is left to decide", async () => {
  const { store, notices } = await opened([{ ...SHOWER, status: "candidate" }]);
  store.select(null);
  await store.decideAndGoOn("accepted");
  assert.match(notices.at(-1), /^Nothing is selected: N goes/);
  assert.equal(store.selected, null);
  await store.save("A. Name");
  assert.match(notices.at(-1), /^Saved 1 in x_showers.yaml; 1 still to decide/);
});

test("groups and integrations stay within the exposure, and decide what is visible", async () => {
  const { store } = await opened([SHOWER, { ...SHOWER, last_group: 5, integration: 1 }]);
  store.show(9, 99);
  assert.deepEqual([store.integration, store.group], [1, 9]);
  assert.deepEqual(store.entries.map((entry) => store.isVisible(entry)), [false, false]);
  store.select(2, { goThere: true });
  assert.deepEqual([store.integration, store.group], [1, 3]);
  assert.ok(store.isVisible(store.current));
});

test("an exposure that can't be opened is passed over", async () => {
  const { store, notices } = await opened();
  await store.open(1);
  assert.equal(store.info.number, 0);
  assert.ok(notices.includes("can't be opened"));
});

test("numbers that are typed are brought within reason", () => {
  const info = { nx: 40, ny: 32, groups: 10 };
  assert.equal(withinReason("a", -3, SHOWER, info), 0.5);
  assert.equal(withinReason("theta", 370.25, SHOWER, info), 10.25);
  assert.equal(withinReason("last_group", 1, SHOWER, info), 3);
  assert.equal(withinReason("group", 99.4, SHOWER, info), 9);
  assert.equal(withinReason("x", 1e9, SHOWER, info), 144);
});

test("a candidate opens its evidence; groups are looked at as differences", async () => {
  const { store } = await opened([SHOWER]);
  await store.nextCandidate();
  assert.equal(store.view.kind, "evidence");
  assert.equal(store.view.entry.id, 1);
  store.show(0, 5);
  assert.equal(store.view.kind, "difference");
  store.setKind("evidence");
  store.select(null);
  assert.equal(store.view.kind, "difference"); // there is no entry to be evidence for
});

test("a decision goes on to the next, and says when none is left", async () => {
  const { store, notices } = await opened([{ ...SHOWER, score: 5 }, SHOWER]);
  await store.nextCandidate();
  assert.equal(store.selected, 2);
  await store.decideAndGoOn("accepted");
  assert.equal(store.selected, 1);
  await store.decideAndGoOn("rejected");
  assert.equal(notices.at(-1), "No candidates are left.");
  assert.deepEqual(store.entries.map(({ status }) => status), ["rejected", "accepted"]);
});

test("a group is pinned, compared with, blinked with, and let go", async () => {
  const { store, notices } = await opened([SHOWER]);
  store.setKind("pair");
  assert.match(notices.at(-1), /^Pin a group first/);
  store.show(0, 2);
  store.pin();
  store.show(0, 6);
  store.setKind("pair");
  assert.deepEqual([store.view.kind, store.view.from, store.view.group], ["pair", 2, 6]);
  store.blink();
  assert.equal(store.group, 2);
  assert.notEqual(store.blinking, null);
  store.show(0, 2);
  assert.equal(store.blinking, null);
  store.pin();
  assert.equal(store.pinned, null);
});

test("a fit changes the entry, and what it is refused for is said", async () => {
  const { store, server, notices } = await opened([{ ...SHOWER, last_group: 4 }]);
  store.select(1);
  const answer = server.postJson.bind(server);
  server.postJson = async (path, body) => (path.endsWith("fit") ? { values: { group: 7 }, says: "It begins in 7." } : answer(path, body));
  await store.fit("group");
  assert.deepEqual([store.current.group, store.current.last_group], [7, 7]);
  assert.match(notices.at(-1), /^It begins in 7. Undo/);
  server.postJson = async () => { throw new Refusal(422, { error: "nothing stands out there" }); };
  await store.fit("ellipse");
  assert.equal(notices.at(-1), "nothing stands out there");
});

test("the look outlives the page, the enlarged limits do not", async () => {
  const storage = new Storage();
  const { store } = await opened([], storage);
  store.look.map = "magma";
  store.stretches.set("evidence", { shape: "sqrt", k: 12, low: 1, high: 2 });
  store.keepLook();
  const { store: next } = await opened([], storage);
  assert.equal(next.look.map, "magma");
  assert.deepEqual(next.keptStretch("evidence"), { contrast: 1, bias: 0.5, shape: "sqrt", k: 12, below: 1 / 3 });
});

test("effects are asked for once, one after the other", async () => {
  const { store, server } = await opened([SHOWER, { ...SHOWER, x: 30 }]);
  let open = 0;
  let most = 0;
  server.postJson = async (path, body) => {
    open += 1;
    most = Math.max(most, open);
    await new Promise((resolve) => { setTimeout(resolve, 1); });
    open -= 1;
    return { pixels: body.showers.x };
  };
  const [first, second] = store.entries;
  for (const entry of [first, second, first]) assert.equal(store.effectOf(entry), null);
  await store.lastEffect;
  assert.deepEqual([store.effectOf(first).pixels, store.effectOf(second).pixels, most], [20, 30, 1]);
});
