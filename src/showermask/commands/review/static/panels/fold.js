// @ts-check
// Panels that fold at their headings; which are folded is remembered.

const FOLDED = "showermask folded";
// CSS pixels of window height below which panels begin folded: there is no room for all.
const NEEDS = { display: 960, pixel: 790 };

export function foldPanels(storage) {
  const kept = JSON.parse(storage.getItem(FOLDED) ?? "null");
  const folded = new Set(kept ?? Object.keys(NEEDS).filter((id) => window.innerHeight < NEEDS[id]));
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
