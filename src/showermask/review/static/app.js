// The review page: what the person does, turned into changes; what the server says, turned into view.

import { COLOUR_MAPS } from "./stretch.js";
import { Display, flagColour } from "./display.js";
import { Frames } from "./frames.js";
import {
  MIN_AXIS, centreOn, contains, fitView, moveTo, normaliseAngle, panBy, resizeA, resizeB, rotateTo, tidy, toImage, zoomAt,
} from "./geometry.js";
import { Overlay } from "./overlay.js";
import { drawRamp, flagNames } from "./ramp.js";
import { Refusal, getJson, getMask, postJson } from "./server.js";

const $ = (id) => document.getElementById(id);
const viewport = $("viewport");
const display = new Display($("canvas"));
const overlay = new Overlay($("overlay"));

const FIELDS = [
  { name: "x", title: "Column of the centre, zero-based", step: 0.5 },
  { name: "y", title: "Row of the centre, zero-based", step: 0.5 },
  { name: "a", title: "Semi-axis along theta, pixels", step: 0.5, min: 0.5 },
  { name: "b", title: "Semi-axis across theta, pixels", step: 0.5, min: 0.5 },
  { name: "theta", label: "θ", title: "Degrees counter-clockwise from +x to a", step: 1, min: 0, max: 359.9, isAlone: true },
  { name: "group", title: "First affected group", step: 1, min: 0 },
  { name: "last_group", label: "last", title: "Last affected group; the end of the integration is the rule", step: 1, min: 0 },
];
const CLICK_SLACK = 4; // screen pixels that a click may wander
const DRAGGED = { move: ["x", "y"], a: ["a"], b: ["b"], rotate: ["theta"] }; // what each drag changes

let info = null; // the exposure
let state = null; // its showers, as the server has them
let frames = null;
let frameFlags = null; // of the frame on show
let view = null;
let integration = 0;
let group = 0;
let draft = null; // an ellipse that is placed and not yet marked
let shelvedDraft = null; // a draft taken back with undo, for redo
let dropped = null; // a draft that was dropped, and the revision at which undo brings it back
let othersUnsaved = false; // whether another exposure has unsaved marks
let selected = null; // id of a shower
let override = null; // ellipse of the current shower while it is dragged
let shape = { a: 30, b: 20, theta: 0 }; // of the next ellipse
let pointer = null; // image position under the cursor
let isDragging = false;
let isPlaced = false; // whether the view has been chosen by the person
const stretches = new Map(); // by kind of frame: what the person has set holds between groups
const look = { map: "grey", inverted: false, flagsOn: true, opacity: 0.55, enabled: new Set(), mask: false };

// ---------------------------------------------------------------- messages

function notice(text, { isError = false } = {}) {
  $("notice").hidden = false;
  $("notice").classList.toggle("error", isError);
  $("notice").querySelector("span").textContent = text;
}

function hideNotice() {
  $("notice").hidden = true;
}

// Run something that asks the server, and say what it refused.
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.kind === "stale") {
      await refresh();
      notice("This review was changed in another tab; here is its present state.");
    } else {
      notice(error.message, { isError: true });
    }
    return undefined;
  }
}

// ---------------------------------------------------------------- showers

const current = () => (draft ? { ...draft, id: "draft" } : find(selected));
const currentRegion = () => (draft ? null : state?.pixels.find((region) => region.id === selected) ?? null);
const find = (id) => state?.showers.find((shower) => shower.id === id) ?? null;
const lastGroup = (shower) => shower.last_group ?? info.ngroups - 1;
const ellipseOf = ({ x, y, a, b, theta }) => ({ x, y, a, b, theta });

// A rate shows showers of all integrations; rateints those of one, whatever their groups.
// Pixels without integration or groups are bad in all.
function isVisible(shower) {
  if (info.product === "rate") return true;
  if ((shower.integration ?? integration) !== integration) return false;
  return !info.isRamp || ((shower.group ?? 0) <= group && group <= lastGroup(shower));
}

// Changes go to the server one after the other, each made to what the one before has left: keys may
// come faster than answers.
let lastChange = Promise.resolve();

function change(kind, body = {}) {
  const exposure = info;
  lastChange = lastChange.then(() => attempt(async () => {
    if (exposure !== info) return undefined;
    const answer = await postJson(`exposures/${exposure.number}/change`, {
      change: kind, revision: state.revision, ...body,
    });
    if (exposure === info) setState(answer.state);
    if ($("notice").classList.contains("error")) hideNotice();
    return answer;
  }));
  return lastChange;
}

function setState(next) {
  state = next;
  if (selected !== null && !find(selected) && !currentRegion()) selected = null;
  drawShowers();
  drawPanel();
  drawMask();
}

async function refresh() {
  if (!info) return;
  const exposure = info;
  const fresh = await getJson(`exposures/${info.number}`);
  if (exposure === info) setState(fresh.state);
}

// Place an ellipse; one that is placed already moves there, with all that has been said of it.
function place(x, y) {
  selected = null;
  shelvedDraft = null;
  draft = { ...(draft ?? { integration, group, ...shape }), x, y };
  Object.assign(draft, tidy(draft));
  drawAll();
}

function dropDraft() {
  if (draft) dropped = { draft, revision: state.revision };
  draft = null;
}

// A placed ellipse is kept by the browser too, for a tab that is closed before it is marked.
const draftKey = () => `showermask draft ${info.root}`;

function storeDraft() {
  if (draft) localStorage.setItem(draftKey(), JSON.stringify(draft));
  else localStorage.removeItem(draftKey());
}

