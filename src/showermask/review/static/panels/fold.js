// @ts-check
// Panels that fold at their headings; which are folded is remembered.

const FOLDED = "showermask folded";
const LOW = 880; // CSS pixels of window height, below which the last panels begin folded
const LAST = ["display", "pixel"];

export function foldPanels(storage) {
  const kept = JSON.parse(storage.getItem(FOLDED) ?? "null");
  const folded = new Set(kept ?? (window.innerHeight < LOW ? LAST : []));
  for (const section of document.querySelectorAll("aside section")) {
    const button = section.querySelector(".fold");
    if (!button) continue;
    const set = (isFolded) => {
      section.classList.toggle("folded", isFolded);
      button.setAttribute("aria-expanded", String(!isFolded));
    };
    set(folded.has(section.id));
    button.addEventListener("click", () => {
      const isFolded = !section.classList.contains("folded");
      set(isFolded);
      if (isFolded) folded.add(section.id);
      else folded.delete(section.id);
      storage.setItem(FOLDED, JSON.stringify([...folded]));
    });
  }
}
