import assert from "node:assert/strict";
import test from "node:test";

import { payloadOf, storedOf, toProperties, viewUrl, whichPayload } from "../../web/comparer/bridge.js";
import { defaultView, reveal } from "../../web/comparer/view.js";

const RECT = { x: 0, y: 0, w: 400, h: 300 };
const ODD = [undefined, null, true, NaN, Infinity, -1, 0, 1e300, "", "x", "../../etc/passwd", [], [1], [1, 2, 3], ["1", "2"], {}, { toString: null }, () => 1];

function tile(more = {}) {
  return { x: 0, y: 0, w: 640, h: 480, filename: "loupe_ab_0_0_0.png", subfolder: "loupe", type: "temp", ...more };
}

function panel(label) {
  return {
    label,
    subline: "seed 3",
    name: label,
    size: [640, 480],
    centre: [300.5, 200.25],
    unit: 82.5,
    turn: -3.5,
    px_per_mm: 1.31,
    levels: [{ scale: 1, size: [640, 480], tiles: [tile()] }],
  };
}

function payload(more = {}) {
  return {
    version: 1,
    sha: "ab12",
    region: "eyes",
    shape: [1.6, 0.8],
    mm_measured: true,
    panels: [panel("one"), panel("two")],
    blind: false,
    registered: [null, { ncc: 0.97, reason: null }],
    ...more,
  };
}

const output = (value) => ({ loupe_compare: [value] });

test("a run's payload arrives whole", () => {
  assert.deepEqual(payloadOf(output(payload())), payload());
});

test("an output of another kind holds no comparison", () => {
  for (const one of [...ODD, { loupe_report: ["text"] }, { loupe_compare: payload() }, { loupe_compare: [] }]) assert.equal(payloadOf(one), null);
});

test("a payload of another version is not guessed at", () => {
  for (const version of [0, 2, "1", undefined]) assert.equal(payloadOf(output(payload({ version }))), null);
});

test("what the viewer does not know does not reach it", () => {
  const given = payload({ extra: 1 });
  given.panels[0].onload = "alert(1)";
  given.panels[0].levels[0].tiles[0].preview = "webp";
  const text = JSON.stringify(payloadOf(output(given)));
  for (const word of ["extra", "onload", "preview"]) assert.ok(!text.includes(word), word);
});

/** Every path in a plain value. */
function* paths(value, before = []) {
  if (value === null || typeof value !== "object") return;
  for (const key of Object.keys(value)) {
    yield [...before, key];
    yield* paths(value[key], [...before, key]);
  }
}

function sound(found) {
  const number = (one, least = -Infinity) => assert.ok(typeof one === "number" && Number.isFinite(one) && one >= least);
  assert.ok(found.panels.length >= 1 && found.panels.length <= 16 && found.registered.length === found.panels.length);
  for (const text of [found.sha, found.region]) assert.equal(typeof text, "string");
  for (const flag of [found.blind, found.mm_measured]) assert.equal(typeof flag, "boolean");
  found.shape.forEach((one) => number(one, 1e-6));
  for (const one of found.panels) {
    for (const text of [one.label, one.subline, one.name]) assert.ok(typeof text === "string" && text.length <= 500);
    [...one.centre, one.turn].forEach((value) => number(value));
    [...one.size, one.unit].forEach((value) => number(value, 1e-3));
    if (one.px_per_mm !== null) number(one.px_per_mm, 1e-6);
    assert.deepEqual([one.levels[0].scale, one.levels[0].size], [1, one.size]);
    for (const level of one.levels) {
      assert.ok(level.tiles.length >= 1);
      for (const { x, y, w, h, filename, subfolder, type } of level.tiles) {
        for (const value of [x, y, w, h]) assert.ok(Number.isInteger(value));
        assert.ok(w <= 2048 && h <= 2048 && x + w <= level.size[0] && y + h <= level.size[1]);
        assert.ok(filename.length > 0 && typeof subfolder === "string" && ["temp", "input", "output"].includes(type));
      }
    }
  }
  for (const one of found.registered) {
    if (one === null) continue;
    if (one.ncc !== null) number(one.ncc, -1.01);
    assert.ok(one.reason === null || typeof one.reason === "string");
  }
}