function storedDraft() {
  const kept = JSON.parse(localStorage.getItem(draftKey()) ?? "null");
  return kept && kept.integration < (info.nintsOfRamp ?? Infinity) && kept.group < info.groups ? kept : null;
}

async function mark() {
  if (!draft) return;
  const shower = { ...draft, source: "manual" };
  if (shower.comment === undefined && $("comment").value) shower.comment = $("comment").value;
  const placed = draft;
  draft = null;
  const answer = await change("add", { shower });
  if (answer && !draft) select(answer.added);
  if (!answer && !draft) draft = placed;
  else if (!answer) dropped = { draft: placed, revision: state.revision };
  drawAll();
}

// Change the current shower: the draft at once, a marked one through the server.
function edit(values) {
  if (draft) {
    Object.assign(draft, values);
    if (values.last_group === null) delete draft.last_group;
    rememberShape(draft);
    drawAll();
    return undefined;
  }
  if (selected === null) return undefined;
  const id = selected;
  if (currentRegion()) return change("edit", { id, values });
  // Shown at once, so that what follows builds on it; the server has the last word.
  const edited = { ...find(id), ...values };
  for (const name of Object.keys(values)) if (values[name] === null) delete edited[name];
  state = { ...state, showers: state.showers.map((shower) => (shower.id === id ? edited : shower)) };
  rememberShape(edited);
  drawAll();
  return change("edit", { id, values }).then((answer) => answer ?? attempt(refresh));
}

// Mask the pixel under the cursor, in all groups of all integrations.
async function addPixel() {
  if (!pointer) return;
  const [x, y] = pointer.map(Math.round);
  if (x < 0 || y < 0 || x >= info.nx || y >= info.ny) return;
  const known = state.pixels.find((region) => region.x === x && region.y === y);
  if (known) {
    select(known.id);
    notice(`Pixel x ${x}, y ${y} is in the list already.`);
    return;
  }
  const answer = await change("add", { pixels: { x, y, source: "manual" } });
  if (answer) select(answer.added);
}

function rememberShape({ a, b, theta }) {
  shape = { a, b, theta };
}

async function decide(status) {
  if (selected === null) return;
  await change("status", { ids: [selected], status });
}

async function remove() {
  if (draft) {
    dropDraft();
    drawAll();
  } else if (selected !== null) {
    await change("remove", { id: selected });
  }
}

function select(id, { goThere = false } = {}) {
  if (id !== null) dropDraft();
  selected = id;
  const shower = find(id);
  if (shower) {
    rememberShape(shower);
    if (goThere) goTo(shower);
  }
  const region = currentRegion();
  if (region && goThere) goTo(region);
  drawAll();
}

// First and last column or row of a range.
function ends(range, size) {
  if (range === "all") return [0, size - 1];
  return Array.isArray(range) ? range : [range, range];
}

// Columns and rows that a pixel region reaches; a mask file may have any.
function boxOf(region) {
  const [x0, x1] = ends(region.x ?? "all", info.nx);
  const [y0, y1] = ends(region.y ?? "all", info.ny);
  return { x: x0 - 0.5, y: y0 - 0.5, width: x1 - x0 + 1, height: y1 - y0 + 1 };
}

function goTo(entry) {
  const first = entry.group ?? 0;
  const wantedGroup = isVisible(entry) ? group : Math.min(first + (first === 0 ? 1 : 0), lastGroup(entry));
  show(info.product === "rate" ? 0 : entry.integration ?? integration, info.isRamp ? wantedGroup : 0);
  const { x, y, width, height } = entry.a === undefined ? boxOf(entry) : { ...entry, width: 0, height: 0 };
  const [cx, cy] = [x + width / 2, y + height / 2];
  const [left, top] = toImage(view, 0, 0);
  const [right, bottom] = toImage(view, viewport.clientWidth, viewport.clientHeight);
  const isOnScreen = cx > left && cx < right && cy < top && cy > bottom;
  if (!isOnScreen) setView(centreOn(view, cx, cy, viewport.clientWidth, viewport.clientHeight));
}

function byScore() {
  return state.showers.filter((shower) => shower.status === "candidate").sort((p, q) => (q.score ?? 0) - (p.score ?? 0));
}

async function acceptAbove() {
  const limit = $("above").valueAsNumber;
  if (Number.isNaN(limit)) {
    notice("Give the S/N from which on candidates are to be accepted.");
    return;
  }
  const chosen = byScore().filter((shower) => shower.score >= limit); // none without a score
  if (!chosen.length) {
    notice(`No candidate has an S/N of ${limit} or more.`);
    return;
  }
  const ids = chosen.map((shower) => shower.id);
  if (!(await change("status", { ids, status: "accepted" }))) return;
  notice(`Accepted ${chosen.length} with an S/N of ${limit} or more; Undo (U) takes it back.`);
}

function nextCandidate() {
  const candidates = [...byScore(), ...state.pixels.filter((region) => region.status === "candidate")];
  if (!candidates.length) {
    notice("No candidates are left.");
    return;
  }
  const at = candidates.findIndex((entry) => entry.id === selected);
  select(candidates[(at + 1) % candidates.length].id, { goThere: true });
}

function copyLast() {
  const last = state.showers.at(-1);
  if (!last) return;
  rememberShape(last);
  const [x, y] = pointer ?? [last.x, last.y];
  place(x, y);
}

