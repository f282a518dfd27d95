// @ts-check
// From the codes of a frame to colours. Pure functions.

// Control points of the colour maps: [position, red, green, blue]. Viridis and magma are those of
// Matplotlib (CC0), diverging that of ColorBrewer (RdBu).
const MAPS = {
  grey: [[0, 0, 0, 0], [1, 255, 255, 255]],
  viridis: [
    [0, 68, 1, 84], [0.13, 71, 44, 122], [0.25, 59, 81, 139], [0.38, 44, 113, 142],
    [0.5, 33, 144, 141], [0.63, 39, 173, 129], [0.75, 92, 200, 99], [0.88, 170, 220, 50],
    [1, 253, 231, 37],
  ],
  magma: [
    [0, 0, 0, 4], [0.13, 28, 16, 68], [0.25, 79, 18, 123], [0.38, 129, 37, 129], [0.5, 181, 54, 122],
    [0.63, 229, 80, 100], [0.75, 251, 135, 97], [0.88, 254, 194, 135], [1, 252, 253, 191],
  ],
  diverging: [
    [0, 5, 48, 97], [0.13, 33, 102, 172], [0.25, 67, 147, 195], [0.38, 146, 197, 222], [0.5, 247, 247, 247],
    [0.63, 244, 165, 130], [0.75, 214, 96, 77], [0.88, 178, 24, 43], [1, 103, 0, 31],
  ],
};

export const COLOUR_MAPS = Object.keys(MAPS);

const BLANK = 0xff5a5048; // slate, for NaN; RGBA in memory order on little-endian machines

function colourAt(map, t) {
  const points = MAPS[map];
  let upper = 1;
  while (upper < points.length - 1 && points[upper][0] < t) upper += 1;
  const [p0, ...c0] = points[upper - 1];
  const [p1, ...c1] = points[upper];
  const part = Math.min(1, Math.max(0, (t - p0) / (p1 - p0)));
  return c0.map((value, i) => Math.round(value + part * (c1[i] - value)));
}

// 256 colours as little-endian RGBA.
export function colourTable(map, inverted) {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i += 1) {
    const [red, green, blue] = colourAt(map, (inverted ? 255 - i : i) / 255);
    table[i] = (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
  }
  return table;
}

// The value that a code stands for.
export function decode(code, frame) {
  if (code === 0) return NaN;
  return frame.median + frame.linearMads * frame.mad * Math.sinh((code - 32768) / frame.codeScale);
}

// Limits of a stretch: fixed ones, or the reference's median + k MAD, and below it a part of that.
export function limits(stretch) {
  if (stretch.isFixed) return [stretch.low, stretch.high];
  const { reference, k, below = 1 } = stretch;
  const reach = k * reference.mad;
  return [reference.median - below * reach, reference.median + reach];
}

// How values go over into colours, 0 to 1 in both; DS9's formulas for log and asinh.
const SHAPES = {
  linear: (t) => t,
  sqrt: (t) => Math.sqrt(t),
  log: (t) => Math.log10(1000 * t + 1) / Math.log10(1001),
  asinh: (t) => Math.asinh(10 * t) / Math.asinh(10),
};

export const STRETCHES = Object.keys(SHAPES);

const within = (t) => Math.min(1, Math.max(0, t));

// Where a value lies in the colours, 0 to 1: between the limits, with the contrast and the bias that
// the right mouse button sets.
export function scaled(value, low, high, { shape = "linear", contrast = 1, bias = 0.5 } = {}) {
  const t = SHAPES[shape](within((value - low) / (high - low || 1)));
  return within((t - bias) * contrast + 0.5);
}

// A colour for every code of a frame.
export function codeColours(frame, stretch, table) {
  const colours = new Uint32Array(65536);
  const [low, high] = limits(stretch);
  colours[0] = BLANK;
  for (let code = 1; code < 65536; code += 1) {
    colours[code] = table[Math.round(255 * scaled(decode(code, frame), low, high, stretch))];
  }
  return colours;
}
