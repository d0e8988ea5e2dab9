import assert from "node:assert/strict";
import test from "node:test";

import { castOf, lockFor, lockOf, takeOf } from "../../web/casting/cast.js";
import { Keys } from "../../web/casting/keys.js";
import { choose, firstState, orderOf, reveal } from "../../web/casting/state.js";
import { dropLock, heldBy, hideLock, putLock } from "../../web/casting/widgets.js";
import { costText, factLines, lockText, rejectedText, takeText, trustText } from "../../web/casting/words.js";
import { compare, output, payload, sha } from "./casting_fixtures.mjs";

const CAST = castOf(output(payload()));
const key = (name, more = {}) => ({ key: name, type: "keydown", ...more });

test("digits that follow at once are one number", () => {
  const keys = new Keys();
  assert.deepEqual(keys.read(key("1"), false, 0), { name: "type", value: 1, more: false });
  assert.deepEqual(keys.read(key("2"), false, 500), { name: "type", value: 12, more: true });
  assert.deepEqual(keys.read(key("2"), false, 3000), { name: "type", value: 2, more: false });
  assert.deepEqual(keys.read(key("0"), false, 3100), { name: "type", value: 20, more: true });
});

test("a lone 0 is the loupe's, and another key ends a number", () => {
  const keys = new Keys();
  assert.equal(keys.read(key("0"), true, 0), null);
  keys.read(key("1"), false, 0);
  keys.read(key("+"), false, 10);
  assert.deepEqual(keys.read(key("2"), false, 20), { name: "type", value: 2, more: false });
});

test("arrows walk over the takes, and in the loupe they are its own", () => {
  const keys = new Keys();
  assert.deepEqual(keys.read(key("ArrowDown"), false, 0), { name: "step", value: [0, 1] });
  assert.deepEqual(keys.read(key("ArrowLeft", { repeat: true }), false, 0), { name: "step", value: [-1, 0] });
  assert.equal(keys.read(key("ArrowDown"), true, 0), null);
});

test("Space flips, Enter locks, B and R hide and reveal, on keyboards of other scripts too", () => {
  const keys = new Keys();
  const read = (event) => keys.read(event, true, 0)?.name;
  assert.deepEqual([key(" "), key("Enter"), key("b"), key("R"), key("и", { code: "KeyB" })].map(read), ["flip", "lock", "blind", "reveal", "blind"]);
});

test("keys with a modifier, and repeats of what locks, are left to the host", () => {
  const keys = new Keys();
  for (const one of [key("Enter", { ctrlKey: true }), key("b", { metaKey: true }), key("Enter", { repeat: true }), key("b", { repeat: true }), key("Delete"), key("q")]) assert.equal(keys.read(one, false, 0), null);
});

const node = () => ({ widgets: [{ name: "cast_name", value: "Marta" }, { name: "mode", value: "ask" }, { name: "lock", value: "", options: {} }] });

test("a lock in the widget makes the next run a locked one, and Unlock takes both back", () => {
  const [one, told] = [node(), []];
  one.widgets[2].callback = (value) => told.push(value);
  const lock = lockFor(takeOf(CAST, 3), "pick", new Date(0));
  putLock(one, lock);
  assert.deepEqual([heldBy(one).lock, heldBy(one).mode, told.length], [lock, "locked", 1]);
  assert.deepEqual(lockOf(one.widgets[2].value), lock);
  dropLock(one);
  assert.deepEqual(heldBy(one), { lock: null, value: "", mode: "ask" });
  one.widgets[1].value = "auto-best";
  dropLock(one);
  assert.equal(heldBy(one).mode, "auto-best");
});

test("the lock's widget is hidden and still serialised", () => {
  const one = node();
  hideLock(one);
  assert.deepEqual([one.widgets[2].hidden, one.widgets[2].options.hidden], [true, true]);
  assert.notEqual(one.widgets[2].serialize, false);
  assert.notEqual(one.widgets[2].options.serialize, false);
  hideLock({});
});

test("a node without the widgets costs nothing but the lock", () => {
  assert.deepEqual(heldBy({}), { lock: null, value: "", mode: "" });
  dropLock({ widgets: [] });
});

test("rank, reason and figures of the chosen take are told, and the rejected with their reasons", () => {
  const lines = factLines(CAST, firstState(CAST));
  assert.equal(lines[0], "3 · Recraft V4 · rank 1 of 4 · distance 0.8 · 640 × 480 px · seed 103");
  assert.deepEqual(lines.slice(1), ["within the corridor", "mid band 0.41"]);
  assert.equal(rejectedText(CAST.takes.filter(({ rejected }) => rejected)), "8: duplicate of 5; 11: the provider sent no image");
  assert.match(takeText(CAST, firstState(CAST), takeOf(CAST, 8)), /rejected: duplicate of 5/);
});

test("a take that the loupe does not hold says so", () => {
  const shown = castOf(output(payload({ compare: compare([1, 2]), compare_takes: [1, 2] })));
  assert.match(factLines(shown, choose(firstState(shown), shown, 4)).at(-1), /^Not in the loupe/);
  assert.ok(!factLines(shown, choose(firstState(shown), shown, 2)).join().includes("Not in the loupe"));
});

test("no word of a blind panel names a model, a rank, a figure or a seed", () => {
  let state = firstState(CAST, { blind: true, seed: 5 });
  state = choose(state, CAST, orderOf(CAST, state)[2]);
  const held = { lock: lockFor(takeOf(CAST, 3), "pick", new Date(0)), value: "{}", mode: "locked" };
  const words = [...factLines(CAST, state), costText(CAST, state), lockText(CAST, held, true), ...CAST.takes.map((take) => takeText(CAST, state, take))].join("\n");
  for (const word of ["Recraft", "GPT", "Banana", "rank ", "distance", "corridor", "103"]) assert.ok(!words.includes(word), word);
  assert.match(factLines(CAST, reveal(state))[0], /^C = \d+ · /);
});

test("how far the score is to be trusted is told with its interval, and that auto-best has to be earned", () => {
  assert.equal(trustText(CAST.trust), "score agrees with your blind picks 31/40 (63-88 %); auto-best is earned.");
  assert.match(trustText({ agrees: 5, of: 8, low: 0.3, high: 0.86, earned: false }), /5\/8 \(30-86 %\); auto-best is not yet earned: 20 blind picks, lower bound above 50 %/);
  for (const none of [null, { agrees: 0, of: 0, low: 0, high: 1, earned: false }]) assert.match(trustText(none), /^no blind picks yet.*not yet earned/);
});

test("the panel says whether a lock is for the next run or was used by the last", () => {
  const lock = lockFor(takeOf(CAST, 3), "blind pick", new Date("2026-11-21T16:00:00Z"));
  const held = { lock, value: JSON.stringify(lock), mode: "locked" };
  assert.equal(lockText(CAST, held, false), "Locked for the next run: #3 Recraft V4 (blind pick, 2026-11-21 16:00). Locked runs cost 0.");
  assert.match(lockText({ ...CAST, locked: lock }, held, false), /^Locked: #3/);
  const none = { lock: null, value: "", mode: "ask" };
  assert.match(lockText({ ...CAST, locked: lock }, none, false), /^The last run used #3/);
  assert.equal(lockText(CAST, none, false), "");
  assert.match(lockText(CAST, { ...none, value: "{" }, false), /cannot be read. Unlock/);
  assert.match(lockText(null, { ...held, lock: lockOf(sha(3)) }, false), /Locked for the next run: 000000000000\./);
});
