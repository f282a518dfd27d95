// @ts-check
// What is looked at, and how: integration, group, kind of image, stretch, colours.

import { kindOf } from "./kinds.js";

const LOOK = "showermask look"; // how images are shown, kept by the browser
const BLINK = 450; // ms

export class Viewing extends EventTarget {
  constructor(storage) {
    super();
    this.storage = storage;
    this.info = null; // the exposure
    this.hasError = false;
    this.integration = 0;
    this.group = 0;
    this.kind = "difference"; // of the image that is asked for
    this.pinned = null; // a group to compare with
    this.blinking = null; // the timer
    this.smoothing = null; // of evidence, in pixels; null for what fits the entry
    this.stretches = new Map(); // by kind of image: what the person has set holds between groups
    this.look = {
      stretches: {}, map: "grey", inverted: false, flagsOn: true, opacity: 0.55, enabled: new Set(), mask: false, pixelFlags: false,
      marks: true, ...JSON.parse(storage.getItem(LOOK) ?? "{}"),
    };
  }

  // The entry that the image is about, if any.
  /** @returns {any} */
  get current() {
    return null;
  }

  on(names, listener) {
    for (const name of names.split(" ")) {
      this.addEventListener(name, (event) => listener(/** @type {CustomEvent} */ (event).detail));
    }
  }

  emit(name, detail = undefined) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  notice(text, { isError = false } = {}) {
    this.hasError = isError;
    this.emit("notice", { text, isError });
  }

  hideNotice() {
    this.hasError = false;
    this.emit("notice", null);
  }

  // The image on show: what is asked for, as far as there is what it needs.
  get view() {
    const { kind, integration, group, pinned, smoothing, info } = this;
    const entry = this.current?.section === "pixels" ? null : this.current;
    const isThere = { entry: entry !== null, pinned: pinned !== null }[kindOf(kind).needs ?? ""] ?? true;
    if (!isThere || !kindOf(kind).isOf(info)) return { kind: "difference", integration, group };
    return { kind, integration, group, from: pinned?.group, entry, smoothing };
  }

  setKind(kind) {
    const { needs, isOf } = kindOf(kind);
    const lacks = { entry: !this.current || this.current.section === "pixels", pinned: this.pinned === null }[needs ?? ""];
    if (lacks) {
      this.notice(needs === "pinned" ? "Pin a group first (M)." : "Select or place a shower first (N).");
      return;
    }
    if (!isOf(this.info)) {
      this.notice("This product has no groups.");
      return;
    }
    this.stopBlinking();
    this.kind = kind;
    this.emit("entries");
    this.emit("kind");
    this.emit("image");
  }

  setSmoothing(smoothing) {
    this.smoothing = smoothing;
    this.kind = "evidence";
    this.emit("kind");
    this.emit("image");
  }

  // Keep the group on show, to compare others with it.
  pin() {
    const { integration, group } = this;
    const isSame = this.pinned?.group === group && this.pinned.integration === integration;
    this.pinned = isSame ? null : { integration, group };
    this.notice(isSame ? "No group is pinned." : `Group ${group} is pinned: 3 shows another less it, B blinks.`);
    this.emit("kind");
  }

  // Show the pinned group and this one in turn, until something else is asked for.
  blink() {
    if (this.blinking !== null) {
      this.stopBlinking();
      return;
    }
    if (!this.pinned) {
      this.notice("Pin a group first (M), go to another, then blink between them (B).");
      return;
    }
    const places = [this.pinned, { integration: this.integration, group: this.group }];
    this.kind = "difference";
    this.emit("kind");
    let turn = 0;
    const step = () => {
      this.showImage(places[turn].integration, places[turn].group);
      turn = 1 - turn;
      this.blinking = setTimeout(step, BLINK);
    };
    step();
  }

  stopBlinking() {
    clearTimeout(this.blinking);
    this.blinking = null;
  }

  // Kinds of image have stretches of their own, and the first group too.
  get kindOfImage() {
    const { kind } = this.view;
    if (["before", "after", "subtracted"].includes(kind)) return "rate";
    if (kind === "residual") return "evidence";
    return kind === "difference" && this.info.isRamp && this.group === 0 ? "first" : kind;
  }

  get stretch() {
    return this.stretches.get(this.kindOfImage);
  }

  // Go to a group by hand: what does not depend on it makes way for the difference.
  show(integration, group) {
    this.stopBlinking();
    if (group !== this.group && !["difference", "pair"].includes(this.kind)) {
      this.kind = "difference";
      this.emit("kind");
    }
    this.showImage(integration, group);
  }

  showImage(integration, group) {
    const within = (value, size) => Math.min(size - 1, Math.max(0, value));
    const [i, g] = [within(integration, this.info.nints), within(group, this.info.ngroups)];
    this.integration = i;
    this.group = g;
    this.emit("entries");
    this.emit("image");
  }

  // The look outlives the exposure and the page.
  keepLook() {
    const { map, inverted, flagsOn, opacity, mask, pixelFlags } = this.look;
    const stretches = Object.fromEntries([...this.stretches].map(([kind, { shape, k }]) => [kind, { shape, k }]));
    const kept = { map, inverted, flagsOn, opacity, mask, pixelFlags, stretches: { ...this.look.stretches, ...stretches } };
    this.storage.setItem(LOOK, JSON.stringify(kept));
  }

  // The stretch that a kind of image had on this page before, or has at first.
  keptStretch(kind) {
    // Evidence is bright where it is any: up to 12 sigma.
    const first = kind === "evidence" ? { shape: "linear", k: 18, below: 1 / 3 } : { shape: "linear", k: 5 };
    return { contrast: 1, bias: 0.5, ...first, ...this.look.stretches?.[kind] };
  }
}
