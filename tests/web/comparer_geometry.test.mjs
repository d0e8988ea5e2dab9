import assert from "node:assert/strict";
import test from "node:test";

import {
  cssPxPerUnit,
  devicePxPerSourcePx,
  faceToScreen,
  faceToSource,
  inverse,
  levelScale,
  levelUnit,
  mapped,
  pictureExtent,
  places,
  screenToFace,
  screenTransform,
  seenCorners,
  snapped,
  sourceToFace,
} from "../../web/comparer/geometry.js";

const RECT = { x: 40, y: 30, w: 400, h: 300 };
const LOCKS = ["face", "pixel", "level", "free"];
const PANELS = [
  { size: [4000, 3000], centre: [1800.25, 1400.5], unit: 310.5, turn: 0 },
  { size: [1024, 1024], centre: [500, 430], unit: 82.3, turn: 7.5 },
  { size: [8192, 6144], centre: [4100.125, 2900], unit: 1290, turn: -12.25 },
  { size: [600, 800], centre: [300, 250], unit: 61, turn: 90 },
];

function view(lock, more = {}) {
  const zoom = lock === "pixel" ? 1.75 : 260;
  return { lock, centre: [0.21, -0.13], zoom, mode: "grid", solo: null, divider: 0.5, pair: [0, 1], offsets: PANELS.map((_, i) => [0.01 * i, -0.02 * i]), revealed: false, ...more };
}

function near(one, other, most, what) {
  one.forEach((value, at) => assert.ok(Math.abs(value - other[at]) <= most, `${what ?? ""} ${one} is not ${other}`));
}

test("a point of the face comes back from the picture, in every panel", () => {
  for (const panel of PANELS) {
    for (const face of [[0, 0], [0.5, 0], [-1.7, 2.3], [1e-7, -40]]) near(sourceToFace(panel, faceToSource(panel, face)), face, 1e-9);
  }
});

test("a clockwise turn carries the face's right hand down in the picture", () => {
  const [x, y] = faceToSource({ size: [100, 100], centre: [50, 50], unit: 10, turn: 90 }, [1, 0]);
  assert.deepEqual([x, y], [50, 60]); // the y of a picture grows downwards
});

test("face, picture and screen agree in every lock, turned or not, on every display", () => {
  for (const lock of LOCKS) {
    for (const [dpr, cssScale] of [[1, 1], [2, 1], [1.25, 0.37]]) {
      PANELS.forEach((panel, index) => {
        const now = view(lock);
        const transform = screenTransform(panel, now, index, RECT, dpr, cssScale);
        for (const face of [[0, 0], [0.4, -0.9], [-3, 1.1]]) {
          const css = faceToScreen(panel, now, index, RECT, face, dpr, cssScale);
          near(screenToFace(panel, now, index, RECT, css, dpr, cssScale), face, 1e-9, lock);
          const device = mapped(transform, faceToSource(panel, face));
          near(device, css.map((value) => value * dpr * cssScale), 1e-6, lock);
          near(sourceToFace(panel, mapped(inverse(transform), device)), face, 1e-9, lock);
        }
      });
    }
  }
});

test("locked on the face, every panel shows the same part of the face", () => {
  for (const lock of ["face", "level"]) {
    for (const corner of [[RECT.x, RECT.y], [RECT.x + RECT.w, RECT.y + RECT.h], [111, 222]]) {
      const seen = PANELS.map((panel, index) => screenToFace(panel, view(lock), index, RECT, corner, 2, 0.5));
      for (const one of seen) near(one, seen[0], 1e-12);
    }
  }
});

test("locked on pixels, every panel enlarges alike around the same point of the face", () => {
  const now = view("pixel");
  PANELS.forEach((panel, index) => {
    const t = screenTransform(panel, now, index, RECT, 2, 0.5);
    assert.ok(Math.abs(Math.hypot(t.a, t.b) - 1.75) < 1e-12);
    near(mapped(t, faceToSource(panel, now.centre)), [RECT.x + RECT.w / 2, RECT.y + RECT.h / 2], 1e-9); // 2 * 0.5 device px per CSS px
    assert.equal(devicePxPerSourcePx(panel, now, 2, 0.5), 1.75);
  });
});

test("free panels lie beside the others by their offsets, and only they", () => {
  const [free, face] = [view("free"), view("face")];
  PANELS.forEach((panel, index) => {
    const [u, v] = screenToFace(panel, face, index, RECT, [240, 180]);
    near(screenToFace(panel, free, index, RECT, [240, 180]), [u + 0.01 * index, v - 0.02 * index], 1e-12);
  });
});

