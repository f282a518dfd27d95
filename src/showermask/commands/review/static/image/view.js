// @ts-check
// The image, the entries over it, and what the mouse does to them.

import { Frames } from "../frames.js";
import {
  boxView, contains, fitView, isInPolygon, moveTo, panBy, resizeA, resizeB, rotateTo, simplified, tidy, toImage, zoomAt,
} from "../geometry.js";
import { kindOf, viewKey } from "../kinds.js";
import { ellipseOf } from "../store.js";
import { Canvas } from "./canvas.js";
import { Overlay } from "./overlay.js";

const CLICK_SLACK = 4; // screen pixels that a click may wander
const LASSO_SLACK = 1.5; // screen pixels by which the corners of a lasso may miss the line that was drawn
const LASSO_GAP = 15; // screen pixels between its ends that count as closed
const LENGTHS = [1, 2, 5, 10, 20, 50, 100, 200, 500]; // of the scale bar, in pixels of the image
const LEAST_BAR = 40; // screen pixels
const FIELD = 4; // sizes of an entry that are shown around it
const DRAGGED = { move: ["x", "y"], a: ["a"], b: ["b"], rotate: ["theta"] }; // what each drag changes
const RESIZED = { a: resizeA, b: resizeB, rotate: rotateTo };

// The geometry of an entry that is dragged by a handle, or as a whole, to an image position.
function dragged(entry, handle, grab, x, y) {
  if (entry.vertices && handle === "move") {
    const [dx, dy] = [x - grab[0] - entry.vertices[0][0], y - grab[1] - entry.vertices[0][1]];
    return { vertices: entry.vertices.map(([vx, vy]) => [vx + dx, vy + dy].map(tenth)) };
  }
  if (entry.vertices) {
    const moved = Number(handle.slice("vertex".length));
    return { vertices: entry.vertices.map((vertex, i) => (i === moved ? [x, y].map(tenth) : vertex)) };
  }
  const ellipse = ellipseOf(entry);
  const moved = handle === "move" ? moveTo(ellipse, x - grab[0], y - grab[1]) : RESIZED[handle](ellipse, x, y);
  const rounded = tidy(moved);
  return { ...ellipse, ...Object.fromEntries(DRAGGED[handle].map((name) => [name, rounded[name]])) };
}

const tenth = (value) => Math.round(value * 10) / 10;

export class ImageView {
  constructor(store, { viewport, canvas, overlay, what, getMask, fetchers }) {
    this.store = store;
    this.viewport = viewport;
    this.what = what;
    this.getMask = getMask;
    this.fetchers = fetchers;
    this.canvas = new Canvas(canvas);
    this.overlay = new Overlay(overlay);
    this.frames = null;
    this.flags = null; // of the image on show
    this.pixelFlags = null; // of the exposure
    this.view = null;
    this.viewSize = [0, 0];
    this.isDragging = false;
    this.isPlaced = false; // whether the view has been chosen by the person
    this.maskRequest = 0;
    this.#bind();
  }

