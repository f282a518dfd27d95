// @ts-check
// The state of the page: the exposure on show, its entries, the one that is placed or selected. It asks
// the server and tells its listeners; it knows nothing of the DOM.

import { MIN_AXIS, normaliseAngle, tidy } from "./geometry.js";
import { entryRequest } from "./kinds.js";
import { byProbability, filtered, oneGlow } from "./table.js";
import { Viewing } from "./viewing.js";

/**
 * @typedef {{id?: number|string, section: string, integration?: number, group?: number, last_group?: number,
 *   status?: string, action?: string, comment?: string, score?: number, probability?: number, kind?: string, location?: string, x?: any, y?: any, a?: number,
 *   b?: number, theta?: number, mask?: string, vertices?: number[][]}} Entry
 */

export const SECTIONS = ["showers", "pixels", "polygons"];
const PAUSE = 400; // ms
const GEOMETRY = ["x", "y", "a", "b", "theta"];

// What the server refused, and why.
export class Refusal extends Error {
  constructor(status, body) {
    super(body.error ?? `the server answered ${status}`);
    this.status = status;
    this.kind = body.kind;
  }
}

export const ellipseOf = ({ x, y, a, b, theta }) => ({ x, y, a, b, theta });

// First and last column or row of a range.
function ends(range, size) {
  if (range === "all") return [0, size - 1];
  return Array.isArray(range) ? range : [range, range];
}

// Events: "exposure" (another one is open), "image" (another group), "entries", "shape" (of the current
// entry, while it is dragged), "look", "pointer", "exposures" (the list), "effects", "lasso",
// "goto" (an entry), "notice" ({text, isError} or null), "conflict" (a sentence), "kind" (of image),
// "filter" (of the list).
export class Store extends Viewing {
  constructor({ server, storage }) {
    super(storage);
    this.server = server;
    this.state = null; // its entries, as the server has them
    this.placed = null; // an entry that is placed and not yet marked
    this.selected = null; // number of an entry
    this.override = null; // geometry of the current entry while it is dragged
    this.pointer = null; // image position under the cursor
    this.isLasso = false; // whether the mouse draws a polygon
    this.shape = { a: 30, b: 20, theta: 0 }; // of the next ellipse
    this.exposures = [];
    this.list = { sort: "", isDown: true, status: "", source: "" }; // how entries are listed
    this.shelved = null; // a placed entry taken back with undo, for redo
    this.dropped = null; // a placed entry that was dropped, and the revision at which undo brings it back
    this.busyUntil = 0; // ms: until then, what can wait does
    this.effects = new Map(); // what a mask removes and costs, by what is masked
    /** @type {Promise<any>} */
    this.lastChange = Promise.resolve();
    /** @type {Promise<any>} */
    this.lastEffect = Promise.resolve();
  }

  /** @override */
  emit(name, detail = undefined) {
    if (name === "entries" && this.info) this.#keepPlaced();
    if (name === "image" || name === "shape") this.busyUntil = Date.now() + PAUSE;
    super.emit(name, detail);
  }

