import assert from "node:assert/strict";
import test from "node:test";

import { castOf, lockFor, lockOf, panelOf, picturesOf, storedOf, takeOf, whichCast } from "../../web/casting/cast.js";
import { firstState } from "../../web/casting/state.js";
import { compare, ODD, output, panel, payload, sha, take } from "./casting_fixtures.mjs";

test("a run's payload arrives whole, and reads the same when it is read again", () => {
  const found = castOf(output(payload()));
  const { compare: shown, compare_takes: numbers, ...rest } = found;
  const { compare: given, ...sent } = payload();
  assert.deepEqual(rest, sent);
  assert.deepEqual([shown.panels, numbers], [given.panels, [1, 2, 3, 4, 5, 6, 7, 9, 10, 12]]);
  assert.deepEqual(castOf(output(found)), found);
});

test("an output of another kind, or of another schema, holds no cast", () => {
  for (const one of [...ODD, { loupe_report: ["text"] }, { loupe_cast: payload() }, { loupe_cast: [] }]) assert.equal(castOf(one), null);
  for (const schema of [0, 2, "1", undefined]) assert.equal(castOf(output(payload({ schema }))), null);
});

/** Every path in a plain value. */
function* paths(value, before = []) {
  if (value === null || typeof value !== "object") return;
  for (const key of Object.keys(value)) {
    yield [...before, key];
    yield* paths(value[key], [...before, key]);
  }
}

function sound(cast) {
  const numbers = cast.takes.map(({ number }) => number);
  assert.equal(new Set(numbers).size, numbers.length);
  for (const one of cast.takes) {
    assert.ok(Number.isInteger(one.number) && one.number >= 1);
    for (const text of [one.model, one.reason, one.sha256, one.prompt_sha]) assert.ok(typeof text === "string" && text.length <= 500);
    assert.ok(one.rejected === null ? /^[0-9a-f]{64}$/.test(one.sha256) : typeof one.rejected === "string" && one.rejected !== "");
    for (const value of [one.rank, one.score, one.width, one.height]) assert.ok(value === null || Number.isFinite(value));
    assert.ok(one.seed === null || typeof one.seed === "string" || Number.isSafeInteger(one.seed));
    if (one.view) assert.ok(one.view.filename && typeof one.view.subfolder === "string" && ["output", "temp", "input"].includes(one.view.type));
  }
  assert.equal(cast.compare_takes.length, cast.compare?.panels.length ?? 0);
  for (const number of cast.compare_takes) assert.equal(takeOf(cast, number)?.rejected, null);
  const { trust } = cast;
  if (trust) assert.ok(trust.agrees <= trust.of && trust.low >= 0 && trust.high <= 1 && trust.low <= trust.high && typeof trust.earned === "boolean");
}

test("whatever stands in a field, what is passed on is sound", () => {
  const whole = payload({ takes: [take(1), take(2)], compare: compare([1, 2]), locked: lockFor(take(1), "pick", new Date(0)) });
  let kept = 0;
  for (const path of paths(whole)) {
    for (const odd of ODD) {
      const given = structuredClone(whole);
      let inner = given;
      for (const key of path.slice(0, -1)) inner = inner[key];
      inner[path.at(-1)] = odd;
      const found = castOf(output(given));
      if (!found) continue;
      kept += 1;
      sound(found);
      firstState(found);
    }
    const without = structuredClone(whole);
    let inner = without;
    for (const key of path.slice(0, -1)) inner = inner[key];
    delete inner[path.at(-1)];
    const found = castOf(output(without));
    if (found) sound(found);
  }
  assert.ok(kept > 500); // a broken field costs what it says, not the cast
});

test("a take without a hash cannot be locked, so it is not offered", () => {
  const found = castOf(output(payload({ takes: [take(1, { sha256: "abc" }), take(2)], compare: null })));
  assert.match(takeOf(found, 1).rejected, /hash/);
  assert.equal(takeOf(found, 2).rejected, null);
});

test("two takes of one number would be taken for each other: the first stays", () => {
  const found = castOf(output(payload({ takes: [take(1), take(1, { model: "other" }), take(2)], compare: null })));
  assert.deepEqual(found.takes.map(({ model }) => model), ["Recraft V4", "Recraft V4"]);
});

test("sixteen takes of sixteen models are all taken, with their loupes", () => {
  const takes = Array.from({ length: 256 }, (_, at) => take(at + 1, { model: `model ${Math.floor(at / 16)}` }));
  const found = castOf(output(payload({ takes, compare: compare(takes.map(({ number }) => number)) })));
  assert.equal(found.takes.length, 256);
  assert.deepEqual(panelOf(found, 256), panel(256));
});

test("panels belong to the offered takes in their order, or to those that are named", () => {
  const found = castOf(output(payload()));
  assert.deepEqual([8, 9, 11, 12].map((number) => panelOf(found, number)?.label), [undefined, "take 9", undefined, "take 12"]);
  const named = castOf(output(payload({ compare: compare([9, 3]), compare_takes: [9, 3] })));
  assert.deepEqual([3, 9, 1].map((number) => panelOf(named, number)?.label), ["take 3", "take 9", undefined]);
});

test("panels whose takes are not known are shown for none", () => {
  for (const more of [{ compare: compare([1, 2]) }, { compare: compare([1, 2]), compare_takes: [1, 1] }, { compare: compare([1, 2]), compare_takes: [1, "2"] }]) {
    const found = castOf(output(payload(more)));
    assert.equal(found.compare, null);
  }
});