  #bind() {
    const { store, viewport } = this;
    store.on("exposure", () => this.#open());
    store.on("image", () => this.#drawImage());
    store.on("entries", () => {
      this.#describe();
      this.#drawEntries();
      this.#drawMask();
      if (store.view.kind !== "difference") this.#drawImage(); // it may be that of another entry
    });
    store.on("shape", () => this.#drawDragged());
    store.on("kind image", () => this.#describe());
    store.on("look", (what) => {
      if (what === "mask") this.#drawMask();
      else this.#applyLook();
      this.viewport.classList.toggle("unmarked", !store.look.marks);
    });
    store.on("goto", (entry) => this.#enlarge(entry));
    store.on("lasso", () => viewport.classList.toggle("lassoing", store.isLasso));
    viewport.addEventListener("pointerdown", (event) => this.#onPointerDown(event));
    viewport.addEventListener("contextmenu", (event) => event.preventDefault());
    viewport.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    viewport.addEventListener("pointermove", (event) => {
      if (this.view) store.point(toImage(this.view, ...this.#at(event)));
    });
    const buttons = { "zoom-in": () => this.zoom(1.4), "zoom-out": () => this.zoom(1 / 1.4), "zoom-fit": () => this.refit() };
    for (const [id, action] of Object.entries(buttons)) viewport.querySelector(`#${id}`).addEventListener("click", action);
    new ResizeObserver(() => {
      if (!store.info || !this.view) return;
      const [width, height] = this.#size;
      const [w, h] = this.viewSize;
      if (this.isPlaced) this.setView(panBy(this.view, (width - w) / 2, (height - h) / 2));
      else this.fit();
    }).observe(viewport);
  }

  // ------------------------------------------------------------ the view

  get #size() {
    return [this.viewport.clientWidth, this.viewport.clientHeight];
  }

  setView(view) {
    this.view = view;
    this.viewSize = this.#size; // of the viewport that it was made for
    this.overlay.setView(view);
    this.#drawScale();
    this.#drawHandles();
    this.#paint();
  }

  // A bar of so many pixels of the image.
  #drawScale() {
    const bar = this.viewport.querySelector("#scale");
    const pixels = LENGTHS.find((length) => length * this.view.scale >= LEAST_BAR) ?? LENGTHS.at(-1);
    bar.style.width = `${pixels * this.view.scale}px`;
    bar.firstElementChild.textContent = `${pixels} px`;
  }

  fit() {
    const [width, height] = this.#size;
    this.setView(fitView(this.store.info.nx, this.store.info.ny, width, height));
  }

  // Fit the image, and do so again when the window changes.
  refit() {
    this.isPlaced = false;
    this.fit();
  }

  zoom(factor) {
    this.isPlaced = true;
    const [width, height] = this.#size;
    this.setView(zoomAt(this.view, factor, width / 2, height / 2));
  }

  // Show an entry in the middle, with several times its size around it.
  #enlarge(entry) {
    const { x, y, width, height } = this.store.boxOf(entry);
    const size = entry.a === undefined ? Math.max(width, height) : 2 * Math.max(entry.a, entry.b);
    this.isPlaced = true;
    this.setView(boxView(this.store.info.ny, x + width / 2, y + height / 2, FIELD * Math.max(size, 4), ...this.#size));
  }

  #paint() {
    if (this.view) this.canvas.paint(this.view);
  }

  // ------------------------------------------------------------ images

  #open() {
    this.frames = new Frames(this.store.info, this.fetchers);
    this.pixelFlags = null;
    this.canvas.setColours(this.store.info.flagColours, this.store.info.maskColour);
    this.refit();
  }

  #describe() {
    const { info, view, integration, pinned } = this.store;
    const kind = kindOf(view.kind);
    const where = info.nints > 1 ? `, integration ${integration}` : "";
    const mark = pinned && view.kind !== "pair" ? `, group ${pinned.group} pinned` : "";
    this.what.textContent = `${kind.key}: ${kind.describe(view, info, this.canvas.frame)}${info.isRaw ? ", raw" : ""}${where}${mark}`;
  }

  async #drawImage() {
    const { store, viewport, frames } = this;
    const { view, info } = store;
    const { revision } = store.state;
    const wanted = `${info.number}/${view.integration}/${view.group}${view.kind === "difference" ? "" : ` ${viewKey(view, revision)}`}`;
    if (frames.wanted === wanted) return; // shown, or on its way
    frames.wanted = wanted;
    const isCurrent = () => this.frames === frames && viewport.dataset.wanted === wanted;
    viewport.dataset.wanted = wanted;
    const isShown = await store.attempt(async () => {
      const started = performance.now();
      const isGroup = view.kind === "difference";
      if (view.kind === "evidence" && !frames.has(view)) {
        const part = await frames.imageAround(view);
        if (!isCurrent()) return true;
        this.#setImage(part, null);
        viewport.dataset.part = wanted;
        viewport.dataset.took = (performance.now() - started).toFixed(1);
      }
      const [image, flags] = await Promise.all([
        frames.image(view, revision),
        isGroup ? frames.flags(view.integration, view.group) : null,
      ]);
      if (!isCurrent()) return true;
      this.#setImage(image, flags);
      if (viewport.dataset.part !== wanted) viewport.dataset.took = (performance.now() - started).toFixed(1);
      viewport.dataset.shown = wanted;
      frames.prefetch(wanted, this.#likely(view));
      return true;
    });
    if (!isShown && isCurrent()) {
      frames.wanted = "";
      this.canvas.setImage(null); // rather a blank than another image under this one's name
      this.#paint();
    }
    this.#drawMask();
    store.emit("pointer");
  }

  #setImage(image, flags) {
    const { store } = this;
    const reference = { median: image.median, mad: image.mad };
    const { stretch, kindOfImage } = store;
    if (!stretch) store.stretches.set(kindOfImage, { ...store.keptStretch(kindOfImage), isFixed: false, reference });
    else if (stretch.isStale) Object.assign(stretch, { reference, isStale: false });
    this.canvas.setImage(image, store.info.nx, store.info.ny);
    this.flags = flags;
    store.emit("look");
    this.#describe();
  }

  // The views that are likely to be asked for next: the next candidate, the groups beside.
  #likely(view) {
    const { store, frames } = this;
    const near = frames.near(view.integration, view.group);
    if (view.kind !== "evidence") return near;
    const { candidates } = store;
    const at = candidates.findIndex((entry) => entry.id === view.entry.id);
    const next = candidates.length > 1 || at < 0 ? candidates[(at + 1) % candidates.length] : null;
    const ahead = next && next.section !== "pixels" ? [{ ...view, entry: next, integration: next.integration }] : [];
    return [...ahead, { kind: "difference", integration: view.integration, group: view.group }];
  }

  #applyLook() {
    const { store } = this;
    if (!store.stretch) return; // the first image of its kind is still on its way
    const { look, info } = store;
    this.canvas.setStretch(store.stretch, look.map, look.inverted);
    this.canvas.setFlags(this.flags, look.enabled, info.flags, look.flagsOn ? look.opacity : 0);
    this.canvas.setPixelFlags(look.pixelFlags ? this.pixelFlags : null, look.opacity);
    if (look.pixelFlags && !this.pixelFlags) this.#fetchPixelFlags();
    this.#paint();
  }

