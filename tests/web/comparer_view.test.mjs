import assert from "node:assert/strict";
import test from "node:test";

import { faceToScreen, middle, screenToFace } from "../../web/comparer/geometry.js";
import {
  apply,
  carried,
  clampCentre,
  cycleLock,
  defaultView,
  fit,
  isOurKey,
  keyAction,
  labelOf,
  limited,
  nextRatio,
  nudge,
  pan,
  ratioOf,
  refusal,
  rejoin,
  reveal,
  sanitise,
  setDivider,
  setLock,
  setMode,
  setPair,
  shownPanels,
  solo,
  wheelAction,
  zoomAt,
  zoomLimits,
  zoomTo,
} from "../../web/comparer/view.js";

const RECT = { x: 410, y: 8, w: 400, h: 300 };
const LOCKS = ["face", "pixel", "level", "free"];

function panel(size, centre, unit, turn = 0, label = "A") {
  return { label, subline: "", name: label, size, centre, unit, turn, px_per_mm: null, levels: [] };
}

function payload(more = {}) {
  return {
    version: 1,
    sha: "one",
    region: "eyes",
    shape: [1.6, 0.8],
    mm_measured: false,
    panels: [panel([4000, 3000], [1800, 1400], 310), panel([1024, 1024], [500, 430], 82, 7.5), panel([6000, 8000], [3000, 3100], 1290, -12)],
    blind: false,
    registered: [null, { ncc: 0.97, reason: null }, { ncc: 0.4, reason: "not registered: NCC 0.40" }],
    ...more,
  };
}

function context(more = {}) {
  return { payload: payload(), rect: RECT, dpr: 2, cssScale: 0.75, ...more };
}

/** A view in a lock, off the middle, with free offsets. */
function viewIn(lock, more = {}) {
  const first = { ...defaultView(payload(), RECT), centre: [0.2, -0.1], offsets: [[0.05, 0.02], [-0.1, 0], [0.3, 0.1]] };
  return { ...setLock(first, lock, context()), ...more };
}

function near(one, other, most) {
  one.forEach((value, at) => assert.ok(Math.abs(value - other[at]) <= most, `${one} is not ${other}`));
}

function frozen(value) {
  if (value !== null && typeof value === "object") Object.values(value).forEach(frozen);
  return Object.freeze(value);
}

test("the first view fits the region into the panel, whichever way it is longer", () => {
  assert.equal(defaultView(payload(), { x: 0, y: 0, w: 400, h: 300 }).zoom, 250); // 1.6 units in 400 px
  assert.equal(defaultView(payload(), { x: 0, y: 0, w: 400, h: 100 }).zoom, 125); // 0.8 units in 100 px
});

test("a dragged picture follows the pointer exactly", () => {
  for (const lock of LOCKS) {
    for (const hovered of [0, 1, 2]) {
      const ctx = context({ hovered });
      const before = viewIn(lock);
      const face = screenToFace(ctx.payload.panels[hovered], before, hovered, RECT, [500, 100], 2, 0.75);
      const after = pan(before, 13, -7, ctx);
      near(faceToScreen(ctx.payload.panels[hovered], after, hovered, RECT, face, 2, 0.75), [513, 93], 1e-9);
    }
  }
});

test("zooming keeps the face point under the cursor, in every lock and panel", () => {
  for (const lock of LOCKS) {
    for (const hovered of [0, 1, 2]) {
      for (const factor of [1.22, 0.8, 2]) {
        const ctx = context({ hovered, point: [530, 210] });
        const before = viewIn(lock);
        const one = ctx.payload.panels[hovered];
        const face = screenToFace(one, before, hovered, RECT, ctx.point, 2, 0.75);
        const after = zoomAt(before, factor, ctx);
        assert.ok(Math.abs(after.zoom / before.zoom - factor) < 1e-12);
        near(faceToScreen(one, after, hovered, RECT, face, 2, 0.75), ctx.point, 1e-6);
      }
    }
  }
});