test("every field may be anything, and what is shown is sound or nothing", () => {
  let shown = 0;
  const all = [...paths(payload())];
  assert.ok(all.length > 60);
  for (const path of all) {
    for (const value of ODD) {
      const given = payload();
      const last = path.at(-1);
      path.slice(0, -1).reduce((at, key) => at[key], given)[last] = value;
      const found = payloadOf(output(given));
      if (found === null) continue;
      shown += 1;
      sound(found);
      sound(storedOf({ loupe_compare: { payload: given, view: value } }).payload);
    }
  }
  assert.ok(shown > 100); // words and flags fall back, they do not hide the pictures
});

test("a panel without a sound place hides the comparison: the others would stand for what they are not", () => {
  for (const [field, value] of [["unit", 0], ["unit", "82"], ["centre", [NaN, 1]], ["size", [640.5, 480]], ["turn", 1e9], ["levels", []]]) {
    const given = payload();
    given.panels[0][field] = value;
    assert.equal(payloadOf(output(given)), null, field);
  }
});

test("the first level is the picture itself", () => {
  for (const more of [{ scale: 0.5 }, { size: [641, 480] }, { size: [640, 481] }]) {
    const given = payload();
    Object.assign(given.panels[0].levels[0], more);
    assert.equal(payloadOf(output(given)), null, JSON.stringify(more));
  }
});

test("every panel has its registration, the first none, and one that is missing is not made up", () => {
  const found = { ncc: 0.5, reason: "x" };
  assert.deepEqual(payloadOf(output(payload({ registered: [found, found, found] }))).registered, [null, found]);
  for (const registered of [undefined, [], [null]]) assert.deepEqual(payloadOf(output(payload({ registered }))).registered, [null, null]);
});

test("thousands of panels, levels or tiles are refused", () => {
  assert.equal(payloadOf(output(payload({ panels: Array(17).fill(panel("x")) }))), null);
  assert.equal(payloadOf(output(payload({ panels: Array(16).fill(panel("x")) }))).panels.length, 16);
  const [levels, tiles] = [payload(), payload()];
  levels.panels[0].levels = Array(5000).fill(panel("x").levels[0]);
  tiles.panels[0].levels[0].tiles = Array(5000).fill(tile());
  for (const given of [levels, tiles]) assert.equal(payloadOf(output(given)), null);
});

test("a tile outside its level, or larger than any file, is refused", () => {
  for (const more of [{ x: -1 }, { x: 1 }, { y: 1 }, { w: 641 }, { w: 0 }, { h: 1.5 }, { filename: "" }, { type: "../temp" }, { subfolder: 3 }]) {
    const given = payload();
    given.panels[1].levels[0].tiles = [tile(more)];
    assert.equal(payloadOf(output(given)), null, JSON.stringify(more));
  }
});

test("a picture of 8192 x 8192 px in levels and tiles is taken", () => {
  const given = payload();
  const levels = [];
  for (let scale = 1, side = 8192; side >= 1024; scale /= 2, side /= 2) {
    const tiles = [];
    for (let y = 0; y < side; y += 2048) for (let x = 0; x < side; x += 2048) tiles.push(tile({ x, y, w: Math.min(2048, side), h: Math.min(2048, side) }));
    levels.push({ scale, size: [side, side], tiles });
  }
  Object.assign(given.panels[0], { size: [8192, 8192], levels });
  assert.deepEqual(payloadOf(output(given)), given);
});

test("words longer than any label are cut", () => {
  const given = payload();
  given.panels[0].label = "x".repeat(1e6);
  assert.ok(payloadOf(output(given)).panels[0].label.length <= 500);
});

test("a picture is read through /view as the file that it is, and nothing else is asked for", () => {
  const url = new URL(viewUrl((route) => `https://host.test/prefix/api${route}`, tile(), "ab12"));
  assert.equal(url.pathname, "/prefix/api/view");
  assert.deepEqual([...url.searchParams], [["filename", "loupe_ab_0_0_0.png"], ["subfolder", "loupe"], ["type", "temp"], ["sha", "ab12"]]);
});