  // The flags of pixels are the same for all images of an exposure: they are fetched when they are
  // first to be shown.
  async #fetchPixelFlags() {
    const { frames, store } = this;
    await store.attempt(async () => {
      const flags = await frames.pixelFlags();
      if (this.frames !== frames || this.pixelFlags) return;
      this.pixelFlags = flags;
      this.#applyLook();
    });
  }

  async #drawMask() {
    this.maskRequest += 1;
    const request = this.maskRequest;
    const { store, canvas, viewport } = this;
    // Of a mask file nothing else shows where it is.
    const shown = store.current?.mask ? store.selected : null;
    if (!store.look.mask && shown === null) {
      canvas.setMask(null);
      this.#paint();
      return;
    }
    await store.attempt(async () => {
      const { info, placed, integration, group } = store;
      const extra = placed ? { [placed.section]: { ...placed, section: undefined } } : null;
      const body = store.look.mask ? { extra, selected: shown } : { only: shown };
      const masked = await this.getMask(`exposures/${info.number}/mask/${integration}/${group}`, body, info.nx * info.ny);
      if (request !== this.maskRequest) return;
      canvas.setMask(masked);
      viewport.dataset.masked = masked.length;
      this.#paint();
    });
  }

  // ------------------------------------------------------------ entries

  #drawEntries() {
    const { store } = this;
    const shown = store.entries.filter((entry) => store.isVisible(entry) && !entry.mask).map((entry) => ({
      ...(entry.id === store.selected ? store.dragged : entry),
      box: entry.section === "pixels" ? store.boxOf(entry) : undefined,
      isSelected: entry.id === store.selected,
    }));
    if (store.placed && store.isVisible(store.placed)) {
      shown.push({ ...store.dragged, status: "draft", isSelected: true });
    }
    this.overlay.setEntries(shown);
    this.#drawHandles();
  }

  #drawDragged() {
    const { dragged: entry } = this.store;
    if (entry && entry.section !== "pixels") this.overlay.setShape(entry);
    this.#drawHandles();
  }

  #drawHandles() {
    const { dragged: entry } = this.store;
    if (this.view) this.overlay.setHandles(entry && this.store.isVisible(entry) ? entry : null, this.view);
  }

  // ------------------------------------------------------------ the mouse

  #at(event) {
    const box = this.viewport.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  // The entry at an image position: the current one, else the smallest.
  #hit(x, y) {
    const { store } = this;
    const isHit = (entry) => store.isVisible(entry)
      && (entry.vertices ? isInPolygon(entry.vertices, x, y) : entry.a !== undefined && contains(entry, x, y));
    if (store.current && isHit(store.current)) return store.current.id;
    const area = (entry) => {
      const { width, height } = entry.a === undefined ? store.boxOf(entry) : { width: Math.PI * entry.a, height: entry.b };
      return width * height;
    };
    return store.entries.filter(isHit).sort((p, q) => area(p) - area(q))[0]?.id ?? null;
  }

  #onPointerDown(event) {
    const { store, viewport } = this;
    if (event.button > 2 || !store.info || this.isDragging || event.target.closest(".zoom, #notice")) return;
    viewport.focus({ preventScroll: true });
    if (store.isLasso && event.button === 0) {
      this.#lasso(event);
      return;
    }
    if (event.button === 2) {
      this.#restretch(event);
      return;
    }
    const [x, y] = toImage(this.view, ...this.#at(event));
    const handle = event.target.dataset?.handle;
    const under = event.shiftKey || event.button === 1 ? null : this.#hit(x, y);
    const isCurrent = under !== null && under === store.current?.id;
    const onClick = () => {
      if (event.button !== 0 || handle) return;
      if (under === null) store.place(x, y);
      else if (!isCurrent) store.select(under);
    };
    if (handle && store.current) this.#drag(event, handle, onClick);
    else if (isCurrent) this.#drag(event, "move", onClick);
    else this.#pan(event, onClick);
  }

  // Drag the current entry by a handle, or as a whole.
  #drag(event, handle, onClick) {
    const { store } = this;
    const entry = store.current;
    const [x, y] = toImage(this.view, ...this.#at(event));
    const [ox, oy] = entry.vertices ? entry.vertices[0] : [entry.x, entry.y];
    this.#track(event, {
      move: (place) => store.drag(dragged(entry, handle, [x - ox, y - oy], ...toImage(this.view, ...place))),
      up: (hasMoved) => {
        if (!hasMoved) onClick();
        if (!store.override) return;
        const names = entry.vertices ? ["vertices"] : DRAGGED[handle];
        const values = Object.fromEntries(names.map((name) => [name, store.override[name]]));
        store.override = null;
        store.edit(values);
      },
      cancel: () => {
        store.override = null;
        store.emit("entries");
      },
    });
  }

  // Change bias (sideways) and contrast (up and down) as DS9 does.
  #restretch(event) {
    const { store } = this;
    const { stretch } = store;
    if (!stretch) return;
    const [width, height] = this.#size;
    this.#track(event, {
      move: ([mx, my]) => {
        stretch.bias = mx / width;
        stretch.contrast = 10 ** (2 * (my / height - 0.5));
        store.emit("look");
      },
      up: () => {},
      cancel: () => {},
    });
  }

  #pan(event, onClick) {
    const { viewport, view } = this;
    const [sx, sy] = this.#at(event);
    this.#track(event, {
      move: ([mx, my]) => {
        viewport.classList.add("panning");
        this.setView(panBy(view, mx - sx, my - sy));
        this.isPlaced = true;
      },
      up: (hasMoved) => {
        viewport.classList.remove("panning");
        if (!hasMoved) onClick();
      },
      cancel: () => viewport.classList.remove("panning"),
    });
  }

  // Follow the pointer, once it has wandered farther than a click may, until it is let go.
  #track(event, { move, up, cancel, slack = CLICK_SLACK }) {
    const { viewport } = this;
    const [sx, sy] = this.#at(event);
    const track = { hasMoved: false };
    viewport.setPointerCapture(event.pointerId);
    this.isDragging = true;
    const onMove = (moved) => {
      const [mx, my] = this.#at(moved);
      if (!track.hasMoved && Math.hypot(mx - sx, my - sy) < slack) return;
      track.hasMoved = true;
      move([mx, my]);
    };
    const onEnd = (ending) => {
      this.isDragging = false;
      viewport.removeEventListener("pointermove", onMove);
      viewport.removeEventListener("pointerup", onEnd);
      viewport.removeEventListener("pointercancel", onEnd);
      if (ending.type === "pointercancel") cancel();
      else up(track.hasMoved);
    };
    viewport.addEventListener("pointermove", onMove);
    viewport.addEventListener("pointerup", onEnd);
    viewport.addEventListener("pointercancel", onEnd);
  }

  // Draw a polygon by hand.
  #lasso(event) {
    const points = [this.#at(event)];
    const finish = (isDrawn) => {
      this.overlay.setLasso([]);
      this.store.setLasso(false);
      const corners = simplified(points, LASSO_SLACK);
      const [[x0, y0], [x1, y1]] = [corners[0], corners.at(-1)];
      if (corners.length > 3 && Math.hypot(x1 - x0, y1 - y0) < LASSO_GAP) corners.pop();
      if (!isDrawn) return;
      if (corners.length < 3) this.store.notice("Draw around the shower with the mouse button held down (L).");
      else this.store.placePolygon(corners.map(([sx, sy]) => toImage(this.view, sx, sy)));
    };
    this.#track(event, {
      slack: 0,
      move: (place) => {
        points.push(place);
        this.overlay.setLasso(points);
      },
      up: () => finish(true),
      cancel: () => finish(false),
    });
  }

  #onWheel(event) {
    event.preventDefault();
    if (!this.view) return;
    this.isPlaced = true;
    // A pinch on a trackpad comes as a wheel with Ctrl; two fingers sideways pan.
    if (!event.ctrlKey && Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.setView(panBy(this.view, -event.deltaX, -event.deltaY));
      return;
    }
    const unit = event.deltaMode === 1 ? 16 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0018;
    this.setView(zoomAt(this.view, Math.exp(-event.deltaY * unit * speed), ...this.#at(event)));
  }
}
