// Requests of the page, over a network that loses connections.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

globalThis.location = { hash: "#token=secret", pathname: "/", search: "" };
globalThis.history = { replaceState() {} };
globalThis.sessionStorage = { setItem() {}, getItem: () => null };

const { getJson, postJson } = await import(new URL("../../src/showermask/commands/review/static/server.js", import.meta.url));

let asked;
let lost;

beforeEach(() => {
  asked = [];
  lost = 0;
  globalThis.fetch = async (path, options) => {
    asked.push([path, options.headers["X-Showermask-Token"]]);
    lost -= 1;
    if (lost >= 0) throw new TypeError("Failed to fetch");
    return new Response('{"fine": true}');
  };
});

test("a request carries the token", async () => {
  assert.deepEqual(await getJson("exposures"), { fine: true });
  assert.deepEqual(asked, [["api/exposures", "secret"]]);
});

test("a lost connection is asked again, once", async () => {
  lost = 1;
  assert.deepEqual(await getJson("exposures"), { fine: true });
  assert.equal(asked.length, 2);
  lost = 2;
  await assert.rejects(getJson("exposures"), { kind: "gone" });
  assert.equal(asked.length, 4);
});

test("what changes something is sent once", async () => {
  lost = 1;
  await assert.rejects(postJson("exposures/0/regions", {}), { kind: "gone" });
  assert.equal(asked.length, 1);
});