async function undo() {
  if (draft) {
    shelvedDraft = draft;
    draft = null;
    drawAll();
  } else if (dropped && dropped.revision === state.revision) {
    draft = dropped.draft;
    dropped = null;
    selected = null;
    drawAll();
  } else {
    await change("undo");
  }
}

async function redo() {
  if (shelvedDraft && !draft) {
    draft = shelvedDraft;
    shelvedDraft = null;
    drawAll();
  } else {
    await change("redo");
  }
}

// ---------------------------------------------------------------- saving

async function save({ force = false } = {}) {
  if (draft) {
    notice("An ellipse is placed but not marked. Mark it (Enter) or drop it (Esc), then save.");
    return;
  }
  document.activeElement?.blur(); // what is being typed counts
  await lastChange;
  const exposure = info;
  try {
    const answer = await postJson(`exposures/${info.number}/save`, { reviewer: $("reviewer").value, force });
    if (exposure === info) setState(answer.state);
    notice(`Saved ${state.showers.length + state.pixels.length} in ${info.regionFile}.`);
    loadExposureList();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.kind === "changed") askAboutConflict(error.message);
    else notice(error.message, { isError: true });
  }
}

function askAboutConflict(sentence) {
  const dialog = $("conflict");
  dialog.querySelector("p").textContent = sentence;
  dialog.showModal();
  for (const button of dialog.querySelectorAll("button")) {
    button.onclick = async () => {
      dialog.close();
      if (button.value === "overwrite") await save({ force: true });
      if (button.value === "reload") await change("reload");
    };
  }
}

async function apply() {
  if (draft || state.isDirty) {
    notice("Save first: the step applies the saved region file.");
    return;
  }
  notice("Running the step …");
  $("apply").disabled = true;
  await attempt(async () => {
    const answer = await postJson(`exposures/${info.number}/apply`, {});
    notice(`${answer.log.join("\n")}\nWrote ${answer.product} in ${answer.folder}.`);
  });
  drawPanel();
}

// ---------------------------------------------------------------- frames

const kindOfFrame = () => (info.isRamp && group === 0 ? "first" : "difference");

async function show(i, g) {
  const nextIntegration = Math.min(info.nints - 1, Math.max(0, i));
  const nextGroup = Math.min(info.ngroups - 1, Math.max(0, g));
  const hasMoved = nextIntegration !== integration || nextGroup !== group;
  integration = nextIntegration;
  group = nextGroup;
  if (hasMoved) drawAll();
  await drawFrame();
}

async function drawFrame() {
  const wanted = `${info.number}/${integration}/${group}`;
  const shownFrames = frames;
  frames.wanted = `${integration}/${group}`;
  const isCurrent = () => frames === shownFrames && wanted === `${info.number}/${integration}/${group}`;
  viewport.dataset.wanted = wanted;
  const isShown = await attempt(async () => {
    const started = performance.now();
    const [image, flags] = await Promise.all([
      frames.image(integration, group), frames.flags(integration, group),
    ]);
    if (!isCurrent()) return true;
    const kind = kindOfFrame();
    if (!stretches.has(kind)) {
      stretches.set(kind, { shape: "linear", k: 5, isFixed: false, reference: { median: image.median, mad: image.mad } });
    }
    display.setFrame(image, info.nx, info.ny);
    frameFlags = flags;
    drawDisplayPanel();
    applyLook();
    viewport.dataset.shown = wanted;
    viewport.dataset.took = (performance.now() - started).toFixed(1);
    frames.prefetch(integration, group);
    return true;
  });
  if (!isShown && isCurrent()) {
    display.setFrame(null); // rather a blank than another frame under this one's name
    paint();
  }
  drawMask();
  describePixel();
}

function applyLook() {
  if (!stretches.has(kindOfFrame())) return; // the first frame of its kind is still on its way
  display.setStretch(stretches.get(kindOfFrame()), look.map, look.inverted);
  display.setFlags(frameFlags, look.enabled, info.flags, look.flagsOn ? look.opacity : 0);
  paint();
}

let maskRequest = 0;
async function drawMask() {
  maskRequest += 1;
  const request = maskRequest;
  // Of a mask file nothing else shows where it is.
  const shown = currentRegion()?.mask ? selected : null;
  if (!look.mask && shown === null) {
    display.setMask(null);
    paint();
    return;
  }
  await attempt(async () => {
    const body = look.mask ? { extra: draft ?? null, selected: shown } : { only: shown };
    const path = `exposures/${info.number}/mask/${integration}/${group}`;
    const masked = await getMask(path, body, info.nx * info.ny);
    if (request !== maskRequest) return;
    display.setMask(masked);
    viewport.dataset.masked = masked.length;
    paint();
  });
}

function paint() {
  if (view) display.paint(view);
}

function setView(next) {
  view = next;
  overlay.setView(view);
  drawHandles();
  paint();
}

function fit() {
  setView(fitView(info.nx, info.ny, viewport.clientWidth, viewport.clientHeight));
}

// ---------------------------------------------------------------- drawing

function drawAll() {
  drawShowers();
  drawPanel();
  drawMask();
}

function drawShowers() {
  if (!state) return;
  const shown = state.showers.filter(isVisible).map((shower) => ({
    id: shower.id,
    ellipse: shower.id === selected && override ? override : ellipseOf(shower),
    status: shower.status,
    isSelected: shower.id === selected,
  }));
  if (draft && isVisible(draft)) {
    shown.push({ id: "draft", ellipse: override ?? ellipseOf(draft), status: "draft", isSelected: true });
  }
  overlay.setShowers(shown);
  overlay.setRegions(state.pixels.filter((region) => isVisible(region) && !region.mask).map((region) => ({
    box: boxOf(region), status: region.status, isSelected: region.id === selected,
  })));
  drawHandles();
}

