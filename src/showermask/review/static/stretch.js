// @ts-check
// From the codes of a frame to colours. Pure functions.

// Control points of the colour maps: [position, red, green, blue].
const MAPS = {
  grey: [[0, 0, 0, 0], [1, 255, 255, 255]],
  viridis: [
    [0, 68, 1, 84], [0.13, 71, 44, 122], [0.25, 59, 81, 139], [0.38, 44, 113, 142],
    [0.5, 33, 144, 141], [0.63, 39, 173, 129], [0.75, 92, 200, 99], [0.88, 170, 220, 50],
    [1, 253, 231, 37],
  ],
  heat: [[0, 0, 0, 0], [0.35, 120, 20, 60], [0.65, 230, 90, 30], [0.87, 250, 200, 90], [1, 255, 255, 240]],
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

// Limits of a stretch: fixed ones, or the reference's median ± k MAD.
export function limits(stretch) {
  if (stretch.isFixed) return [stretch.low, stretch.high];
  const reach = stretch.k * stretch.reference.mad;
  return [stretch.reference.median - reach, stretch.reference.median + reach];
}

// Where a value lies between the limits, 0 to 1.
export function scaled(value, low, high, shape) {
  const t = Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  return shape === "asinh" ? Math.asinh(10 * t) / Math.asinh(10) : t;
}

// A colour for every code of a frame.
export function codeColours(frame, stretch, table) {
  const colours = new Uint32Array(65536);
  const [low, high] = limits(stretch);
  colours[0] = BLANK;
  for (let code = 1; code < 65536; code += 1) {
    colours[code] = table[Math.round(255 * scaled(decode(code, frame), low, high, stretch.shape))];
  }
  return colours;
}
