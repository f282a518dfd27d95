// @ts-check
// The review page: its parts, and how they are put together.

import { ImageView } from "./image/view.js";
import { Keys } from "./keys.js";
import { DisplayPanel } from "./panels/display.js";
import { Editor } from "./panels/editor.js";
import { Header } from "./panels/header.js";
import { List } from "./panels/list.js";
import { Messages } from "./panels/messages.js";
import { PixelPanel } from "./panels/pixel.js";
import { getFlags, getFrame, getJson, getMask, postJson } from "./server.js";
import { Store } from "./store.js";

/** @type {(id: string) => any} */
const $ = (id) => document.getElementById(id);
const viewport = $("viewport");

const store = new Store({ server: { getJson, postJson }, storage: localStorage });
const header = new Header(store, $);
const image = new ImageView(store, {
  viewport, canvas: $("canvas"), overlay: $("overlay"), what: $("what"), getMask, fetchers: { getFrame, getFlags },
});
const editor = new Editor(store, $);
new List(store, $);
new DisplayPanel(store, $, image);
new PixelPanel(store, $, image);
new Messages(store, $, header);
new Keys(store, $, { image, editor, header });

window.addEventListener("focus", () => store.attempt(() => store.refresh()));
window.addEventListener("beforeunload", (event) => {
  if (store.hasUnsaved) event.preventDefault();
});

// Keys belong to the image again once a button, slider or list has been used with the mouse.
document.addEventListener("click", (event) => {
  const { target } = event;
  if (!(target instanceof Element) || event.detail === 0 || target.closest("dialog")) return;
  if (target.matches("button, select, input[type=range], input[type=checkbox]")) viewport.focus({ preventScroll: true });
});
document.addEventListener("change", (event) => {
  if (event.target instanceof HTMLSelectElement) viewport.focus({ preventScroll: true });
});

store.attempt(async () => {
  await store.loadExposures();
  await store.open(0);
});