test("a hundred notches in and out end where they began", () => {
  const ctx = context({ hovered: 1, point: [700, 60] });
  const before = viewIn("face");
  let view = before;
  for (let i = 0; i < 3; i++) view = zoomAt(view, 1.22, ctx);
  for (let i = 0; i < 3; i++) view = zoomAt(view, 1 / 1.22, ctx);
  near([...view.centre, view.zoom], [...before.centre, before.zoom], 1e-9);
});

test("without a cursor, zooming keeps the middle", () => {
  assert.deepEqual(zoomAt(viewIn("face"), 2, context()).centre, [0.2, -0.1]);
});

test("Z shows the hovered panel at 1:1, 2:1, 4:1 of the display's pixels and again", () => {
  for (const lock of LOCKS) {
    for (const hovered of [0, 1, 2]) {
      const ctx = context({ hovered });
      let view = viewIn(lock);
      for (const ratio of [1, 2, 4, 1]) {
        view = apply(view, "ratio", ctx);
        assert.ok(Math.abs(ratioOf(view, ctx) - ratio) < 1e-9, `${lock} ${hovered} ${ratio}`);
      }
    }
  }
  assert.equal(nextRatio(3), 1);
});

test("whole pictures shrink to a third of the panel and no further", () => {
  const one = payload({ panels: [panel([3000, 1500], [1500, 700], 300)], registered: [null] });
  for (const lock of ["face", "pixel"]) {
    const ctx = { payload: one, rect: { x: 0, y: 0, w: 600, h: 600 }, dpr: 2, cssScale: 1 };
    const view = zoomAt(setLock(defaultView(one, ctx.rect), lock, ctx), 1e-9, ctx);
    assert.ok(Math.abs(ratioOf(view, ctx) * 3000 - 400) < 1e-9); // a third of 1200 device px
  }
});

test("no zoom goes beyond 64 device pixels for each pixel of the richest picture", () => {
  for (const lock of LOCKS) {
    const ctx = context({ hovered: 2 });
    const view = zoomAt(viewIn(lock), 1e12, ctx);
    assert.ok(Math.abs(ratioOf(view, ctx) - 64) < 1e-9, lock);
  }
});

test("1:1 and the region are in reach, however small or poor a picture is", () => {
  const tiny = payload({ panels: [panel([40, 30], [20, 15], 4), panel([9000, 9000], [4500, 4500], 2500)], registered: [null, null] });
  for (const lock of LOCKS) {
    for (const hovered of [0, 1]) {
      const ctx = { payload: tiny, rect: RECT, dpr: 1, cssScale: 1, hovered };
      const view = setLock(defaultView(tiny, RECT), lock, ctx);
      assert.ok(Math.abs(ratioOf(zoomTo(view, 1, ctx), ctx) - 1) < 1e-9, `${lock} ${hovered}`);
      const { least, most } = zoomLimits(view, ctx);
      const fitted = fit(view, ctx).zoom;
      assert.ok(least <= fitted && fitted <= most, `${lock}: ${least} ${fitted} ${most}`);
    }
  }
});

test("a region larger than its picture, or smaller than a pixel of it, fits", () => {
  for (const shape of [[30, 20], [0.01, 0.01]]) {
    const odd = payload({ shape, panels: [panel([40, 30], [20, 15], 40)], registered: [null] });
    for (const lock of LOCKS) {
      const ctx = { payload: odd, rect: RECT, dpr: 2, cssScale: 1 };
      const view = fit(setLock(defaultView(odd, RECT), lock, ctx), ctx);
      assert.deepEqual(limited(view, ctx), view, lock);
    }
  }
});

test("a zoom that is no number changes nothing", () => {
  const view = viewIn("face");
  assert.equal(zoomAt(view, NaN, context()), view);
});