test("a file's name cannot add to the question, leave the place, or break it", () => {
  for (const filename of ["a&preview=webp;50", "a?preview=webp", "a#b", "../../etc/passwd", "https://evil.test/a.png", "a\r\nb", "a b+c%26.png", "\u00e9\u732b.png"]) {
    const url = new URL(viewUrl((route) => `http://host.test/api${route}`, tile({ filename, subfolder: filename }), "x&preview=1"));
    assert.deepEqual([url.origin, url.pathname, url.hash], ["http://host.test", "/api/view", ""]);
    assert.deepEqual([...url.searchParams.keys()], ["filename", "subfolder", "type", "sha"]);
    assert.deepEqual([url.searchParams.get("filename"), url.searchParams.get("subfolder")], [filename, filename]);
  }
  assert.doesNotThrow(() => viewUrl((route) => route, tile({ filename: "\ud800" })));
});

test("payload and view come back from the workflow's text as they were", () => {
  const view = { ...defaultView(payload(), RECT), lock: "free", centre: [0.25, -0.5], offsets: [[0, 0], [0.125, 0]], solo: 1 };
  const properties = JSON.parse(JSON.stringify({ loupe_compare: toProperties(payload(), view), "Node name for S&R": "LoupeCompare" }));
  assert.deepEqual(storedOf(properties), { payload: payload(), view });
});

test("what is stored does not change when the viewer's does", () => {
  const [given, view] = [payload(), defaultView(payload(), RECT)];
  const stored = toProperties(given, view);
  given.panels[0].label = "changed";
  view.centre[0] = 9;
  assert.deepEqual([stored.payload.panels[0].label, stored.view.centre[0]], ["one", 0]);
});

test("a workflow without a comparison has none", () => {
  for (const one of [...ODD, { loupe_compare: null }, { loupe_compare: { view: {} } }]) assert.equal(storedOf(one), null);
  assert.equal(whichPayload(undefined, undefined), null);
});

test("before a run the workflow's comparison is shown as it was left", () => {
  const view = { ...defaultView(payload(), RECT), solo: 1 };
  const properties = { loupe_compare: toProperties(payload(), view) };
  assert.deepEqual(whichPayload(undefined, properties), { payload: payload(), view });
});

test("outputs that come back after a tab switch or an undo keep the view", () => {
  const view = reveal({ ...defaultView(payload(), RECT), centre: [0.3, 0.1] });
  assert.deepEqual(whichPayload(output(payload()), { loupe_compare: toProperties(payload(), view) }), { payload: payload(), view });
});

test("a new run goes before the workflow, and what was looked at stays", () => {
  const ran = payload({ sha: "cd34" });
  const view = reveal({ ...defaultView(payload(), RECT), centre: [0.3, 0.1] });
  const found = whichPayload(output(ran), { loupe_compare: toProperties(payload(), view) });
  assert.deepEqual([found.payload.sha, found.view.centre, found.view.revealed], ["cd34", [0.3, 0.1], false]);
});

test("a first run has no view yet, and a broken one does not hide the workflow's", () => {
  assert.deepEqual(whichPayload(output(payload()), {}), { payload: payload(), view: null });
  const view = defaultView(payload(), RECT);
  assert.deepEqual(whichPayload(output({ version: 9 }), { loupe_compare: toProperties(payload(), view) }).view, view);
});

test("a node that an undo brings back without what it showed shows what the session remembers", () => {
  const view = { ...defaultView(payload(), RECT), centre: [0.2, -0.1] };
  const remembered = toProperties(payload(), view);
  assert.deepEqual(whichPayload(undefined, {}, remembered), { payload: payload(), view });
  assert.deepEqual(whichPayload(output(payload()), {}, remembered), { payload: payload(), view });
  for (const odd of ODD) assert.equal(whichPayload(undefined, {}, odd), null);
});

test("the session knows the view of the same comparison better than the workflow, and of another not at all", () => {
  const [old, young] = [{ ...defaultView(payload(), RECT), centre: [0.1, 0] }, { ...defaultView(payload(), RECT), centre: [0.4, 0] }];
  const properties = { loupe_compare: toProperties(payload(), old) };
  assert.deepEqual(whichPayload(undefined, properties, toProperties(payload(), young)).view.centre, [0.4, 0]);
  const other = toProperties(payload({ sha: "ee" }), young);
  const found = whichPayload(undefined, properties, other);
  assert.deepEqual([found.payload.sha, found.view.centre], ["ab12", [0.1, 0]]);
});
