// @ts-check
// The list of entries: candidates first, the strongest first.

export class List {
  constructor(store, $) {
    this.store = store;
    this.$ = $;
    this.drawn = null; // state and selection that the list shows
    store.on("entries", () => this.#draw());
    store.on("effects", () => {
      this.drawn = null;
      this.#draw();
    });
    $("next-candidate").addEventListener("click", () => store.nextCandidate());
    $("accept-all").addEventListener("click", () => store.acceptAbove($("above").valueAsNumber));
    $("rows").addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row) store.select(Number(row.dataset.id), { goThere: true });
    });
  }

  #draw() {
    const { $, store } = this;
    const { state, selected } = store;
    if (!state || (this.drawn?.state === state && this.drawn.selected === selected)) return;
    this.drawn = { state, selected };
    const rank = { showers: 0, polygons: 1, pixels: 2 };
    const open = store.candidates.filter((entry) => entry.section !== "pixels");
    const others = store.entries.filter((entry) => !open.includes(entry));
    others.sort((p, q) => rank[p.section] - rank[q.section]);
    $("rows").replaceChildren(...[...open, ...others].map((entry) => this.#row(entry)));
    $("rows").querySelector(".selected")?.scrollIntoView({ block: "nearest" });
    const counts = ["accepted", "candidate", "rejected"].filter((status) => store.count(status));
    $("counts").textContent = counts.map((status) => `${store.count(status)} ${status}`).join(", ") || "none yet";
    $("next-candidate").hidden = store.count("candidate") === 0;
    $("accept-above").hidden = !open.some((entry) => entry.section === "showers");
  }

  #row(entry) {
    const row = document.createElement("tr");
    row.dataset.id = entry.id;
    row.className = `${entry.status}${entry.id === this.store.selected ? " selected" : ""}`;
    const dot = document.createElement("span");
    dot.className = `dot ${entry.status}`;
    dot.title = entry.status;
    const isInAll = entry.group === undefined && entry.last_group === undefined;
    const groups = isInAll ? "all" : `${entry.group ?? 0}–${entry.last_group ?? "end"}`;
    const texts = [entry.integration ?? "all", groups, ...this.#texts(entry)];
    const cells = [dot, ...texts].map((content) => {
      const cell = document.createElement("td");
      cell.append(content);
      return cell;
    });
    cells.at(-1).title = texts.at(-1);
    if (cells.length === 5) this.#widen(entry, cells);
    row.append(...cells);
    return row;
  }

  // Position, size and comment of an entry; of some, position and size are one.
  #texts(entry) {
    const comment = entry.comment ?? "";
    if (entry.section === "pixels") return [entry.location, comment];
    const { x, y, width, height } = this.store.boxOf(entry);
    const centre = `${(x + width / 2).toFixed(0)}, ${(y + height / 2).toFixed(0)}`;
    if (entry.status === "candidate") {
      const worth = entry.section === "showers" ? this.#worth(entry) : `${entry.vertices.length} corners`;
      return [centre, [worth, comment].filter(Boolean).join("; ")];
    }
    const size = entry.section === "showers" ? `${entry.a.toFixed(0)} × ${entry.b.toFixed(0)}` : `${width.toFixed(0)} × ${height.toFixed(0)}`;
    return [centre, size, comment];
  }

  // Give the text that says most the place of two columns.
  #widen(entry, cells) {
    if (entry.section !== "pixels") {
      cells.at(-1).colSpan = 2;
      return;
    }
    cells[3].colSpan = 2;
    cells[3].title = entry.location;
    cells[3].className = "place";
  }

  // What the mask of a candidate removes and costs.
  #worth(shower) {
    const effect = this.store.effectOf(shower);
    const score = shower.score === undefined ? "" : `S/N ${shower.score.toFixed(1)}`;
    if (!effect) return score;
    const removed = effect.removed === null ? "" : `removes ${effect.removed.toPrecision(2)} DN/s`;
    const time = effect.seconds === null ? "" : ` for ${effect.seconds.toFixed(0)} s`;
    const cost = `costs ${effect.pixels} px${time}`;
    const left = this.store.info.isRamp && effect.withoutRate > 0.5 ? "no rate left" : "";
    return [score, removed, cost, left].filter(Boolean).join(", ");
  }
}