test("nobody pans out of the pictures", () => {
  for (const lock of LOCKS) {
    for (const only of [null, 1]) {
      const ctx = context();
      const view = pan(viewIn(lock, { solo: only }), -1e6, 4e5, ctx);
      const inside = ctx.payload.panels.some((one, index) => {
        if (only !== null && index !== only) return false;
        const [u, v] = middle(view, index);
        const [c, s] = [Math.cos((one.turn * Math.PI) / 180), Math.sin((one.turn * Math.PI) / 180)];
        const [x, y] = [one.centre[0] + one.unit * (u * c - v * s), one.centre[1] + one.unit * (u * s + v * c)];
        return x > -1e-6 && y > -1e-6 && x < one.size[0] + 1e-6 && y < one.size[1] + 1e-6;
      });
      assert.ok(inside, `${lock} ${only}`);
    }
  }
});

test("a middle outside all pictures moves to the nearest border", () => {
  const two = payload({ panels: [panel([400, 100], [200, 50], 10), panel([100, 400], [50, 200], 10)], registered: [null, null] });
  // a cross of 40 x 10 and 10 x 40 units
  const clamped = (centre, more) => clampCentre({ ...defaultView(two, RECT), centre, ...more }, context({ payload: two })).centre;
  near(clamped([6, 19]), [5, 19], 1e-12);
  near(clamped([19, 6]), [19, 5], 1e-12);
  near(clamped([30, 4]), [20, 4], 1e-12);
  near(clamped([-4, -30]), [-4, -20], 1e-12);
  near(clamped([19, 6], { solo: 1 }), [5, 6], 1e-12);
});

test("a middle inside a picture is not moved", () => {
  const view = viewIn("free");
  assert.equal(clampCentre(view, context()), view);
});

test("a stored zoom out of the limits is brought back into them", () => {
  const ctx = context();
  for (const zoom of [1e-6, 1e9]) {
    const { least, most } = zoomLimits(viewIn("face"), ctx);
    const made = limited(viewIn("face", { zoom }), ctx);
    assert.equal(made.zoom, zoom < 1 ? least : most);
  }
});

test("a change of lock keeps what the first panel shows, from every lock to every other", () => {
  for (const from of LOCKS) {
    for (const to of LOCKS) {
      const ctx = context();
      const [before, after] = [viewIn(from), setLock(viewIn(from), to, ctx)];
      assert.equal(after.lock, to);
      for (const corner of [[RECT.x, RECT.y], [RECT.x + RECT.w, RECT.y + RECT.h], [600, 100]]) {
        const seen = [before, after].map((view) => screenToFace(ctx.payload.panels[0], view, 0, RECT, corner, 2, 0.75));
        near(seen[1], seen[0], 1e-12);
      }
      near([...setLock(after, from, ctx).centre, setLock(after, from, ctx).zoom], [...before.centre, before.zoom], 1e-9);
    }
  }
});

test("L goes through every lock and comes back", () => {
  const seen = [];
  let view = viewIn("face");
  for (let i = 0; i < 4; i++) seen.push((view = cycleLock(view, context())).lock);
  assert.deepEqual(seen, ["pixel", "level", "free", "face"]);
});

test("offsets wait while the lock is another, and can be taken back", () => {
  const view = setLock(setLock(viewIn("free"), "face", context()), "free", context());
  assert.deepEqual(view.offsets, viewIn("free").offsets);
  assert.deepEqual(rejoin(view).offsets, [[0, 0], [0, 0], [0, 0]]);
});

test("a nudge moves one picture by one of its own pixels, in the arrow's direction", () => {
  for (const hovered of [0, 1, 2]) {
    const ctx = context({ hovered });
    const before = viewIn("free");
    for (const [key, dx, dy] of [["ArrowRight", 1, 0], ["ArrowLeft", -1, 0], ["ArrowUp", 0, -1], ["ArrowDown", 0, 1]]) {
      for (const shiftKey of [false, true]) {
        const after = apply(before, keyAction({ key, shiftKey }), ctx);
        const ratio = (ratioOf(before, ctx) * (shiftKey ? 10 : 1)) / (2 * 0.75);
        ctx.payload.panels.forEach((one, index) => {
          const [x, y] = faceToScreen(one, before, index, RECT, [0, 0]);
          const moved = index === hovered ? [x + dx * ratio, y + dy * ratio] : [x, y];
          near(faceToScreen(one, after, index, RECT, [0, 0]), moved, 1e-9);
        });
      }
    }
  }
});