test("a panel that is broken costs its own take the loupe, and the others none", () => {
  const given = payload();
  given.compare.panels[2].unit = -1;
  const found = castOf(output(given));
  assert.deepEqual([2, 3, 4].map((number) => panelOf(found, number)?.label), ["take 2", undefined, "take 4"]);
});

test("a small picture is the most reduced level, and the take itself where that is gone", () => {
  const found = castOf(output(payload()));
  assert.deepEqual(picturesOf(found, takeOf(found, 3)).map(({ filename, type }) => [filename, type]), [["loupe_3_0_0_0.png", "temp"], [`${sha(3)}.png`, "output"]]);
  assert.deepEqual(picturesOf(found, takeOf(found, 8)).map(({ type }) => type), ["output"]);
});

test("a lock comes back from the widget's text as it went in", () => {
  const lock = lockFor(take(3), "blind pick", new Date("2026-11-21T16:00:00Z"));
  assert.deepEqual(lock, {
    schema: 1,
    take_sha256: sha(3),
    file: `loupe_cast/Marta/takes/${sha(3)}.png`,
    model: "Recraft V4",
    label: "Recraft V4 #3",
    seed: 103,
    prompt_sha: "00112233aabbccdd",
    score: 0.8,
    rank: 1,
    by: "blind pick",
    at: "2026-11-21T16:00:00.000Z",
  });
  assert.deepEqual(lockOf(JSON.stringify(lock)), lock);
});

test("the hash of a take alone is a lock, and nothing else that cannot be read is one", () => {
  assert.equal(lockOf(` "${sha(3)}" `).take_sha256, sha(3));
  assert.equal(lockOf(JSON.stringify({ take_sha256: sha(10).replace(/1/, "A") })).take_sha256, sha(10).replace(/1/, "a"));
  for (const one of [...ODD, "{", "[]", '{"take_sha256":"x"}', JSON.stringify({ schema: 2, take_sha256: sha(1) })]) assert.equal(lockOf(one), null);
});

test("a seed that a number of JavaScript cannot hold is not written wrong", () => {
  const [exact] = castOf(output(payload({ takes: [take(1, { seed: 2 ** 60 })], compare: null }))).takes;
  assert.deepEqual([exact.seed, lockFor(exact, "pick", new Date(0)).seed], ["≈1.153e+18", null]);
  const [told] = castOf(output(payload({ takes: [take(1, { seed: "18446744073709551615" })], compare: null }))).takes;
  assert.deepEqual([told.seed, lockFor(told, "pick", new Date(0)).seed], ["18446744073709551615", null]);
});

test("what the panel does not know does not reach it", () => {
  const given = payload({ onload: "alert(1)" });
  given.takes[0].preview = "webp";
  given.compare.panels[0].levels[0].tiles[0].preview = "webp";
  const text = JSON.stringify(castOf(output(given)));
  for (const word of ["onload", "preview"]) assert.ok(!text.includes(word), word);
});

const stored = (cast, more = {}) => JSON.parse(JSON.stringify({ loupe_cast: { cast, state: firstState(cast), look: { zoom: 2 }, ...more } }));

test("before a run the workflow's cast is shown as it was left", () => {
  const cast = castOf(output(payload()));
  const found = whichCast(undefined, stored(cast));
  assert.deepEqual([found.cast, found.state, found.look], [cast, firstState(cast), { zoom: 2 }]);
  for (const odd of ODD) assert.equal(whichCast(undefined, { loupe_cast: odd }), null);
});

test("a new run goes before the workflow, and says what the state was of", () => {
  const cast = castOf(output(payload()));
  const ran = payload({ takes: [take(1), take(2)], compare: null });
  const found = whichCast(output(ran), stored(cast));
  assert.deepEqual([found.cast.takes.length, found.from.takes.length, found.look], [2, 12, { zoom: 2 }]);
});

test("a locked run leaves the offer on the panel that its take was picked from", () => {
  const cast = castOf(output(payload()));
  const locked = lockFor(takeOf(cast, 5), "pick", new Date(0));
  for (const takes of [[], [take(5)]]) {
    const found = whichCast(output(payload({ takes, compare: null, locked, mode: "locked", cost: "locked: 0" })), stored(cast));
    assert.deepEqual([found.cast.takes.length, found.cast.locked.take_sha256, found.cast.cost], [12, sha(5), "locked: 0"]);
    assert.notEqual(found.cast.compare, null);
  }
  const other = whichCast(output(payload({ takes: [], compare: null, locked: { ...locked, take_sha256: sha(77) } })), stored(cast));
  assert.equal(other.cast.takes.length, 0); // that take is of another offer
  const all = whichCast(output(payload({ compare: null, locked })), stored(cast));
  assert.deepEqual([all.cast.locked.take_sha256, all.cast.compare], [sha(5), cast.compare]);
  const renamed = whichCast(output(payload({ takes: [], compare: null, locked, cast_name: "Paul" })), stored(cast));
  assert.equal(renamed.cast.takes.length, 0);
});

test("a node that an undo brings back shows what the session remembers", () => {
  const cast = castOf(output(payload()));
  const remembered = stored(cast, { look: { zoom: 7 } }).loupe_cast;
  assert.deepEqual(whichCast(undefined, {}, remembered).look, { zoom: 7 });
  assert.deepEqual(whichCast(undefined, stored(cast), remembered).look, { zoom: 7 });
  assert.equal(storedOf({}), null);
});
