// The geometry of the review page: by itself, and against masks of the Python core.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const source = new URL("../../src/showermask/commands/review/static/geometry.js", import.meta.url);
const geometry = await import(source);

const ELLIPSE = { x: 40, y: 30, a: 20, b: 8, theta: 25 };
const VIEW = { scale: 2.5, left: 13, top: -40, ny: 100 };

const near = (actual, expected, slack = 1e-9) =>
  actual.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) <= slack, `${actual} is not ${expected}`));

test("screen and image coordinates are inverse, y upward", () => {
  near(geometry.toImage(VIEW, ...geometry.toScreen(VIEW, 12.25, 70.5)), [12.25, 70.5]);
  assert.ok(geometry.toScreen(VIEW, 0, 10)[1] < geometry.toScreen(VIEW, 0, 9)[1]);
});

test("pixel (0, 0) of a fitted frame spans from the lower left corner", () => {
  const view = geometry.fitView(100, 50, 400, 200);
  near(geometry.toScreen(view, -0.5, -0.5), [0, 200]);
  near(geometry.toScreen(view, 99.5, 49.5), [400, 0]);
});

test("zooming keeps what is under the cursor", () => {
  for (const factor of [0.01, 0.5, 1.7, 1000]) {
    const before = geometry.toImage(VIEW, 200, 120);
    near(geometry.toImage(geometry.zoomAt(VIEW, factor, 200, 120), 200, 120), before, 1e-6);
  }
});

test("zoom is bounded", () => {
  assert.equal(geometry.zoomAt(VIEW, 1e9, 0, 0).scale, geometry.MAX_SCALE);
  assert.equal(geometry.zoomAt(VIEW, 1e-9, 0, 0).scale, geometry.MIN_SCALE);
});

test("handles lie on the ellipse, and dragging them nowhere changes nothing", () => {
  const { a, b, rotate } = geometry.handles(ELLIPSE, 5);
  const inner = { ...ELLIPSE, a: ELLIPSE.a * (1 - 1e-9), b: ELLIPSE.b * (1 - 1e-9) };
  const outer = { ...ELLIPSE, a: ELLIPSE.a * (1 + 1e-9), b: ELLIPSE.b * (1 + 1e-9) };
  for (const end of [a, b]) {
    assert.ok(!geometry.contains(inner, ...end));
    assert.ok(geometry.contains(outer, ...end));
  }
  assert.ok(Math.abs(geometry.resizeA(ELLIPSE, ...a).a - ELLIPSE.a) < 1e-9);
  assert.ok(Math.abs(geometry.resizeB(ELLIPSE, ...b).b - ELLIPSE.b) < 1e-9);
  assert.ok(Math.abs(geometry.rotateTo(ELLIPSE, ...rotate).theta - ELLIPSE.theta) < 1e-9);
});

test("rotation goes all the way round", () => {
  for (let theta = 0; theta < 360; theta += 15) {
    const angle = (theta * Math.PI) / 180;
    const turned = geometry.rotateTo(ELLIPSE, ELLIPSE.x + 50 * Math.cos(angle), ELLIPSE.y + 50 * Math.sin(angle));
    assert.ok(Math.abs(turned.theta - theta) < 1e-9, `${turned.theta} is not ${theta}`);
  }
});

test("resizing one axis leaves everything else, and no axis vanishes", () => {
  const resized = geometry.resizeA(ELLIPSE, 100, 90);
  assert.deepEqual({ ...resized, a: ELLIPSE.a }, ELLIPSE);
  assert.equal(geometry.resizeB(ELLIPSE, ELLIPSE.x, ELLIPSE.y).b, geometry.MIN_AXIS);
});

test("angles are normalised to 0 … 360", () => {
  for (const [theta, expected] of [[-45, 315], [360, 0], [725, 5], [0, 0]]) {
    assert.equal(geometry.normaliseAngle(theta), expected);
  }
});

test("the same pixels as the Python core", (context) => {
  const path = process.env.SHOWERMASK_ELLIPSES;
  if (!path) {
    context.skip("run by pytest, which writes the ellipses");
    return;
  }
  const { nx, ny, ellipses } = JSON.parse(readFileSync(path, "utf8"));
  assert.equal(ellipses.length, 1000);
  for (const { ellipse, pixels } of ellipses) {
    const found = geometry.pixelsInside(ellipse, nx, ny).map(([x, y]) => y * nx + x);
    assert.deepEqual(found, pixels, JSON.stringify(ellipse));
  }
});

test("a polygon holds what is inside, by the even-odd rule", () => {
  const arrow = [[0, 0], [10, 0], [10, 10], [5, 3], [0, 10]];
  for (const [x, y, isInside] of [[5, 1, true], [5, 6, false], [1, 7, true], [9.5, 8, true], [11, 5, false], [-1, 0, false]]) {
    assert.equal(geometry.isInPolygon(arrow, x, y), isInside, `${x}, ${y}`);
  }
});

test("a line drawn by hand keeps its corners, and misses no point by more than the tolerance", () => {
  const drawn = [];
  for (let i = 0; i <= 200; i += 1) {
    const angle = (2 * Math.PI * i) / 200;
    drawn.push([100 + 40 * Math.cos(angle) + 0.3 * Math.sin(40 * angle), 80 + 25 * Math.sin(angle)]);
  }
  const corners = geometry.simplified(drawn, 1.5);
  assert.ok(corners.length >= 8 && corners.length < 40, `${corners.length} corners`);
  const distance = ([x, y], [x0, y0], [x1, y1]) => {
    const [dx, dy] = [x1 - x0, y1 - y0];
    const part = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)));
    return Math.hypot(x - x0 - part * dx, y - y0 - part * dy);
  };
  for (const point of drawn) {
    const nearest = Math.min(...corners.slice(1).map((corner, i) => distance(point, corners[i], corner)));
    assert.ok(nearest <= 1.5 + 1e-9, `${point} is ${nearest} away`);
  }
  assert.deepEqual(geometry.simplified([[0, 0], [5, 0.1], [10, 0]], 1), [[0, 0], [10, 0]]);
});