test("a locked picture cannot be nudged away from the others", () => {
  for (const lock of ["face", "pixel", "level"]) {
    const view = viewIn(lock);
    assert.equal(nudge(view, 1, 1, context()), view);
  }
});

test("dragged alone, a free picture leaves the others where they are", () => {
  const ctx = context({ hovered: 1 });
  const before = viewIn("free");
  const after = pan(before, 20, 10, ctx, true);
  ctx.payload.panels.forEach((one, index) => {
    const [x, y] = faceToScreen(one, before, index, RECT, [0, 0], 2, 0.75);
    near(faceToScreen(one, after, index, RECT, [0, 0], 2, 0.75), index === 1 ? [x + 20, y + 10] : [x, y], 1e-9);
  });
  assert.deepEqual(pan(viewIn("face"), 20, 10, ctx, true).offsets, before.offsets);
});

test("arrows move the view over the face, farther with Shift", () => {
  const view = viewIn("face");
  const step = (key, shiftKey) => apply(view, keyAction({ key, shiftKey }), context()).centre;
  near(step("ArrowRight"), [0.2 + 40 / 250, -0.1], 1e-12);
  near(step("ArrowUp"), [0.2, -0.1 - 30 / 250], 1e-12);
  near(step("ArrowLeft", true), [0.2 - 200 / 250, -0.1], 1e-12);
});

test("0 fits the region again and keeps the lock", () => {
  for (const lock of LOCKS) {
    const ctx = context();
    const view = apply(viewIn(lock), "fit", ctx);
    assert.equal(view.lock, lock);
    assert.deepEqual(view.centre, [0, 0]);
    const richest = { ...ctx, hovered: 2 };
    assert.ok(Math.abs(ratioOf(view, richest) - (250 * 2 * 0.75) / 1290) < 1e-12);
  }
});

test("two panels can be parted by a divider, one cannot", () => {
  const alone = payload({ panels: payload().panels.slice(0, 1), registered: [null] });
  for (const mode of ["divider", "flicker", "difference"]) {
    const view = defaultView(alone, RECT);
    const made = setMode(view, mode, alone);
    assert.equal(made.view, view);
    assert.match(made.reason, /needs two panels/);
  }
  assert.equal(setMode(viewIn("face"), "divider", payload()).view.mode, "divider");
});

test("a difference is shown of registered panels, and of others is said why not", () => {
  assert.deepEqual(setMode(viewIn("face"), "difference", payload(), 1).view.pair, [0, 1]);
  const refused = setMode(viewIn("face"), "difference", payload(), 2);
  assert.equal(refused.reason, "not registered: NCC 0.40");
  assert.equal(refused.view.mode, "grid");
});

test("where no panel is named, the difference is of the first that is registered", () => {
  const other = payload({ registered: [null, { ncc: 0.4, reason: "no" }, { ncc: 0.95, reason: null }] });
  assert.deepEqual(setMode(viewIn("face"), "difference", other).view.pair, [0, 2]);
});

test("a difference is never shown on a correlation of 0.9 or less, or of none, whatever the reason says", () => {
  for (const found of [null, { ncc: 0.9, reason: null }, { ncc: null, reason: null }, { ncc: 0.99, reason: "not now" }]) {
    const none = payload({ registered: [null, found, found] });
    const made = setMode(viewIn("face"), "difference", none, 1);
    assert.equal(made.view.mode, "grid");
    assert.ok(made.reason);
    assert.equal(refusal(viewIn("face"), "difference", context({ payload: none })), setMode(viewIn("face"), "difference", none).reason);
  }
});

test("D shows the difference and takes it away", () => {
  const ctx = context({ hovered: 1 });
  const on = apply(viewIn("face"), "difference", ctx);
  assert.equal(on.mode, "difference");
  assert.equal(apply(on, "difference", ctx).mode, "grid");
});