test("the face stands upright on the screen when a turned panel is shown", () => {
  PANELS.forEach((panel, index) => {
    const t = screenTransform(panel, view("face"), index, RECT);
    const [left, right] = [[-0.5, 0], [0.5, 0]].map((eye) => mapped(t, faceToSource(panel, eye)));
    assert.ok(Math.abs(left[1] - right[1]) < 1e-9 && right[0] > left[0]);
    assert.ok(Math.abs(right[0] - left[0] - 260) < 1e-9); // one unit at 260 CSS px each
  });
});

test("the printed ratio is the one that is drawn, whatever scales the element", () => {
  for (const lock of LOCKS) {
    for (const panel of PANELS) {
      const t = screenTransform(panel, view(lock), 0, RECT, 1.5, 0.8);
      assert.ok(Math.abs(devicePxPerSourcePx(panel, view(lock), 1.5, 0.8) - Math.hypot(t.a, t.b)) < 1e-12);
      const drawn = (cssPxPerUnit(panel, view(lock), 1.5, 0.8) * 1.5 * 0.8) / panel.unit;
      assert.ok(Math.abs(drawn - Math.hypot(t.a, t.b)) < 1e-9);
    }
  }
});

test("at a whole ratio source pixels lie on whole device pixels, at most half a pixel from where they were", () => {
  const panel = PANELS[0];
  const now = view("pixel", { zoom: 3 });
  const t = screenTransform(panel, now, 0, RECT);
  const s = snapped(t);
  assert.deepEqual([s.a, s.b, s.c, s.d], [3, 0, 0, 3]);
  assert.ok(Number.isInteger(s.e) && Number.isInteger(s.f));
  assert.ok(t.e % 1 !== 0 && Math.abs(s.e - t.e) <= 0.5 && Math.abs(s.f - t.f) <= 0.5);
});

test("nothing is moved where pixels cannot lie on pixels", () => {
  for (const [index, zoom] of [[0, 1.5], [0, 0.5], [1, 2]]) {
    const t = screenTransform(PANELS[index], view("pixel", { zoom }), index, RECT);
    assert.deepEqual(snapped(t), t);
  }
  const turned = screenTransform(PANELS[1], view("pixel", { zoom: 2 / Math.cos((7.5 * Math.PI) / 180) }), 1, RECT);
  assert.ok(Math.abs(turned.a - 2) < 1e-12);
  assert.deepEqual(snapped(turned), turned);
});

test("the locator's box has the corners of the panel", () => {
  PANELS.forEach((panel, index) => {
    const corners = seenCorners(panel, view("free"), index, RECT, 2, 0.5);
    const t = screenTransform(panel, view("free"), index, RECT, 2, 0.5);
    const device = [[40, 30], [440, 30], [440, 330], [40, 330]];
    corners.forEach((corner, at) => near(mapped(t, corner), device[at], 1e-7));
  });
});

test("the poorest panel has the fewest pixels on the face, and the others are reduced to it", () => {
  const payload = { panels: PANELS };
  assert.equal(levelUnit(payload), 61);
  assert.equal(levelScale(payload, PANELS[3]), 1);
  assert.equal(levelScale(payload, PANELS[2]), 61 / 1290);
});

test("a picture on its side is as wide as it was high", () => {
  assert.deepEqual(pictureExtent(PANELS[3]), [800 / 61, 600 / 61]);
});

test("places of panels are equal, apart, inside, and of the columns that show the region largest", () => {
  for (let count = 1; count <= 16; count++) {
    for (const [w, h] of [[900, 400], [400, 900], [701, 703]]) {
      const box = { x: 5, y: 7, w, h };
      const found = places(count, box, [2, 1], 3, 20);
      assert.equal(found.length, count);
      found.forEach((one, at) => {
        assert.ok(one.w === found[0].w && one.h === found[0].h && Number.isInteger(one.x + one.y + one.w + one.h));
        assert.ok(one.x >= 5 && one.y >= 7 && one.x + one.w <= 5 + w && one.y + one.h + 20 <= 7 + h);
        for (const other of found.slice(0, at)) {
          assert.ok(one.x >= other.x + other.w + 3 || one.y >= other.y + other.h + 20 + 3, `${count} in ${w}x${h}`);
        }
      });
    }
  }
  assert.deepEqual(new Set(places(2, { x: 0, y: 0, w: 600, h: 300 }, [1, 1]).map(({ y }) => y)).size, 1);
  assert.deepEqual(new Set(places(2, { x: 0, y: 0, w: 600, h: 300 }, [4, 1]).map(({ x }) => x)).size, 1);
});