function drawHandles() {
  const shower = current();
  const isShown = shower && isVisible(shower);
  overlay.setHandles(isShown ? override ?? ellipseOf(shower) : null, view);
}

function drawPanel() {
  if (!info || !state) return;
  const shower = current();
  $("integration").value = integration;
  $("group").value = group;
  $("integration-value").textContent = `${integration} of ${info.nints - 1}`;
  $("group-value").textContent = `${group} of ${info.ngroups - 1}`;
  const what = info.isRamp && group > 0 ? `group ${group} − group ${group - 1}` : info.isRamp ? "group 0 as it is" : info.product;
  $("what").textContent = `${what}${info.isRaw ? ", raw" : ""}`;
  for (const field of FIELDS) drawField(field, shower);
  const region = currentRegion();
  const said = shower ?? region;
  $("editor-title").textContent = draft ? "New shower" : region ? "Pixels" : "Shower";
  $("editor-status").textContent = region ? `${region.status}, ${region.place}` : draft ? `integration ${draft.integration}, not marked` : shower ? `${shower.status}, integration ${shower.integration}${shower.score === undefined ? "" : `, S/N ${shower.score.toFixed(1)}`}` : "click on the image to place one";
  if (document.activeElement !== $("comment")) $("comment").value = said?.comment ?? "";
  $("comment").disabled = !said;
  $("mark").disabled = !draft;
  $("accept").disabled = selected === null || said?.status === "accepted";
  $("reject").disabled = selected === null || said?.status === "rejected";
  $("delete").disabled = !said;
  $("copy").disabled = !state.showers.length;
  $("undo").disabled = !draft && !state.canUndo && dropped?.revision !== state.revision;
  $("redo").disabled = !state.canRedo && !shelvedDraft;
  $("save").textContent = state.isDirty ? "Save •" : "Save";
  $("apply").disabled = info.isRaw;
  storeDraft();
  document.title = `${state.isDirty ? "• " : ""}${info.root} – showermask`;
  drawRows();
  drawHint();
}

function drawField({ name }, shower) {
  const number = $(`field-${name}`);
  const slider = $(`slider-${name}`);
  const values = shower && override ? { ...shower, ...override } : shower;
  number.disabled = slider.disabled = !shower;
  if (document.activeElement === number) return;
  const value = values?.[name];
  number.value = value === undefined || value === null ? "" : Math.round(value * 10) / 10;
  slider.value = value ?? (name === "last_group" && shower ? info.groups - 1 : 0);
}

const effects = new Map(); // what a mask removes and costs, by what is masked

function effectOf(shower) {
  const { integration, group, last_group, x, y, a, b, theta } = shower;
  const masked = { integration, group, last_group, x, y, a, b, theta };
  const key = `${info.number} ${JSON.stringify(masked)}`;
  if (!effects.has(key)) {
    effects.set(key, null);
    postJson(`exposures/${info.number}/effect`, { shower: masked }).then(
      (effect) => {
        effects.set(key, effect);
        drawnRows = null;
        drawRows();
      },
      () => {}, // an ellipse that can't be masked costs nothing; what is wrong is said elsewhere
    );
  }
  return effects.get(key);
}

function candidateText(shower) {
  const effect = effectOf(shower);
  const score = shower.score === undefined ? "" : `S/N ${shower.score.toFixed(1)}`;
  if (!effect) return score;
  const removed = effect.removed === null ? "" : `removes ${effect.removed.toPrecision(2)} DN/s`;
  const time = effect.seconds === null ? "" : ` for ${effect.seconds.toFixed(0)} s`;
  const cost = `costs ${effect.pixels} px${time}`;
  const left = info.isRamp && effect.withoutRate > 0.5 ? "no rate left" : "";
  return [score, removed, cost, left].filter(Boolean).join(", ");
}

let drawnRows = null; // state and selection that the list shows

function drawRows() {
  if (drawnRows?.state === state && drawnRows.selected === selected) return;
  drawnRows = { state, selected };
  const candidates = byScore();
  const others = state.showers.filter((shower) => shower.status !== "candidate");
  const rows = [...candidates, ...others].map((shower) => {
    const row = document.createElement("tr");
    row.dataset.id = shower.id;
    row.className = `${shower.status}${shower.id === selected ? " selected" : ""}`;
    const dot = document.createElement("span");
    dot.className = `dot ${shower.status}`;
    dot.title = shower.status;
    const isCandidate = shower.status === "candidate";
    const texts = [
      shower.integration,
      `${shower.group}–${shower.last_group ?? "end"}`,
      `${shower.x.toFixed(0)}, ${shower.y.toFixed(0)}`,
      ...(isCandidate ? [] : [`${shower.a.toFixed(0)} × ${shower.b.toFixed(0)}`]),
      [isCandidate ? candidateText(shower) : "", shower.comment].filter(Boolean).join("; "),
    ];
    const cells = [dot, ...texts].map((content) => {
      const cell = document.createElement("td");
      cell.append(content);
      return cell;
    });
    cells.at(-1).title = texts.at(-1);
    if (isCandidate) cells.at(-1).colSpan = 2; // what it is worth says more than its size
    row.append(...cells);
    return row;
  });
  rows.push(...state.pixels.map(regionRow));
  $("rows").replaceChildren(...rows);
  $("rows").querySelector(".selected")?.scrollIntoView({ block: "nearest" });
  const count = (status) => [...state.showers, ...state.pixels].filter((entry) => entry.status === status).length;
  const counts = ["accepted", "candidate", "rejected"].filter(count).map((status) => `${count(status)} ${status}`);
  $("counts").textContent = counts.join(", ") || "none yet";
  $("next-candidate").hidden = count("candidate") === 0;
  $("accept-above").hidden = candidates.length === 0;
}