test("a pair is of two panels that exist, and in a difference the first is one of them", () => {
  const view = viewIn("face");
  assert.deepEqual(setPair(view, 2, 0, payload()).view.pair, [2, 0]);
  for (const [i, j] of [[1, 1], [0, 3], [-1, 0], [0.5, 1]]) assert.equal(setPair(view, i, j, payload()).view, view);
  const difference = { ...view, mode: "difference" };
  assert.equal(setPair(difference, 0, 1, payload()).reason, null);
  assert.ok(setPair(difference, 1, 0, payload()).reason);
  assert.equal(setPair(difference, 0, 2, payload()).reason, "not registered: NCC 0.40");
});

test("a number shows one panel, the same number all", () => {
  const ctx = context();
  const one = apply(viewIn("face", { mode: "divider" }), keyAction({ key: "3" }), ctx);
  assert.deepEqual(shownPanels(one, ctx.payload), [2]);
  assert.deepEqual(shownPanels(apply(one, keyAction({ key: "3" }), ctx), ctx.payload), [0, 1, 2]);
  assert.equal(apply(one, "solo 9", ctx), one);
  assert.equal(refusal(one, "solo 9", ctx), "There are 3 panels.");
});

test("held Space shows the panel that was looked at before", () => {
  const all = payload();
  let view = solo(solo(viewIn("face"), 0, all), 2, all);
  assert.deepEqual(shownPanels(view, all), [2]);
  assert.deepEqual(shownPanels(view, all, { held: true }), [0]);
  view = solo(view, 1, all);
  assert.deepEqual(shownPanels(view, all, { held: true }), [2]);
});

test("held Space shows another panel in the place of the hovered one", () => {
  const view = viewIn("face", { pair: [0, 1] });
  assert.deepEqual(shownPanels(view, payload(), { held: true, hovered: 2 }), [0, 1, 1]);
  assert.deepEqual(shownPanels(view, payload(), { held: true, hovered: 1 }), [0, 0, 2]);
  assert.deepEqual(shownPanels(view, payload(), { held: true, hovered: 0 }), [1, 1, 2]);
});

test("a flicker shows its two panels in turn, a divider both", () => {
  const view = viewIn("face", { pair: [0, 2], mode: "flicker" });
  assert.deepEqual([false, true].map((held) => shownPanels(view, payload(), { held })), [[0], [2]]);
  assert.deepEqual(shownPanels({ ...view, mode: "divider" }, payload()), [0, 2]);
});

test("the divider stays between the borders", () => {
  const view = viewIn("face");
  assert.deepEqual([-1, 0.3, 7].map((share) => setDivider(view, share).divider), [0, 0.3, 1]);
  assert.equal(setDivider(view, NaN), view);
});

test("names of a blind comparison are hidden until they are revealed, and can be hidden again", () => {
  const blind = payload({ blind: true });
  Object.assign(blind.panels[1], { label: "B", name: "Recraft" });
  const ctx = context({ payload: blind });
  const view = viewIn("face");
  assert.equal(labelOf(view, blind, 1), "B");
  const shown = apply(view, keyAction({ key: "r" }), ctx);
  assert.equal(labelOf(shown, blind, 1), "B: Recraft");
  assert.equal(labelOf(apply(shown, keyAction({ key: "b" }), ctx), blind, 1), "B");
});

test("a comparison that is not blind says so", () => {
  const view = viewIn("face");
  for (const action of ["blind", "reveal"]) {
    assert.match(refusal(view, action, context()), /not blind/);
    assert.equal(apply(view, action, context()), view);
    assert.equal(refusal(view, action, context({ payload: payload({ blind: true }) })), null);
  }
});

test("keys have the meaning that the help says", () => {
  const said = { ArrowLeft: "left", ArrowUp: "up", "+": "zoom in", "=": "zoom in", "-": "zoom out", 0: "fit", z: "ratio", Z: "ratio", 1: "solo 1", 9: "solo 9", " ": "flicker", l: "lock", d: "difference", b: "blind", r: "reveal", s: "save", "?": "help" };
  for (const [key, action] of Object.entries(said)) assert.equal(keyAction({ key }), action, key);
});

