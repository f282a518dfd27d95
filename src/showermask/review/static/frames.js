// @ts-check
// Frames that have been fetched, kept while they are near; neighbours are fetched ahead.

const KEPT = 24;

export class Frames {
  constructor(info, { getFrame, getFlags }) {
    this.info = info;
    this.getFrame = getFrame;
    this.getFlags = getFlags;
    this.wanted = "";
    this.kept = new Map();
  }

  image(integration, group) {
    return this.fetch("frame", this.getFrame, integration, group);
  }

  flags(integration, group) {
    return this.fetch("dq", this.getFlags, integration, group);
  }

  fetch(kind, get, integration, group) {
    const key = `${kind}/${integration}/${group}`;
    let entry = this.kept.get(key);
    if (entry) {
      this.kept.delete(key); // to the young end
    } else {
      entry = { promise: get(`exposures/${this.info.number}/${key}`, this.info) };
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

  // Fetch what the reader is likely to look at next, one after the other so as not to get in the way.
  async prefetch(integration, group) {
    const { nints, ngroups } = this.info;
    const near = [[0, 1], [0, -1], [1, 0], [0, 2], [-1, 0]]
      .map(([di, dg]) => [integration + di, group + dg])
      .filter(([i, g]) => i >= 0 && i < nints && g >= 0 && g < ngroups);
    for (const [i, g] of near) {
      if (this.wanted !== `${integration}/${group}`) return;
      await this.image(i, g).catch(() => {});
      await this.flags(i, g).catch(() => {});
    }
  }
}