function regionRow(region) {
  const row = document.createElement("tr");
  row.dataset.id = region.id;
  row.className = `${region.status}${region.id === selected ? " selected" : ""}`;
  const dot = document.createElement("span");
  dot.className = `dot ${region.status}`;
  dot.title = region.status;
  const groups = region.group === undefined && region.last_group === undefined ? "all" : `${region.group ?? 0}–${region.last_group ?? "end"}`;
  const texts = [region.integration ?? "all", groups, region.place, region.comment ?? ""];
  const cells = [dot, ...texts].map((content) => {
    const cell = document.createElement("td");
    cell.append(content);
    return cell;
  });
  cells[3].colSpan = 2;
  cells[3].title = region.place;
  cells[3].className = "place";
  cells.at(-1).title = region.comment ?? "";
  row.append(...cells);
  return row;
}

function drawHint() {
  let text = "";
  if (draft && info.isRamp) {
    text = group === draft.group
      ? "A bright shower is largest in its first frame: go one group on (→) and size the ellipse there. Enter marks it."
      : "A shower adds to the ramp after it has faded from view: leave “last” empty, to mask to the end of the integration.";
  }
  $("hint").textContent = text;
  $("hint").hidden = !text;
}

function drawDisplayPanel() {
  const stretch = stretches.get(kindOfFrame());
  if (!stretch) return;
  $("shape").value = stretch.shape;
  $("k").value = sliderOfK(stretch.k);
  $("k-value").textContent = stretch.k.toPrecision(2).replace(/\.0$/, "");
  $("k").disabled = stretch.isFixed;
  $("fixed").checked = stretch.isFixed;
  const reach = stretch.k * stretch.reference.mad;
  if (!stretch.isFixed) {
    stretch.low = stretch.reference.median - reach;
    stretch.high = stretch.reference.median + reach;
  }
  for (const name of ["low", "high"]) {
    $(name).disabled = !stretch.isFixed;
    if (document.activeElement !== $(name)) $(name).value = Number(stretch[name].toPrecision(5));
  }
}

// The slider runs from 0.5 to 500 MAD by factors.
const kOfSlider = (value) => 0.5 * 10 ** ((3 * value) / 100);
const sliderOfK = (k) => (100 * Math.log10(k / 0.5)) / 3;

// ---------------------------------------------------------------- the pixel under the cursor

let pixelTimer = null;
let pixelRequest = 0;
function describePixel() {
  clearTimeout(pixelTimer);
  if (!pointer || !info) return;
  const [x, y] = pointer.map(Math.round);
  if (x < 0 || y < 0 || x >= info.nx || y >= info.ny) return;
  const frame = display.frame;
  $("pixel-where").textContent = `x ${x}, y ${y}`;
  pixelRequest += 1;
  const request = pixelRequest;
  pixelTimer = setTimeout(async () => {
    const ramp = await getJson(`exposures/${info.number}/pixel/${integration}/${x}/${y}`).catch(() => null);
    if (!ramp || request !== pixelRequest || frame !== display.frame) return;
    const now = ramp.values[info.isRamp ? group : 0];
    const before = info.isRamp && group > 0 ? ramp.values[group - 1] : 0;
    const value = now === null || before === null ? "NaN" : Number((now - before).toPrecision(6)).toString();
    $("pixel-where").textContent = `x ${x}, y ${y}: ${value}`;
    const names = flagNames(ramp.flags[info.isRamp ? group : 0], info.flags);
    const always = flagNames(ramp.pixelFlags, info.pixelFlags).map((name) => `${name} (pixel)`);
    $("pixel-flags").textContent = [...names, ...always].join(", ") || "no flags";
    $("pixel-flags").title = $("pixel-flags").textContent;
    drawRamp($("ramp"), ramp, info.isRamp ? group : 0, info.flags);
  }, 40);
}

// ---------------------------------------------------------------- pointer

function hit(x, y) {
  const shower = current();
  if (shower && isVisible(shower) && contains(shower, x, y)) return shower.id;
  const inside = state.showers.filter((other) => isVisible(other) && contains(other, x, y));
  inside.sort((p, q) => p.a * p.b - q.a * q.b);
  return inside[0]?.id ?? null;
}