  // Run something that asks the server, and say what it refused.
  async attempt(work) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.kind === "stale") {
        await this.refresh();
        this.notice("This review was changed in another tab; here is its present state.");
      } else {
        this.notice(error.message, { isError: true });
      }
      return undefined;
    }
  }

  // ------------------------------------------------------------ entries

  /** @returns {Entry[]} */
  get entries() {
    return this.state ? SECTIONS.flatMap((section) => this.state[section]) : [];
  }

  find(id) {
    return this.entries.find((entry) => entry.id === id) ?? null;
  }

  /**
   * The entry that the editor is about.
   * @override
   * @returns {Entry|null}
   */
  get current() {
    return this.placed ? { ...this.placed, id: "draft" } : this.find(this.selected);
  }

  // The current entry with the geometry that it is dragged to.
  get dragged() {
    return this.current && this.override ? { ...this.current, ...this.override } : this.current;
  }

  lastGroup(entry) {
    return entry.last_group ?? this.info.ngroups - 1;
  }

  // A rate shows entries of all integrations; rateints, evidence and rates those of one, whatever
  // their groups. Entries without integration or groups are bad in all.
  isVisible(entry) {
    if (this.info.product === "rate") return true;
    if ((entry.integration ?? this.integration) !== this.integration) return false;
    const isOfGroup = this.info.isRamp && ["difference", "pair"].includes(this.view.kind);
    return !isOfGroup || ((entry.group ?? 0) <= this.group && this.group <= this.lastGroup(entry));
  }

  // Columns and rows that an entry reaches; a mask file may have any.
  boxOf(entry) {
    if (entry.a !== undefined) return { x: entry.x, y: entry.y, width: 0, height: 0 };
    let [[x0, x1], [y0, y1]] = [ends(entry.x ?? "all", this.info.nx), ends(entry.y ?? "all", this.info.ny)];
    if (entry.vertices) {
      const [xs, ys] = [0, 1].map((axis) => entry.vertices.map((vertex) => vertex[axis]));
      [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    }
    return { x: x0 - 0.5, y: y0 - 0.5, width: x1 - x0 + 1, height: y1 - y0 + 1 };
  }

  // Entries that nobody has decided on, the most probable first.
  get candidates() {
    return this.entries.filter((entry) => entry.status === "candidate").sort(byProbability);
  }

  count(status) {
    return this.entries.filter((entry) => entry.status === status).length;
  }

  // ------------------------------------------------------------ changes

  // Changes go to the server one after the other, each made to what the one before has left: keys may
  // come faster than answers.
  change(kind, body = {}) {
    const exposure = this.info;
    this.lastChange = this.lastChange.then(() => this.attempt(async () => {
      if (exposure !== this.info) return undefined;
      const answer = await this.server.postJson(`exposures/${exposure.number}/change`, {
        change: kind, revision: this.state.revision, ...body,
      });
      if (exposure === this.info) this.setState(answer.state);
      if (this.hasError) this.hideNotice();
      return answer;
    }));
    return this.lastChange;
  }

  setState(next) {
    this.state = next;
    for (const section of SECTIONS) for (const entry of next[section]) entry.section = section;
    if (this.selected !== null && !this.find(this.selected)) this.selected = null;
    this.emit("entries");
  }

  async refresh() {
    if (!this.info) return;
    const exposure = this.info;
    const fresh = await this.server.getJson(`exposures/${exposure.number}`);
    if (exposure === this.info) this.setState(fresh.state);
  }

  // Place an ellipse; one that is placed already moves there, with all that has been said of it.
  place(x, y) {
    const before = this.placed?.section === "showers" ? this.placed : null;
    if (!before) this.#drop();
    this.selected = null;
    this.shelved = null;
    const { integration, group } = this;
    const placed = { ...(before ?? { section: "showers", integration, group, ...this.shape }), x, y };
    this.placed = Object.assign(placed, tidy(placed));
    this.emit("entries");
  }

  // Place a polygon.
  placePolygon(vertices) {
    this.#drop();
    this.selected = null;
    this.shelved = null;
    const rounded = vertices.map((vertex) => vertex.map((value) => Math.round(value * 10) / 10));
    const { integration, group } = this;
    this.placed = { section: "polygons", integration, group, vertices: rounded };
    this.emit("entries");
  }

  setLasso(isLasso) {
    this.isLasso = isLasso;
    this.emit("lasso");
  }

  // Drop the placed entry, or select nothing.
  escape() {
    this.setLasso(false);
    this.#drop();
    this.select(null);
    this.hideNotice();
  }

  #drop() {
    if (this.placed) this.dropped = { placed: this.placed, revision: this.state.revision };
    this.placed = null;
  }

  // A placed entry is kept by the browser too, for a tab that is closed before it is marked.
  get #key() {
    return `showermask draft ${this.info.root}`;
  }

  #keepPlaced() {
    if (this.placed) this.storage.setItem(this.#key, JSON.stringify(this.placed));
    else this.storage.removeItem(this.#key);
  }

  #keptPlaced() {
    const kept = JSON.parse(this.storage.getItem(this.#key) ?? "null");
    const { nintsOfRamp, groups } = this.info;
    const isHere = kept && kept.integration < (nintsOfRamp ?? Infinity) && kept.group < groups;
    return isHere ? { section: "showers", ...kept } : null;
  }

  async mark(comment = "") {
    if (!this.placed) return;
    const { placed } = this;
    const { section, ...values } = { source: "manual", ...placed };
    if (values.comment === undefined && comment) values.comment = comment;
    this.placed = null;
    const answer = await this.change("add", { [section]: values });
    if (answer && !this.placed) this.select(answer.added);
    if (!answer && !this.placed) this.placed = placed;
    else if (!answer) this.dropped = { placed, revision: this.state.revision };
    this.emit("entries");
  }

  // Change the current entry: the placed one at once, a marked one through the server.
  edit(values) {
    if (this.placed) {
      Object.assign(this.placed, values);
      if (values.last_group === null) delete this.placed.last_group;
      this.remember(this.placed);
      this.emit("entries");
      return undefined;
    }
    if (this.selected === null) return undefined;
    const id = this.selected;
    const before = this.find(id);
    if (before.section === "pixels") return this.change("edit", { id, values });
    // Shown at once, so that what follows builds on it; the server has the last word.
    const edited = { ...before, ...values };
    for (const name of Object.keys(values)) if (values[name] === null) delete edited[name];
    const { section } = before;
    const others = this.state[section].map((entry) => (entry.id === id ? edited : entry));
    this.state = { ...this.state, [section]: others };
    this.remember(edited);
    this.emit("entries");
    return this.change("edit", { id, values }).then((answer) => answer ?? this.attempt(() => this.refresh()));
  }

  // Mask the current entry, or take its light out of the ramp.
  toggleAction() {
    const { current } = this;
    if (!current || current.section === "pixels") return undefined;
    const isMask = (current.action ?? "mask") === "mask";
    return this.edit({ action: isMask ? "subtract" : "mask" });
  }

  // Mask the pixel under the cursor, in all groups of all integrations.
  async addPixel() {
    if (!this.pointer) return;
    const [x, y] = this.pointer.map(Math.round);
    if (x < 0 || y < 0 || x >= this.info.nx || y >= this.info.ny) return;
    const known = this.state.pixels.find((region) => region.x === x && region.y === y);
    if (known) {
      this.select(known.id);
      this.notice(`Pixel x ${x}, y ${y} is in the list already.`);
      return;
    }
    const answer = await this.change("add", { pixels: { x, y, source: "manual" } });
    if (answer) this.select(answer.added);
  }

  // The next ellipse has the shape of the last one that was touched.
  /** @param {Entry} entry */
  remember({ a, b, theta }) {
    if (a !== undefined) this.shape = { a, b, theta };
  }

  async decide(status) {
    if (this.selected === null) {
      this.notice("Nothing is selected: N goes to the next candidate.");
      return;
    }
    const ids = oneGlow(this.find(this.selected), this.entries).map(({ id }) => id);
    if (!(await this.change("status", { ids, status }))) return;
    if (ids.length > 1) this.notice(`Decided in ${ids.length} integrations at once; Undo (U) takes it back.`);
  }

  // Decide on the selected entry, and go on to the next candidate.
  async decideAndGoOn(status) {
    const isSelected = this.selected !== null;
    await this.decide(status);
    if (isSelected) await this.nextCandidate();
  }

  async remove() {
    if (this.placed) {
      this.#drop();
      this.emit("entries");
    } else if (this.selected !== null) {
      await this.change("remove", { id: this.selected });
    }
  }

  select(id, { goThere = false } = {}) {
    if (id !== null) this.#drop();
    this.selected = id;
    const entry = this.find(id);
    if (entry) {
      this.remember(entry);
      if (goThere) this.goTo(entry);
    }
    this.emit("entries");
  }

  goTo(entry) {
    const first = entry.group ?? 0;
    // A first group tells little by itself.
    const wanted = entry.group === undefined ? this.group : Math.min(first + (first === 0 ? 1 : 0), this.lastGroup(entry));
    if (entry.section !== "pixels") this.kind = "evidence";
    this.stopBlinking();
    this.showImage(this.info.product === "rate" ? 0 : entry.integration ?? this.integration, this.info.isRamp ? wanted : 0);
    this.emit("kind");
    this.emit("goto", entry);
  }

  // Decide on the candidates that are listed and have a score from a limit on.
  async decideAbove(limit, status) {
    if (Number.isNaN(limit)) {
      this.notice("Give the S/N from which on candidates are to be decided on.");
      return;
    }
    const listed = filtered(this.candidates, this.list);
    const chosen = listed.filter((entry) => entry.score >= limit); // none without a score
    if (!chosen.length) {
      this.notice(`No candidate that is listed has an S/N of ${limit} or more.`);
      return;
    }
    const ids = chosen.map((entry) => entry.id);
    if (!(await this.change("status", { ids, status }))) return;
    const word = status === "accepted" ? "Accepted" : "Rejected";
    this.notice(`${word} ${chosen.length} with an S/N of ${limit} or more; Undo (U) takes it back.`);
  }

  // Go to the next candidate in order of probability, and then to those of the next exposure that has any.
  async nextCandidate() {
    const { candidates } = this;
    const at = candidates.findIndex((entry) => entry.id === this.selected);
    if (candidates.length && !(candidates.length === 1 && at === 0)) {
      this.select(candidates[(at + 1) % candidates.length].id, { goThere: true });
      return;
    }
    await this.lastChange;
    await this.loadExposures();
    const count = this.exposures.length;
    const others = Array.from({ length: count - 1 }, (_, i) => (this.info.number + 1 + i) % count);
    const next = others.find((number) => this.exposures[number].candidates > 0);
    if (next !== undefined && !this.placed) {
      const { root } = this.info;
      await this.open(next);
      if (this.candidates.length) this.select(this.candidates[0].id, { goThere: true });
      if (root !== this.info.root) this.notice(`All of ${root} is decided; this is ${this.info.root}.`);
    } else if (at === 0) {
      this.select(candidates[0].id, { goThere: true });
    } else {
      this.notice("No candidates are left.");
    }
  }

  get hasOtherCandidates() {
    return this.exposures.some((row, number) => number !== this.info?.number && row.candidates > 0);
  }

  // Go to a place in an integration of an exposure.
  async visit(number, integration, x, y) {
    if (number !== this.info.number) await this.open(number);
    if (number !== this.info.number) return;
    const group = this.current?.group ?? this.group;
    this.select(null);
    this.kind = "difference";
    this.emit("kind");
    this.showImage(integration, this.info.isRamp ? group : 0);
    this.emit("goto", { x, y, a: 15, b: 15 });
  }

  // Let the server fit the group, the last group or the ellipse of the current entry to its evidence.
  async fit(what) {
    const entry = this.current;
    if (!entry || entry.section === "pixels") {
      this.notice("Select or place a shower first.");
      return;
    }
    const { info } = this;
    await this.attempt(async () => {
      const found = await this.server.postJson(`exposures/${info.number}/fit`, { what, ...entryRequest(entry) });
      if (this.info !== info || this.current?.id !== entry.id) return;
      const { values } = found;
      if (values.group !== undefined && entry.last_group < values.group) values.last_group = values.group;
      await this.edit(values);
      this.notice(`${found.says} Undo (U) takes it back.`);
    });
  }

  copyLast() {
    const last = this.state.showers.at(-1);
    if (!last) return;
    this.remember(last);
    const [x, y] = this.pointer ?? [last.x, last.y];
    this.place(x, y);
  }

  get canUndo() {
    return Boolean(this.placed || this.state.canUndo || this.dropped?.revision === this.state.revision);
  }

  get canRedo() {
    return Boolean(this.state.canRedo || this.shelved);
  }

  async undo() {
    if (this.placed) {
      this.shelved = this.placed;
      this.placed = null;
      this.emit("entries");
    } else if (this.dropped && this.dropped.revision === this.state.revision) {
      this.placed = this.dropped.placed;
      this.dropped = null;
      this.selected = null;
      this.emit("entries");
    } else {
      await this.change("undo");
    }
  }

  async redo() {
    if (this.shelved && !this.placed) {
      this.placed = this.shelved;
      this.shelved = null;
      this.emit("entries");
    } else {
      await this.change("redo");
    }
  }

  drag(override) {
    this.override = override;
    this.emit("shape");
  }

  // Wait until nobody has looked at another image or dragged anything for a while.
  async #rest() {
    for (let left = this.busyUntil - Date.now(); left > 0; left = this.busyUntil - Date.now()) {
      await new Promise((resolve) => { setTimeout(resolve, left); });
    }
  }

  // What the mask of an entry removes and costs; asked for once, one after the other, in pauses, and
  // told by "effects".
  effectOf(entry) {
    const request = entryRequest(entry);
    const key = `${this.info.number} ${JSON.stringify(request)}`;
    if (!this.effects.has(key)) {
      this.effects.set(key, null);
      const path = `exposures/${this.info.number}/effect`;
      this.lastEffect = this.lastEffect.then(() => this.#rest()).then(() => this.server.postJson(path, request)).then(
        (effect) => {
          this.effects.set(key, effect);
          this.emit("effects");
        },
        () => {}, // an ellipse that can't be masked costs nothing; what is wrong is said elsewhere
      );
    }
    return this.effects.get(key);
  }

  // ------------------------------------------------------------ saving

  async save(reviewer, { force = false } = {}) {
    if (this.placed) {
      this.notice("An ellipse is placed but not marked. Mark it (Enter) or drop it (Esc), then save.");
      return;
    }
    await this.lastChange;
    const exposure = this.info;
    try {
      const answer = await this.server.postJson(`exposures/${exposure.number}/save`, { reviewer, force });
      if (exposure === this.info) this.setState(answer.state);
      const left = this.candidates.length;
      const open = left ? `; ${left} still to decide, which no mask is made of` : "";
      this.notice(`Saved ${this.entries.length} in ${this.info.regionFile}${open}.`);
      this.loadExposures();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.kind === "changed") this.emit("conflict", error.message);
      else this.notice(error.message, { isError: true });
    }
  }

  // Save all exposures that have something to save.
  async saveAll(reviewer) {
    await this.save(reviewer);
    if (this.placed || this.state.isDirty || this.hasError) return;
    await this.loadExposures();
    const files = [];
    for (const [number, row] of this.exposures.entries()) {
      if (!row.isUnsaved) continue;
      const path = `exposures/${number}/save`;
      const isSaved = await this.attempt(() => this.server.postJson(path, { reviewer, force: false }));
      if (!isSaved) return;
      files.push(row.root);
    }
    await this.loadExposures();
    if (files.length) this.notice(`Saved ${this.info.root} and ${files.join(", ")}.`);
  }

  async apply() {
    if (this.placed || this.state.isDirty) {
      this.notice("Save first: the step applies the saved region file.");
      return;
    }
    this.notice("Running the step …");
    await this.attempt(async () => {
      const answer = await this.server.postJson(`exposures/${this.info.number}/apply`, {});
      this.notice(`${answer.log.join("\n")}\nWrote ${answer.product} in ${answer.folder}.`);
    });
  }

  get hasUnsaved() {
    const others = this.exposures.some((row, number) => row.isUnsaved && number !== this.info?.number);
    return Boolean(this.placed || this.state?.isDirty || others);
  }

  // ------------------------------------------------------------ images and exposures

  point(position) {
    this.pointer = position;
    this.emit("pointer");
  }

  async loadExposures() {
    this.exposures = (await this.server.getJson("exposures")).exposures;
    this.emit("exposures");
  }

  async open(number) {
    if (number < 0 || number >= this.exposures.length) return;
    if (this.placed) {
      this.emit("exposures");
      this.notice("An ellipse is placed but not marked. Mark it (Enter) or drop it (Esc) first.");
      return;
    }
    await this.lastChange;
    if (await this.attempt(() => this.#open(number))) return;
    // One that can't be opened is passed over, in the direction of travel.
    this.emit("exposures");
    const step = this.info ? Math.sign(number - this.info.number) : 1;
    if (step) await this.open(number + step);
  }

  async #open(number) {
    const next = await this.server.getJson(`exposures/${number}`);
    this.info = { ...next, groups: next.ngroupsOfRamp ?? next.ngroups };
    [this.shelved, this.dropped, this.selected, this.override, this.pinned] = [null, null, null, null, null];
    this.stopBlinking();
    for (const stretch of this.stretches.values()) stretch.isStale = true;
    if (this.kind !== "evidence") this.kind = "difference";
    this.look.enabled = new Set(Object.keys(next.flags));
    this.integration = 0;
    this.group = next.isRamp && next.ngroups > 1 ? 1 : 0;
    this.state = next.state;
    this.placed = this.#keptPlaced();
    this.emit("exposure");
    this.setState(next.state);
    this.hideNotice();
    this.loadExposures();
    if (next.state.recovered) {
      this.notice("Unsaved marks of an earlier session were recovered. Undo (U) goes back to the saved file.");
    } else if (next.state.setAside) {
      this.notice(`Unsaved marks of an earlier session can't be read; they are kept in ${next.state.setAside}.`);
    }
    this.emit("image");
    return true;
  }
}

// What a number in a field may be: within reason, and group numbers whole.
export function withinReason(name, value, entry, info) {
  const between = (low, high) => Math.min(high, Math.max(low, value));
  const size = info.nx + info.ny;
  if (name === "theta") return normaliseAngle(value);
  if (name === "a" || name === "b") return between(MIN_AXIS, 2 * size);
  if (name === "x" || name === "y") return between(-size, 2 * size);
  const first = name === "last_group" ? entry.group : 0;
  return Math.round(between(first, info.groups - 1));
}

export const isGeometry = (name) => GEOMETRY.includes(name);
