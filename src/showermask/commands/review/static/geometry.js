// @ts-check
// Pure functions: ellipses on the pixel grid, and the view of it on the screen.
//
// Image coordinates are the region file's: x columns, y rows upward, zero-based, pixel centres at
// integers. Screen coordinates are CSS pixels from the top left of the viewport, y downward.
// An ellipse is {x, y, a, b, theta}; a view is {scale, left, top, ny}: `scale` screen pixels for one
// image pixel, `left` and `top` where the upper left corner of the image is.

export const MIN_AXIS = 0.5;
export const MIN_SCALE = 0.05;
export const MAX_SCALE = 64;

export function toScreen(view, x, y) {
  return [view.left + (x + 0.5) * view.scale, view.top + (view.ny - 0.5 - y) * view.scale];
}

export function toImage(view, sx, sy) {
  return [(sx - view.left) / view.scale - 0.5, view.ny - 0.5 - (sy - view.top) / view.scale];
}

// The view in which the whole frame is in the middle of the viewport.
export function fitView(nx, ny, width, height) {
  const scale = Math.min(width / nx, height / ny);
  return { scale, left: (width - nx * scale) / 2, top: (height - ny * scale) / 2, ny };
}

// Zoom so that what is under the cursor stays there.
export function zoomAt(view, factor, sx, sy) {
  const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, view.scale * factor));
  const ratio = scale / view.scale;
  return { ...view, scale, left: sx - (sx - view.left) * ratio, top: sy - (sy - view.top) * ratio };
}

export function panBy(view, dx, dy) {
  return { ...view, left: view.left + dx, top: view.top + dy };
}

// Centre an image position in the viewport, at the scale of the view.
export function centreOn(view, x, y, width, height) {
  const [sx, sy] = toScreen(view, x, y);
  return panBy(view, width / 2 - sx, height / 2 - sy);
}

// The view that shows a square of so many pixels around a place.
export function boxView(ny, x, y, size, width, height) {
  const scale = Math.min(MAX_SCALE, Math.min(width, height) / size);
  return centreOn({ scale, left: 0, top: 0, ny }, x, y, width, height);
}

export function normaliseAngle(theta) {
  const turned = theta % 360;
  return turned < 0 ? turned + 360 : turned;
}

function direction(ellipse) {
  const angle = ellipse.theta * (Math.PI / 180);
  return [Math.cos(angle), Math.sin(angle)];
}

// Ends of the two axes, and a point beyond the a axis by `reach` image pixels to turn it with.
export function handles(ellipse, reach) {
  const [cos, sin] = direction(ellipse);
  const { x, y, a, b } = ellipse;
  return {
    a: [x + a * cos, y + a * sin],
    b: [x - b * sin, y + b * cos],
    rotate: [x + (a + reach) * cos, y + (a + reach) * sin],
  };
}

export function moveTo(ellipse, x, y) {
  return { ...ellipse, x, y };
}

export function resizeA(ellipse, x, y) {
  const [cos, sin] = direction(ellipse);
  const along = (x - ellipse.x) * cos + (y - ellipse.y) * sin;
  return { ...ellipse, a: Math.max(MIN_AXIS, Math.abs(along)) };
}

export function resizeB(ellipse, x, y) {
  const [cos, sin] = direction(ellipse);
  const along = -(x - ellipse.x) * sin + (y - ellipse.y) * cos;
  return { ...ellipse, b: Math.max(MIN_AXIS, Math.abs(along)) };
}

export function rotateTo(ellipse, x, y) {
  const angle = Math.atan2(y - ellipse.y, x - ellipse.x) * (180 / Math.PI);
  return { ...ellipse, theta: normaliseAngle(angle) };
}

// Whether a position is inside or on the ellipse: the arithmetic of the mask itself.
export function contains(ellipse, x, y) {
  const [cos, sin] = direction(ellipse);
  const dx = x - ellipse.x;
  const dy = y - ellipse.y;
  const alongA = (dx * cos + dy * sin) / ellipse.a;
  const alongB = (-(dx * sin) + dy * cos) / ellipse.b;
  return alongA * alongA + alongB * alongB <= 1;
}

// The pixels of a frame whose centres are inside or on the ellipse, as [x, y] in order of rows.
export function pixelsInside(ellipse, nx, ny) {
  const [cos, sin] = direction(ellipse);
  const halfWidth = Math.hypot(ellipse.a * cos, ellipse.b * sin);
  const halfHeight = Math.hypot(ellipse.a * sin, ellipse.b * cos);
  const from = (centre, half) => Math.max(0, Math.floor(centre - half));
  const to = (centre, half, size) => Math.min(size - 1, Math.ceil(centre + half));
  const found = [];
  for (let y = from(ellipse.y, halfHeight); y <= to(ellipse.y, halfHeight, ny); y += 1) {
    for (let x = from(ellipse.x, halfWidth); x <= to(ellipse.x, halfWidth, nx); x += 1) {
      if (contains(ellipse, x, y)) found.push([x, y]);
    }
  }
  return found;
}

// Round to what the region file and the number fields show.
export function tidy(ellipse) {
  const tenth = (value) => Math.round(value * 10) / 10;
  return {
    ...ellipse,
    x: tenth(ellipse.x),
    y: tenth(ellipse.y),
    a: Math.max(MIN_AXIS, tenth(ellipse.a)),
    b: Math.max(MIN_AXIS, tenth(ellipse.b)),
    theta: normaliseAngle(tenth(ellipse.theta)),
  };
}

// Whether a position is inside a polygon (even-odd rule).
export function isInPolygon(vertices, x, y) {
  let isInside = false;
  vertices.forEach(([x1, y1], i) => {
    const [x0, y0] = vertices.at(i - 1);
    if ((y0 > y) !== (y1 > y) && x < x0 + ((y - y0) * (x1 - x0)) / (y1 - y0)) isInside = !isInside;
  });
  return isInside;
}

function distanceToLine([x, y], [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = Math.hypot(dx, dy);
  if (length === 0) return Math.hypot(x - x0, y - y0);
  return Math.abs((x - x0) * dy - (y - y0) * dx) / length;
}

// The corners of a line drawn by hand: those from which it departs by more than a tolerance (Douglas
// and Peucker 1973).
export function simplified(points, tolerance) {
  if (points.length < 3) return points;
  const [first, last] = [points[0], points.at(-1)];
  const distances = points.map((point) => distanceToLine(point, first, last));
  const farthest = distances.indexOf(Math.max(...distances));
  if (distances[farthest] <= tolerance) return [first, last];
  return [
    ...simplified(points.slice(0, farthest + 1), tolerance).slice(0, -1),
    ...simplified(points.slice(farthest), tolerance),
  ];
}