function onPointerDown(event) {
  if (event.button > 1 || !info || isDragging || event.target.closest(".zoom, #notice")) return;
  viewport.focus({ preventScroll: true });
  const [sx, sy] = place0(event);
  const [x, y] = toImage(view, sx, sy);
  const handle = event.target.dataset?.handle;
  const under = event.shiftKey || event.button === 1 ? null : hit(x, y);
  const shower = current();
  const isCurrent = under !== null && shower && under === shower.id;
  const drag = { sx, sy, startView: view, hasMoved: false, under };
  if (handle && shower) drag.kind = handle;
  else if (isCurrent) drag.kind = "move";
  else drag.kind = "pan";
  if (shower && drag.kind !== "pan") {
    drag.ellipse = ellipseOf(shower);
    drag.grab = [x - shower.x, y - shower.y];
  }
  viewport.setPointerCapture(event.pointerId);
  isDragging = true;

  const onMove = (move) => {
    const [mx, my] = place0(move);
    if (!drag.hasMoved && Math.hypot(mx - sx, my - sy) < CLICK_SLACK) return;
    drag.hasMoved = true;
    if (drag.kind === "pan") {
      viewport.classList.add("panning");
      setView(panBy(drag.startView, mx - sx, my - sy));
      isPlaced = true;
      return;
    }
    const [ix, iy] = toImage(view, mx, my);
    const shapes = {
      move: () => moveTo(drag.ellipse, ix - drag.grab[0], iy - drag.grab[1]),
      a: () => resizeA(drag.ellipse, ix, iy),
      b: () => resizeB(drag.ellipse, ix, iy),
      rotate: () => rotateTo(drag.ellipse, ix, iy),
    };
    const tidied = tidy(shapes[drag.kind]());
    override = { ...drag.ellipse };
    for (const name of DRAGGED[drag.kind]) override[name] = tidied[name];
    overlay.shape(current()?.id, override);
    drawHandles();
    for (const field of FIELDS.slice(0, 5)) drawField(field, current());
  };
  const onUp = async (up) => {
    isDragging = false;
    viewport.removeEventListener("pointermove", onMove);
    viewport.removeEventListener("pointerup", onUp);
    viewport.removeEventListener("pointercancel", onUp);
    viewport.classList.remove("panning");
    if (up.type === "pointercancel") {
      override = null;
      drawAll();
    } else if (override) {
      const values = Object.fromEntries(DRAGGED[drag.kind].map((name) => [name, override[name]]));
      override = null;
      edit(values);
    } else if (!drag.hasMoved && event.button === 0 && !handle) {
      if (under === null) place(x, y);
      else if (!isCurrent) select(under);
    }
  };
  viewport.addEventListener("pointermove", onMove);
  viewport.addEventListener("pointerup", onUp);
  viewport.addEventListener("pointercancel", onUp);
}

function place0(event) {
  const box = viewport.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function onWheel(event) {
  event.preventDefault();
  if (!view) return;
  isPlaced = true;
  // A pinch on a trackpad comes as a wheel with Ctrl; two fingers sideways pan.
  if (!event.ctrlKey && Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    setView(panBy(view, -event.deltaX, -event.deltaY));
    return;
  }
  const unit = event.deltaMode === 1 ? 16 : 1;
  const speed = event.ctrlKey ? 0.01 : 0.0018;
  setView(zoomAt(view, Math.exp(-event.deltaY * unit * speed), ...place0(event)));
}

// ---------------------------------------------------------------- keys

const KEYS = [
  ["←  →", "previous, next group", { ArrowLeft: () => show(integration, group - 1), ArrowRight: () => show(integration, group + 1) }],
  ["↓  ↑", "previous, next integration", { ArrowDown: () => show(integration - 1, group), ArrowUp: () => show(integration + 1, group) }],
  ["Enter", "mark the placed ellipse", { Enter: mark }],
  ["A", "accept", { a: () => decide("accepted") }],
  ["R", "reject", { r: () => decide("rejected") }],
  ["N", "next candidate", { n: nextCandidate }],
  ["Delete", "delete", { Delete: remove, Backspace: remove }],
  ["C", "place a copy of the last shower at the cursor", { c: copyLast }],
  ["P", "mask the pixel under the cursor", { p: addPixel }],
  ["T", "comment on the shower", { t: () => $("comment").focus() }],
  ["Esc", "drop the placed ellipse, or select nothing", { Escape: () => { dropDraft(); select(null); hideNotice(); } }],
  ["U  Shift+U", "undo, redo (also Ctrl+Z, Ctrl+Y)", { u: undo, U: redo }],
  ["M", "the pixels that the step would mask", { m: () => toggle("show-mask") }],
  ["D", "data-quality flags", { d: () => toggle("show-flags") }],
  ["I", "invert the colours", { i: () => toggle("invert") }],
  ["0", "take the stretch from this frame", { 0: () => $("auto").click() }],
  ["F", "fit the frame", { f: () => { isPlaced = false; fit(); } }],
  ["+  −", "zoom", { "+": () => zoomCentre(1.4), "=": () => zoomCentre(1.4), "-": () => zoomCentre(1 / 1.4) }],
  ["[  ]", "previous, next exposure", { "[": () => openExposure(info.number - 1), "]": () => openExposure(info.number + 1) }],
  ["S", "save the region file", { s: () => save() }],
  ["?", "this list", { "?": () => $("keys").showModal() }],
];
const ACTIONS = Object.assign({}, ...KEYS.map(([, , actions]) => actions));

function onKey(event) {
  if (!info || isDragging || document.querySelector("dialog[open]")) return;
  if (!(event.target instanceof Element)) return;
  const typing = event.target.matches("input:not([type=range], [type=checkbox]), textarea");
  if (event.ctrlKey || event.metaKey) {
    if (typing && event.key !== "s") return;
    const action = { z: event.shiftKey ? redo : undo, Z: redo, y: redo, s: () => save() }[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
    return;
  }
  if (event.altKey) return;
  if (typing) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target.id === "comment")) event.target.blur();
    return;
  }
  if (event.key === "Enter" && event.target.matches("button")) return;
  const action = ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function toggle(id) {
  $(id).checked = !$(id).checked;
  $(id).dispatchEvent(new Event("change"));
}

function zoomCentre(factor) {
  isPlaced = true;
  setView(zoomAt(view, factor, viewport.clientWidth / 2, viewport.clientHeight / 2));
}

