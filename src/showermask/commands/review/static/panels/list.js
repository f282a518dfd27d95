// @ts-check
// The list of entries, as a table that can be sorted and filtered.

import { COLUMNS, filtered, sorted, sourceOf } from "../table.js";

const PAUSE = 200; // ms between redraws while effects come in

export class List {
  constructor(store, $) {
    this.store = store;
    this.$ = $;
    this.drawn = null; // the state that the list shows
    this.rows = new Map(); // by entry: its row stays the same, so that a click on it is not lost
    this.timer = null;
    store.on("entries", () => this.#draw());
    store.on("filter", () => this.#redraw());
    store.on("effects", () => {
      this.timer ??= setTimeout(() => this.#redraw(), PAUSE);
    });
    store.on("exposure", () => {
      this.rows.clear();
      $("list").classList.toggle("of-detector", Boolean(store.info.isOfDetector));
      this.#head();
    });
    $("next-candidate").addEventListener("click", () => store.nextCandidate());
    $("accept-all").addEventListener("click", () => store.decideAbove($("above").valueAsNumber, "accepted"));
    $("reject-all").addEventListener("click", () => store.decideAbove($("above").valueAsNumber, "rejected"));
    $("rows").addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row) store.select(Number(row.dataset.id), { goThere: true });
    });
    for (const name of ["status", "source"]) {
      $(`filter-${name}`).addEventListener("change", (event) => {
        store.list[name] = event.target.value;
        store.emit("filter");
      });
    }
  }

  // The columns that this exposure has something for.
  get #columns() {
    const { info } = this.store;
    const hidden = new Set();
    if (info.nints <= 1) hidden.add("integration");
    if (!info.isRamp) for (const name of ["removed", "noise"]) hidden.add(name);
    // What a pixel of a detector costs is no matter of one exposure.
    if (info.isOfDetector) for (const name of ["probability", "removed", "pixels", "seconds", "noise"]) hidden.add(name);
    return COLUMNS.filter(({ name }) => !hidden.has(name));
  }

  #head() {
    const { store } = this;
    const cells = this.#columns.map(({ name, label, title }) => {
      const cell = document.createElement("th");
      const button = document.createElement("button");
      const isSorted = store.list.sort === name;
      button.textContent = `${label}${isSorted ? (store.list.isDown ? " ▾" : " ▴") : ""}`;
      button.title = `${title}; click to sort`;
      cell.setAttribute("aria-sort", isSorted ? (store.list.isDown ? "descending" : "ascending") : "none");
      button.addEventListener("click", () => this.#sortBy(name));
      cell.append(button);
      return cell;
    });
    this.$("columns").replaceChildren(document.createElement("th"), ...cells);
  }

  // Down, up, and back to candidates first.
  #sortBy(name) {
    const { list } = this.store;
    if (list.sort !== name) Object.assign(list, { sort: name, isDown: true });
    else if (list.isDown) list.isDown = false;
    else list.sort = "";
    this.#head();
    this.store.emit("filter");
  }

  #redraw() {
    clearTimeout(this.timer);
    this.timer = null;
    this.drawn = null;
    this.#draw();
  }

  #draw() {
    const { $, store } = this;
    const { state, selected } = store;
    if (!state) return;
    if (this.drawn === state) {
      this.#mark(selected);
      return;
    }
    this.drawn = state;
    const effects = (entry) => store.effectOf(entry);
    const shown = filtered(sorted(store.entries, effects, store.list), store.list);
    const columns = this.#columns;
    const rows = shown.map((entry) => this.#row(entry, columns));
    const present = $("rows").children;
    if (rows.length !== present.length || rows.some((row, i) => row !== present[i])) $("rows").replaceChildren(...rows);
    this.#mark(selected);
    this.#sources();
    const counts = ["accepted", "candidate", "rejected"].filter((status) => store.count(status));
    const hidden = store.entries.length - shown.length;
    const words = counts.map((status) => `${store.count(status)} ${status}`);
    $("counts").textContent = [...words, ...(hidden ? [`${hidden} not listed`] : [])].join(", ") || "none yet";
    $("next-candidate").disabled = store.count("candidate") === 0 && !store.hasOtherCandidates;
    $("accept-above").hidden = !store.candidates.some((entry) => entry.score !== undefined);
    $("reject-all").hidden = !store.info.isOfDetector;
  }

  #mark(selected) {
    const rows = this.$("rows");
    for (const row of rows.querySelectorAll(".selected")) row.classList.remove("selected");
    const row = rows.querySelector(`[data-id="${selected}"]`);
    row?.classList.add("selected");
    row?.scrollIntoView({ block: "nearest" });
  }

  // Sources to choose from, as far as there are several.
  #sources() {
    const { $, store } = this;
    const sources = [...new Set(store.entries.map(sourceOf))].sort();
    const select = $("filter-source");
    if (store.list.source && !sources.includes(store.list.source)) sources.push(store.list.source);
    const known = [...select.options].slice(1).map(({ value }) => value);
    if (known.join("\n") !== sources.join("\n") || !select.options.length) {
      select.replaceChildren(new Option("all sources", ""), ...sources.map((source) => new Option(source, source)));
    }
    select.value = store.list.source;
    select.hidden = sources.length < 2;
    $("filter-status").value = store.list.status;
  }

  #row(entry, columns) {
    const row = this.rows.get(entry.id) ?? this.#newRow(entry, columns);
    row.classList.remove("accepted", "candidate", "rejected");
    row.classList.add(entry.status);
    row.title = [entry.location ?? this.#size(entry), sourceOf(entry), entry.comment].filter(Boolean).join("; ");
    const [dot, ...cells] = row.children;
    const isSubtracted = (entry.action ?? "mask") !== "mask";
    dot.firstElementChild.className = `dot ${entry.status}${isSubtracted ? " subtract" : ""}`;
    dot.firstElementChild.title = isSubtracted ? `${entry.status}, action ${entry.action}` : entry.status;
    const effect = entry.section === "pixels" ? null : this.store.effectOf(entry);
    for (const [i, cell] of cells.entries()) {
      const text = this.#text(columns[i], entry, effect);
      if (cell.textContent !== text) cell.textContent = text;
    }
    return row;
  }

  #newRow(entry, columns) {
    const row = document.createElement("tr");
    row.dataset.id = entry.id;
    const dot = document.createElement("td");
    dot.append(document.createElement("span"));
    row.append(dot, ...columns.map(({ name }) => {
      const cell = document.createElement("td");
      cell.className = `of-${name}`;
      return cell;
    }));
    this.rows.set(entry.id, row);
    return row;
  }

  #size(entry) {
    if (entry.vertices) return `${entry.vertices.length} corners`;
    return entry.a === undefined ? "" : `a ${entry.a}, b ${entry.b}, theta ${entry.theta}`;
  }

  #text({ name, value, text }, entry, effect) {
    if (name === "group") {
      const isInAll = entry.group === undefined && entry.last_group === undefined;
      return isInAll ? "all" : `${entry.group ?? 0}–${entry.last_group ?? "end"}`;
    }
    if (name === "x") return this.#centre(entry);
    const found = value(entry, effect);
    if (name === "integration") return found === undefined ? "all" : String(found);
    if (name === "comment") return found;
    return typeof found === "number" && text ? text(found) : "";
  }

  #centre(entry) {
    if (entry.section === "pixels") return entry.location;
    const { x, y, width, height } = this.store.boxOf(entry);
    return `${(x + width / 2).toFixed(0)}, ${(y + height / 2).toFixed(0)}`;
  }
}
