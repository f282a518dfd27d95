// @ts-check
// The top of the page: which exposure, integration and group; undo, save, apply.

const PROGRESS = {
  none: () => "not reviewed",
  candidates: (row) => `${row.candidates} to decide`,
  done: (row) => `reviewed, ${row.accepted} accepted`,
  broken: () => "region file not valid",
};

const THEME = "showermask theme";
const LONGEST = 34; // characters

// A name without its middle, where it is long: exposures differ at both ends.
export function shortened(name) {
  if (name.length <= LONGEST) return name;
  const kept = LONGEST - 1;
  return `${name.slice(0, Math.ceil(kept / 2))}…${name.slice(-Math.floor(kept / 2))}`;
}

export class Header {
  constructor(store, $) {
    this.store = store;
    this.$ = $;
    const clicks = {
      "previous-exposure": () => store.open(store.info.number - 1),
      "next-exposure": () => store.open(store.info.number + 1),
      "integration-down": () => store.show(store.integration - 1, store.group),
      "integration-up": () => store.show(store.integration + 1, store.group),
      "group-down": () => store.show(store.integration, store.group - 1),
      "group-up": () => store.show(store.integration, store.group + 1),
      undo: () => store.undo(),
      redo: () => store.redo(),
      save: () => this.save(),
      apply: () => this.#apply(),
    };
    for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", action);
    $("integration").addEventListener("input", (event) => store.show(Number(event.target.value), store.group));
    $("group").addEventListener("input", (event) => store.show(store.integration, Number(event.target.value)));
    $("exposures").addEventListener("change", (event) => store.open(Number(event.target.value)));
    $("theme").addEventListener("click", () => this.#setTheme(document.documentElement.dataset.theme === "light" ? "dark" : "light"));
    this.#setTheme(store.storage.getItem(THEME) ?? "dark");
    store.on("exposures", () => this.#list());
    store.on("exposure", () => this.#open());
    store.on("entries", () => this.#draw());
  }

  save(options = {}) {
    const active = document.activeElement;
    if (active instanceof HTMLElement) active.blur(); // what is being typed counts
    return this.store.save(this.$("reviewer").value, options);
  }

  saveAll() {
    return this.store.saveAll(this.$("reviewer").value);
  }

  #setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    this.store.storage.setItem(THEME, theme);
    this.$("theme").textContent = theme === "light" ? "☾" : "☀";
    this.store.emit("look");
  }

  async #apply() {
    this.$("apply").disabled = true;
    await this.store.apply();
    this.#draw();
  }

  #list() {
    const { $, store } = this;
    $("exposures").replaceChildren(...store.exposures.map((row, number) =>
      new Option(`${row.isUnsaved ? "• " : ""}${shortened(row.file)} — ${PROGRESS[row.state](row)}`, String(number))));
    if (store.info) $("exposures").value = store.info.number;
  }

  #open() {
    const { $, store } = this;
    const { info, exposures } = store;
    $("exposures").value = info.number;
    $("exposures").title = `${info.file}, region file ${info.regionFile}`;
    for (const id of ["previous-exposure", "next-exposure"]) $(id).hidden = exposures.length === 1;
    $("previous-exposure").disabled = info.number === 0;
    $("next-exposure").disabled = info.number === exposures.length - 1;
    $("integration").max = info.nints - 1;
    $("group").max = info.ngroups - 1;
    $("integration-axis").hidden = info.nints === 1;
    $("group-axis").hidden = info.ngroups === 1;
    if (!$("reviewer").value) $("reviewer").value = info.state.reviewer;
  }

  #draw() {
    const { $, store } = this;
    const { info, state, integration, group } = store;
    $("integration").value = integration;
    $("group").value = group;
    $("integration-value").textContent = `${integration} of ${info.nints - 1}`;
    $("group-value").textContent = `${group} of ${info.ngroups - 1}`;
    $("undo").disabled = !store.canUndo;
    $("redo").disabled = !store.canRedo;
    $("save").textContent = state.isDirty ? "Save •" : "Save";
    $("apply").disabled = info.isRaw;
    document.title = `${state.isDirty ? "• " : ""}${info.root} – showermask`;
  }
}