// ---------------------------------------------------------------- set-up

function buildFields() {
  for (const { name, label, title, step, min, max, isAlone } of FIELDS) {
    const caption = document.createElement("label");
    caption.textContent = label ?? name;
    caption.title = title;
    caption.htmlFor = `field-${name}`;
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", id: `slider-${name}`, step: step < 1 ? 0.5 : 1, min: min ?? 0, max: max ?? 100, title });
    slider.setAttribute("aria-label", title);
    const number = document.createElement("input");
    Object.assign(number, { type: "number", id: `field-${name}`, step: "any", title });
    if (name === "last_group") number.placeholder = "end";
    slider.addEventListener("input", () => {
      const shower = current();
      if (!shower) return;
      number.value = slider.value;
      if (name === "group" || name === "last_group") return;
      override = { ...ellipseOf(shower), [name]: Number(slider.value) };
      overlay.shape(shower.id, override);
      drawHandles();
    });
    slider.addEventListener("change", () => commitField(name, slider.value));
    number.addEventListener("change", () => commitField(name, number.value));
    $("fields").append(caption, slider, number);
    if (isAlone) $("fields").append(...["", "", ""].map(() => document.createElement("span")));
  }
}

async function commitField(name, text) {
  const shower = current();
  if (!shower) return;
  override = null;
  let value = text.trim() === "" ? null : Number(text);
  const isNonsense = $(`field-${name}`).validity.badInput || Number.isNaN(value);
  if (isNonsense || (value === null && name !== "last_group")) {
    $(`field-${name}`).value = "";
    drawAll();
    return;
  }
  if (value !== null) value = withinReason(name, value, shower);
  if (name === "last_group" && value === info.groups - 1) value = null;
  const values = { [name]: value };
  if (name === "group" && shower.last_group < value) values.last_group = value;
  await edit(values);
  drawAll();
}

// Bring a number that was typed into the range that it can have.
function withinReason(name, value, shower) {
  const between = (low, high) => Math.min(high, Math.max(low, value));
  if (name === "theta") return normaliseAngle(value);
  if (name === "a" || name === "b") return between(MIN_AXIS, 2 * (info.nx + info.ny));
  if (name === "x" || name === "y") return between(-(info.nx + info.ny), 2 * (info.nx + info.ny));
  const first = name === "last_group" ? shower.group : 0;
  return Math.round(between(first, info.groups - 1));
}

function fitFields() {
  const limitsOf = {
    x: [0, info.nx - 1], y: [0, info.ny - 1], a: [0.5, Math.max(50, info.nx / 3)],
    b: [0.5, Math.max(50, info.nx / 3)], group: [0, info.groups - 1], last_group: [0, info.groups - 1],
  };
  for (const [name, [low, high]] of Object.entries(limitsOf)) {
    $(`slider-${name}`).min = low;
    $(`slider-${name}`).max = high;
  }
}

function buildFlags() {
  look.enabled = new Set(Object.keys(info.flags));
  const important = ["DO_NOT_USE", "JUMP_DET", "SATURATED"];
  const names = [...important, ...Object.keys(info.flags).filter((name) => !important.includes(name))];
  $("flags").replaceChildren(...names.map((name) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.dataset.flag = name;
    box.addEventListener("change", () => {
      if (box.checked) look.enabled.add(name);
      else look.enabled.delete(name);
      applyLook();
    });
    label.style.setProperty("--flag", `rgb(${flagColour(name).join(" ")})`);
    label.append(box, name);
    return label;
  }));
}

async function loadExposureList() {
  const { exposures } = await getJson("exposures");
  const states = {
    none: () => "not reviewed",
    candidates: (row) => `${row.candidates} to decide`,
    done: (row) => `reviewed, ${row.accepted} accepted`,
    broken: () => "region file not valid",
  };
  $("exposures").replaceChildren(...exposures.map((row, number) =>
    new Option(`${row.isUnsaved ? "• " : ""}${row.file} — ${states[row.state](row)}`, number)));
  othersUnsaved = exposures.some((row, number) => row.isUnsaved && number !== info?.number);
  if (info) $("exposures").value = info.number;
  return exposures.length;
}

async function openExposure(number) {
  const count = $("exposures").options.length;
  if (number < 0 || number >= count) return;
  if (draft) {
    $("exposures").value = info.number;
    notice("An ellipse is placed but not marked. Mark it (Enter) or drop it (Esc) first.");
    return;
  }
  await lastChange;
  const isOpen = await attempt(async () => {
    const next = await getJson(`exposures/${number}`);
    info = { ...next, groups: next.ngroupsOfRamp ?? next.ngroups };
    [shelvedDraft, dropped] = [null, null];
    state = next.state;
    frames = new Frames(info);
    stretches.clear();
    selected = null;
    integration = 0;
    group = info.isRamp && info.ngroups > 1 ? 1 : 0;
    $("exposures").value = number;
    $("exposures").title = `${info.file}, region file ${info.regionFile}`;
    for (const id of ["previous-exposure", "next-exposure"]) $(id).hidden = count === 1;
    $("previous-exposure").disabled = number === 0;
    $("next-exposure").disabled = number === count - 1;
    $("integration").max = info.nints - 1;
    $("group").max = info.ngroups - 1;
    $("integration-axis").hidden = info.nints === 1;
    $("group-axis").hidden = info.ngroups === 1;
    if (!$("reviewer").value) $("reviewer").value = state.reviewer;
    fitFields();
    buildFlags();
    isPlaced = false;
    fit();
    draft = storedDraft();
    drawAll();
    hideNotice();
    loadExposureList();
    if (state.recovered) {
      notice("Unsaved marks of an earlier session were recovered. Undo (U) goes back to the saved file.");
    }
    drawFrame();
    return true;
  });
  if (isOpen) return;
  // One that can't be opened is passed over, in the direction of travel.
  if (info) $("exposures").value = info.number;
  const step = info ? Math.sign(number - info.number) : 1;
  if (step) await openExposure(number + step);
}

