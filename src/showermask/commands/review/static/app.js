// @ts-check
// The review page: its parts, and how they are put together.

import { ImageView } from "./image/view.js";
import { Keys } from "./keys.js";
import { DisplayPanel } from "./panels/display.js";
import { Editor } from "./panels/editor.js";
import { EvidencePanel } from "./panels/evidence.js";
import { foldPanels } from "./panels/fold.js";
import { Header } from "./panels/header.js";
import { List } from "./panels/list.js";
import { Messages } from "./panels/messages.js";
import { PixelPanel } from "./panels/pixel.js";
import { Witnesses } from "./panels/witnesses.js";
import { getFlags, getFrame, getJson, getMask, postFrame, postJson } from "./server.js";
import { Store } from "./store.js";

/** @type {(id: string) => any} */
const $ = (id) => document.getElementById(id);
const viewport = $("viewport");

const store = new Store({ server: { getJson, postJson }, storage: localStorage });
const header = new Header(store, $);
const image = new ImageView(store, {
  viewport, canvas: $("canvas"), overlay: $("overlay"), what: $("what"), getMask, fetchers: { getFrame, postFrame, getFlags },
});
const editor = new Editor(store, $);
new List(store, $);
new EvidencePanel(store, $);
new Witnesses(store, $, { postFrame });
new DisplayPanel(store, $, image);
new PixelPanel(store, $, image);
new Messages(store, $, header);
foldPanels(localStorage);
new Keys(store, $, { image, editor, header });

window.addEventListener("focus", () => store.attempt(() => store.refresh()));
window.addEventListener("beforeunload", (event) => {
  if (store.hasUnsaved) event.preventDefault();
});

// Keys belong to the image again once a button, slider or list has been used with the mouse.
document.addEventListener("click", (event) => {
  const { target } = event;
  if (!(target instanceof Element) || event.detail === 0 || target.closest("dialog")) return;
  if (target.matches("button, input[type=range], input[type=checkbox]")) viewport.focus({ preventScroll: true });
});
// A list that is worked with keys keeps them.
let keysOfList = false;
document.addEventListener("keydown", ({ target }) => { keysOfList = target instanceof HTMLSelectElement; });
document.addEventListener("pointerdown", () => { keysOfList = false; });
document.addEventListener("change", ({ target }) => {
  if (target instanceof HTMLSelectElement && !keysOfList) viewport.focus({ preventScroll: true });
});

store.attempt(async () => {
  await store.loadExposures();
  await store.open(0);
});