test("the host's and the browser's keys are left to them", () => {
  for (const held of ["ctrlKey", "metaKey", "altKey", "isComposing"]) assert.equal(keyAction({ key: "s", [held]: true }), null);
  for (const key of ["q", "Enter", "Tab", "Escape", "F1", "constructor", "toString", undefined]) assert.equal(keyAction({ key }), null);
});

test("letters of another script and digits that need Shift count by their place", () => {
  assert.equal(keyAction({ key: "\u044f", code: "KeyZ" }), "ratio"); // Russian
  assert.equal(keyAction({ key: "\u00e9", code: "Digit2" }), "solo 2"); // French
  assert.equal(keyAction({ key: "\u00e0", code: "Digit0" }), "fit");
  assert.equal(keyAction({ key: "w", code: "KeyZ" }), null); // a Latin letter is what it says
  assert.equal(keyAction({ key: "!", code: "Digit1", shiftKey: true }), null);
});

test("a key held down repeats pans and zooms, and nothing that toggles", () => {
  assert.equal(keyAction({ key: "ArrowLeft", repeat: true }), "left");
  for (const key of ["l", "d", " ", "1", "z"]) {
    assert.equal(keyAction({ key, repeat: true }), null);
    assert.ok(isOurKey({ key, repeat: true })); // still not the host's
  }
  assert.ok(!isOurKey({ key: "q" }));
});

test("a flicker ends when Space is let go, whatever else is held", () => {
  assert.equal(keyAction({ key: " ", type: "keyup", ctrlKey: true }), "flicker end");
  assert.equal(keyAction({ key: "l", type: "keyup" }), null);
});

test("an action that is none leaves the view", () => {
  const view = viewIn("face");
  for (const action of ["save", "help", "flicker", "flicker end", "", "toString"]) assert.equal(apply(view, action, context()), view);
});

test("the wheel is the canvas's until the viewer has the focus", () => {
  assert.equal(wheelAction({ deltaY: 100 }, false), null);
  assert.equal(wheelAction({ deltaY: 3, ctrlKey: true }, false), null);
});

test("a wheel turned away zooms in, and lines and pages count as pixels do", () => {
  const [px, lines] = [wheelAction({ deltaY: -96 }, true), wheelAction({ deltaY: -6, deltaMode: 1 }, true)];
  assert.ok(px > 1 && Math.abs(px - lines) < 1e-12);
  assert.ok(Math.abs(wheelAction({ deltaY: 96 }, true) * px - 1) < 1e-12);
  assert.ok(Math.abs(wheelAction({ deltaY: 0.5, deltaMode: 2 }, true) - wheelAction({ deltaY: 200 }, true)) < 1e-12);
});

test("a pinch is felt though its steps are small, and one event is never a leap", () => {
  assert.ok(wheelAction({ deltaY: -4, ctrlKey: true }, true) > wheelAction({ deltaY: -4 }, true));
  for (const deltaY of [-1e6, 1e6]) {
    const factor = wheelAction({ deltaY, ctrlKey: true }, true);
    assert.equal(factor, deltaY < 0 ? 2 : 0.5);
  }
});

test("a sideways wheel is taken and does nothing", () => {
  assert.equal(wheelAction({ deltaX: 30, deltaY: 2 }, true), 1);
  assert.equal(wheelAction({ deltaY: NaN }, true), 1);
});

test("a stored view comes back as it was", () => {
  for (const lock of LOCKS) {
    for (const more of [{ solo: 2 }, { mode: "divider", divider: 0.25, pair: [2, 1] }, { mode: "difference", pair: [0, 1] }, { revealed: true }]) {
      const view = viewIn(lock, more);
      assert.deepEqual(sanitise(JSON.parse(JSON.stringify(view)), payload(), RECT), view);
    }
  }
});