function listen() {
  viewport.addEventListener("pointerdown", onPointerDown);
  viewport.addEventListener("wheel", onWheel, { passive: false });
  viewport.addEventListener("pointermove", (event) => {
    if (!view) return;
    pointer = toImage(view, ...place0(event));
    describePixel();
  });
  document.addEventListener("keydown", onKey);
  window.addEventListener("focus", () => attempt(refresh));
  window.addEventListener("beforeunload", (event) => {
    if (draft || state?.isDirty || othersUnsaved) event.preventDefault();
  });
  let size = [viewport.clientWidth, viewport.clientHeight];
  new ResizeObserver(() => {
    const before = size;
    size = [viewport.clientWidth, viewport.clientHeight];
    if (!info) return;
    if (isPlaced) setView(panBy(view, (size[0] - before[0]) / 2, (size[1] - before[1]) / 2));
    else fit();
  }).observe(viewport);

  // Keys belong to the image again once a button, slider or list has been used with the mouse.
  const giveBack = (event) => {
    const isControl = event.target.matches?.("button, select, input[type=range], input[type=checkbox]");
    if (isControl && event.detail !== 0 && !event.target.closest("dialog")) viewport.focus({ preventScroll: true });
  };
  document.addEventListener("click", giveBack);
  document.addEventListener("change", (event) => {
    if (event.target.matches("select")) viewport.focus({ preventScroll: true });
  });

  const clicks = {
    "previous-exposure": () => openExposure(info.number - 1),
    "next-exposure": () => openExposure(info.number + 1),
    "integration-down": () => show(integration - 1, group),
    "integration-up": () => show(integration + 1, group),
    "group-down": () => show(integration, group - 1),
    "group-up": () => show(integration, group + 1),
    "zoom-in": () => zoomCentre(1.4),
    "zoom-out": () => zoomCentre(1 / 1.4),
    "zoom-fit": () => { isPlaced = false; fit(); },
    "next-candidate": nextCandidate,
    "accept-all": acceptAbove,
    accept: () => decide("accepted"),
    reject: () => decide("rejected"),
    delete: remove,
    copy: copyLast,
    save: () => save(),
    help: () => $("keys").showModal(),
    mark, undo, redo, apply,
    auto: () => {
      if (!display.frame || !stretches.has(kindOfFrame())) return;
      const { median, mad } = display.frame;
      Object.assign(stretches.get(kindOfFrame()), { reference: { median, mad }, isFixed: false });
      drawDisplayPanel();
      applyLook();
    },
  };
  for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", action);
  $("notice").querySelector("button").addEventListener("click", hideNotice);
  $("integration").addEventListener("input", (event) => show(Number(event.target.value), group));
  $("group").addEventListener("input", (event) => show(integration, Number(event.target.value)));
  $("exposures").addEventListener("change", (event) => openExposure(Number(event.target.value)));
  $("comment").addEventListener("change", (event) => {
    const entry = current() ?? currentRegion();
    if (entry && (entry.comment ?? "") !== event.target.value) edit({ comment: event.target.value || null });
  });
  $("rows").addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) select(Number(row.dataset.id), { goThere: true });
  });

  const stretched = (id, kind, set) => $(id).addEventListener(kind, (event) => {
    if (!stretches.has(kindOfFrame())) return;
    set(stretches.get(kindOfFrame()), event.target);
    drawDisplayPanel();
    applyLook();
  });
  stretched("shape", "change", (stretch, input) => { stretch.shape = input.value; });
  stretched("k", "input", (stretch, input) => { stretch.k = kOfSlider(Number(input.value)); });
  stretched("fixed", "change", (stretch, input) => { stretch.isFixed = input.checked; });
  stretched("low", "input", (stretch, input) => { if (input.value !== "") stretch.low = Number(input.value); });
  stretched("high", "input", (stretch, input) => { if (input.value !== "") stretch.high = Number(input.value); });
  const looks = {
    map: (input) => { look.map = input.value; },
    invert: (input) => { look.inverted = input.checked; },
    "show-flags": (input) => { look.flagsOn = input.checked; },
  };
  for (const [id, set] of Object.entries(looks)) {
    $(id).addEventListener("change", (event) => { set(event.target); applyLook(); });
  }
  $("opacity").addEventListener("input", (event) => {
    look.opacity = Number(event.target.value) / 100;
    applyLook();
  });
  $("show-mask").addEventListener("change", (event) => {
    look.mask = event.target.checked;
    drawMask();
  });
}

async function start() {
  buildFields();
  $("map").replaceChildren(...COLOUR_MAPS.map((name) => new Option(name, name)));
  $("key-list").replaceChildren(...KEYS.flatMap(([keys, what]) => {
    const term = document.createElement("dt");
    const meaning = document.createElement("dd");
    term.textContent = keys;
    meaning.textContent = what;
    return [term, meaning];
  }));
  listen();
  await attempt(async () => {
    await loadExposureList();
    await openExposure(0);
  });
}

start();
