// @ts-check
// Images that have been fetched, kept while they are near; what is likely to be looked at next is
// fetched ahead.

import { viewBody, viewKey } from "./kinds.js";

const KEPT = 24;

export class Frames {
  constructor(info, { getFrame, postFrame, getFlags }) {
    this.info = info;
    this.fetchers = { getFrame, postFrame, getFlags };
    this.wanted = "";
    this.kept = new Map();
  }

  image(view, revision) {
    const { getFrame, postFrame } = this.fetchers;
    const key = viewKey(view, revision);
    if (view.kind === "difference") return this.#fetch(`frame/${key}`, (path) => getFrame(path, this.info));
    const whole = () => postFrame(this.#path("view"), viewBody(view), this.info);
    return this.#fetch(`view ${key}`, whole);
  }

  has(view, revision) {
    const key = viewKey(view, revision);
    return Boolean(this.kept.get(view.kind === "difference" ? `frame/${key}` : `view ${key}`)?.value);
  }

  // The part of an evidence image around its entry: it is there sooner.
  imageAround(view) {
    return this.fetchers.postFrame(this.#path("part"), viewBody(view), this.info);
  }

  flags(integration, group) {
    return this.#fetch(`dq/${integration}/${group}`, (path) => this.fetchers.getFlags(path, this.info));
  }

  pixelFlags() {
    return this.#fetch("pixeldq", (path) => this.fetchers.getFlags(path, this.info));
  }

  #path(name) {
    return `exposures/${this.info.number}/${name}`;
  }

  #fetch(key, get) {
    let entry = this.kept.get(key);
    if (entry) {
      this.kept.delete(key); // to the young end
    } else {
      entry = { promise: get(this.#path(key)) };
      entry.promise.then(
        (value) => { entry.value = value; },
        () => this.kept.delete(key),
      );
    }
    this.kept.set(key, entry);
    for (const old of this.kept.keys()) {
      if (this.kept.size <= KEPT) break;
      this.kept.delete(old);
    }
    return entry.promise;
  }

  // Fetch views ahead, one after the other so as not to get in the way.
  async prefetch(wanted, views) {
    for (const view of views) {
      if (this.wanted !== wanted) return;
      await this.image(view).catch(() => {});
      if (view.kind === "difference") await this.flags(view.integration, view.group).catch(() => {});
    }
  }

  // The groups beside one.
  near(integration, group) {
    const { nints, ngroups } = this.info;
    return [[0, 1], [0, -1], [1, 0], [0, 2], [-1, 0]]
      .map(([di, dg]) => ({ kind: "difference", integration: integration + di, group: group + dg }))
      .filter((view) => view.integration >= 0 && view.integration < nints && view.group >= 0 && view.group < ngroups);
  }
}
