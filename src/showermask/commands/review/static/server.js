// @ts-check
// Talk to the server: every request carries the token from the address.

import { Refusal } from "./store.js";

const token = takeToken();

// The address bar is seen by others, and kept in the history: the token stays in this tab.
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return given ?? sessionStorage.getItem("token") ?? "";
}

// Send a request. One that only reads is sent again if its connection is lost, as tunnels do.
async function send(path, options, { again = options.method !== "POST" } = {}) {
  try {
    return await fetch(`api/${path}`, {
      ...options,
      headers: { "X-Showermask-Token": token, ...options.headers },
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (again) return send(path, options, { again: false });
    throw new Refusal(0, { error: "the server does not answer; is it still running?", kind: "gone" });
  }
}

async function ask(path, /** @type {any} */ options = {}) {
  const answer = await send(path, options);
  if (!answer.ok) throw new Refusal(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

export const getJson = async (path) => (await ask(path)).json();

function post(path, body) {
  return ask(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
}

export const postJson = async (path, body) => (await post(path, body)).json();

export const getFrame = async (path, info) => unpacked(await ask(path), info);

export const postFrame = async (path, body, info) => unpacked(await post(path, body), info);

async function unpacked(answer, info) {
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const size = bytes.length / 2;
  const codes = new Uint16Array(size);
  for (let i = 0; i < size; i += 1) codes[i] = bytes[i] | (bytes[size + i] << 8);
  const numbers = (name) => answer.headers.get(name)?.split(" ").map(Number);
  const shape = numbers("X-Shape") ?? [info.ny, info.nx];
  const at = numbers("X-At");
  return {
    place: numbers("X-Place"),
    smoothing: answer.headers.get("X-Smoothing"),
    codes: at ? placed(codes, shape, at, info) : codes,
    shape: at ? [info.ny, info.nx] : shape,
    median: Number(answer.headers.get("X-Median")),
    mad: Number(answer.headers.get("X-Mad")),
    codeScale: info.codeScale,
    linearMads: info.linearMads,
  };
}

// A part of an image in its place; the rest is not known.
function placed(codes, [height, width], [left, top], { nx, ny }) {
  const all = new Uint16Array(nx * ny);
  for (let row = 0; row < height; row += 1) {
    all.set(codes.subarray(row * width, (row + 1) * width), (top + row) * nx + left);
  }
  return all;
}

// Flags of a frame, and which pixels have any.
export async function getFlags(path, info) {
  const buffer = await (await ask(path)).arrayBuffer();
  const wide = buffer.byteLength === 4 * info.nx * info.ny;
  const flags = wide ? new Uint32Array(buffer) : new Uint8Array(buffer);
  const flagged = [];
  for (let i = 0; i < flags.length; i += 1) if (flags[i]) flagged.push(i);
  return { flags, flagged };
}

// The pixels that the step would mask, as indices.
export async function getMask(path, body, size) {
  const bits = new Uint8Array(await (await post(path, body)).arrayBuffer());
  const masked = [];
  for (let i = 0; i < size; i += 1) if (bits[i >> 3] & (1 << (i & 7))) masked.push(i);
  return masked;
}