test("anything that a workflow may hold makes a valid view", () => {
  const odd = [undefined, null, NaN, Infinity, -1, 0, 1e300, 0.5, 99, "1", "", "face", true, [], [1], [null, NaN], [0, 0], [1, 0, 1], {}, { toString: null }, [[1e9, 0], "x", null]];
  const fields = ["lock", "centre", "zoom", "mode", "solo", "divider", "pair", "offsets", "revealed"];
  const inputs = [...odd, { ...viewIn("free"), mode: "divider", solo: 0 }];
  for (const field of fields) for (const value of odd) inputs.push({ ...viewIn("free"), [field]: value });
  for (const value of odd) inputs.push(Object.fromEntries(fields.map((field) => [field, value])));
  for (const stored of inputs) {
    for (const count of [1, 3]) {
      const all = payload({ panels: payload().panels.slice(0, count), registered: payload().registered.slice(0, count) });
      const view = sanitise(stored, all, RECT);
      const isPanel = (one) => Number.isInteger(one) && one >= 0 && one < count;
      assert.ok(LOCKS.includes(view.lock));
      assert.ok(["grid", "divider", "flicker", "difference"].includes(view.mode) && (view.mode === "grid" || count > 1));
      assert.ok(view.zoom > 0 && Number.isFinite(view.zoom) && view.divider >= 0 && view.divider <= 1);
      assert.ok(view.centre.length === 2 && view.centre.every(Number.isFinite));
      assert.ok(view.solo === null || (isPanel(view.solo) && view.mode === "grid"));
      assert.ok(view.pair.length === 2 && view.pair.every(isPanel) && (count === 1 || view.pair[0] !== view.pair[1]));
      assert.ok(view.offsets.length === count && view.offsets.flat().every(Number.isFinite) && view.offsets.flat().length === 2 * count);
      assert.equal(typeof view.revealed, "boolean");
      assert.deepEqual(Object.keys(view).sort(), [...fields].sort());
      limited(view, { payload: all, rect: RECT });
    }
  }
});

test("a zoom is not read in the units of another lock", () => {
  const view = sanitise({ ...viewIn("pixel"), lock: "gone" }, payload(), RECT);
  assert.deepEqual([view.lock, view.zoom], ["face", 250]);
});

test("a new run of the same region keeps what is looked at, and hides the names", () => {
  const view = viewIn("face", { revealed: true, solo: 1 });
  const next = carried(view, payload(), payload({ sha: "two" }), RECT);
  assert.deepEqual([next.centre, next.zoom, next.solo, next.revealed], [view.centre, view.zoom, 1, false]);
});

test("the same run keeps the names revealed; one that became blind does not", () => {
  const view = viewIn("face", { revealed: true });
  assert.equal(carried(view, payload(), payload(), RECT).revealed, true);
  assert.equal(carried(view, payload(), payload({ blind: true }), RECT).revealed, false);
});

test("another region is fitted", () => {
  const next = carried(viewIn("pixel"), payload(), payload({ sha: "two", region: "lips", shape: [0.8, 0.8] }), RECT);
  assert.deepEqual([next.lock, next.centre, next.zoom], ["face", [0, 0], 375]);
});

test("an offset stays with a picture that lies as it did, and only there", () => {
  const to = payload({ sha: "two" });
  to.panels[1] = panel([1024, 1024], [501, 430], 82, 7.5);
  assert.deepEqual(carried(viewIn("free"), payload(), to, RECT).offsets, [[0.05, 0.02], [0, 0], [0.3, 0.1]]);
});

test("with more or fewer panels nothing is shown alone", () => {
  const two = payload({ sha: "two", panels: payload().panels.slice(0, 2), registered: [null, null] });
  assert.equal(carried(viewIn("face", { solo: 1 }), payload(), two, RECT).solo, null);
});

test("no step changes the view that it begins with", () => {
  const view = frozen(viewIn("free"));
  const ctx = frozen(context({ hovered: 1, point: [600, 100] }));
  for (const action of ["left", "up far", "zoom in", "zoom out", "fit", "ratio", "lock", "solo 2", "difference", "blind", "reveal"]) apply(view, action, ctx);
  for (const lock of LOCKS) setLock(view, lock, ctx);
  for (const step of [() => rejoin(view), () => reveal(view), () => setPair(view, 1, 2, ctx.payload), () => pan(view, 1, 1, ctx, true)]) assert.notEqual(step(), view);
  carried(view, ctx.payload, payload({ sha: "two" }), RECT);
});
