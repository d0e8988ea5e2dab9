import assert from "node:assert/strict";
import test from "node:test";

import { castOf } from "../../web/casting/cast.js";
import { carried, choose, drop, firstState, flip, isHidden, letter, loupeOf, nameOf, orderOf, permuted, reveal, rowsOf, setBlind, step, takeTyped, viewFor } from "../../web/casting/state.js";
import { payloadOf } from "../../web/comparer/bridge.js";
import { defaultView } from "../../web/comparer/view.js";
import { ODD, output, payload, sha, take } from "./casting_fixtures.mjs";

const CAST = castOf(output(payload()));
const OFFERED = [1, 2, 3, 4, 5, 6, 7, 9, 10, 12];
const first = (more) => firstState(CAST, more);

test("a blind order is the same for the same seed, holds each take once, and differs between seeds", () => {
  for (const seed of [0, 1, 7, 2 ** 32 - 1]) {
    assert.deepEqual(permuted(OFFERED, seed), permuted(OFFERED, seed));
    assert.deepEqual([...permuted(OFFERED, seed)].sort((a, b) => a - b), OFFERED);
  }
  const orders = new Set(Array.from({ length: 50 }, (_, seed) => permuted(OFFERED, seed).join()));
  assert.ok(orders.size > 45);
});

test("over many seeds every take stands in every place about as often", () => {
  const counts = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
  for (let seed = 0; seed < 4000; seed += 1) permuted([0, 1, 2, 3], seed).forEach((one, at) => (counts[one][at] += 1));
  // 1000 is expected, with a standard deviation of 27
  for (const count of counts.flat()) assert.ok(Math.abs(count - 1000) < 140, String(counts));
});

test("letters go on after Z", () => {
  assert.deepEqual([0, 25, 26, 51, 52, 255].map(letter), ["A", "Z", "AA", "AZ", "BA", "IV"]);
});

test("takes are grouped by model, and reasons stand with the rejected", () => {
  const rows = rowsOf(CAST, first());
  assert.deepEqual(rows.map(({ model, takes, rejected }) => [model, takes.map(({ number }) => number), rejected.map(({ number }) => number)]), [
    ["Recraft V4", [1, 2, 3, 4], []],
    ["GPT Image 2", [5, 6, 7, 8], [8]],
    ["Nano Banana Pro", [9, 10, 11, 12], [11]],
  ]);
});

test("at first the best of each model lie in the loupe, and the best of all is chosen", () => {
  const state = first();
  assert.deepEqual([state.chosen, [...state.together].sort((a, b) => a - b)], [3, [3, 5, 9]]);
  assert.equal(first({ locked: sha(7) }).chosen, 7);
  assert.equal(firstState(castOf(output(payload({ takes: [] })))).chosen, null);
});

test("in blind mode nothing tells which model a take is of, or what it scored", () => {
  const state = first({ blind: true, seed: 5 });
  const order = orderOf(CAST, state);
  assert.equal(state.chosen, null);
  assert.deepEqual(state.together, order.slice(0, 4)); // not the best of each
  assert.deepEqual(rowsOf(CAST, state).map(({ model, rejected }) => [model, rejected]), [["", []]]);
  assert.deepEqual(order.map((number) => nameOf(CAST, state, number)), [..."ABCDEFGHIJ"]);
  const text = JSON.stringify(loupeOf(CAST, state).payload.panels.map(({ label, name, subline }) => [label, name, subline]));
  for (const word of ["Recraft", "GPT", "Banana", "seed", "take", "★"]) assert.ok(!text.includes(word), word);
});

test("revealed names stand beside the letters, and switching blind on again draws another order", () => {
  const state = first({ blind: true, seed: 5 });
  const shown = reveal(choose(state, CAST, orderOf(CAST, state)[0]));
  assert.equal(isHidden(shown), false);
  const [number] = orderOf(CAST, state);
  assert.match(loupeOf(CAST, shown).payload.panels[0].label, new RegExp(`^▸ A = ${number} .*`));
  const again = setBlind(setBlind(shown, CAST, false, 0), CAST, true, 6);
  assert.ok(isHidden(again));
  assert.notDeepEqual(orderOf(CAST, again), orderOf(CAST, state));
  assert.equal(reveal(first()).revealed, false);
});

test("a typed number is the take's own, and in blind order its place", () => {
  assert.deepEqual([1, 8, 12, 13, 0].map((typed) => takeTyped(CAST, first(), typed)), [1, null, 12, null, null]);
  const state = first({ blind: true, seed: 5 });
  assert.deepEqual([1, 10, 11].map((typed) => takeTyped(CAST, state, typed)), [orderOf(CAST, state)[0], orderOf(CAST, state)[9], null]);
});

test("what is chosen comes into the loupe; asked for again it is alone, and again with the others", () => {
  let state = choose(first(), CAST, 7);
  assert.deepEqual([state.chosen, state.before, state.together.includes(7)], [7, 3, true]);
  state = choose(state, CAST, 7);
  assert.equal(state.alone, true);
  assert.equal(choose(state, CAST, 7).alone, false);
});

test("a rejected take, or none, is never chosen", () => {
  for (const one of [8, 11, 13, 0, null, NaN, "3"]) assert.deepEqual(choose(first(), CAST, one), first());
});

test("the loupe holds six takes at most, and the one before the chosen always", () => {
  let state = first();
  for (const number of OFFERED) {
    const before = state.chosen;
    state = choose(state, CAST, number);
    assert.ok(state.together.length <= 6);
    assert.ok(state.together.includes(number) && state.together.includes(before));
  }
  const stored = { ...first(), chosen: 3, together: [3, 1, 2, 4, 5, 6] };
  assert.deepEqual(choose(stored, CAST, 7).together, [3, 2, 4, 5, 6, 7]);
});

test("a flip shows the last two in turn, in the same place", () => {
  const state = choose(first(), CAST, 12);
  const once = flip(state, CAST);
  assert.deepEqual([once.chosen, once.before, once.alone], [3, 12, true]);
  const twice = flip(once, CAST);
  assert.deepEqual([twice.chosen, twice.before], [12, 3]);
  assert.equal(flip(first(), CAST).chosen, 3); // there is no second yet
});

test("arrows pass over takes that are not offered, and end at the ends", () => {
  const walk = (start, ...steps) => steps.reduce((state, [dx, dy]) => step(state, CAST, dx, dy), choose({ ...first(), chosen: null }, CAST, start)).chosen;
  assert.equal(walk(7, [1, 0]), 9);
  assert.equal(walk(9, [-1, 0]), 7);
  assert.equal(walk(12, [1, 0]), 12);
  assert.equal(walk(1, [-1, 0]), 1);
  assert.equal(walk(3, [0, 1]), 7);
  assert.equal(walk(4, [0, 1]), 7); // that row is shorter
  assert.equal(walk(12, [0, 1]), 12);
  assert.equal(step({ ...first(), chosen: null }, CAST, 1, 0).chosen, 1);
});

test("one that is taken out of the loupe leaves the one before it chosen, and the last one stays", () => {
  let state = choose(first(), CAST, 7);
  state = drop(state, 7);
  assert.deepEqual([state.chosen, state.together.includes(7)], [3, false]);
  for (const number of [9, 5, 3]) state = drop(state, number);
  assert.equal(state.together.length, 1);
});

test("what the loupe shows is a comparison that the comparer takes, at one region", () => {
  for (const state of [first(), first({ blind: true, seed: 3 }), choose(first(), CAST, 12)]) {
    const { payload: shown, numbers } = loupeOf(CAST, state);
    assert.deepEqual(payloadOf({ loupe_compare: [shown] }), shown);
    assert.deepEqual(shown.panels.map(({ levels }) => levels[0].tiles[0].filename), numbers.map((number) => `loupe_${number}_0_0_0.png`));
  }
});

test("no difference is offered that was not measured", () => {
  const { payload: shown } = loupeOf(CAST, first());
  assert.deepEqual(shown.registered.slice(1).map(({ ncc }) => ncc), [null, null]);
});

test("the view stays where it looks while other takes come into the loupe", () => {
  const { payload: shown, numbers } = loupeOf(CAST, first());
  const view = { ...defaultView(shown, { x: 0, y: 0, w: 300, h: 200 }), centre: [0.3, 0.1], zoom: 500, mode: "divider", pair: [0, 1] };
  const next = viewFor(view, numbers, { ...first(), chosen: 9, before: 3 });
  assert.deepEqual([next.centre, next.zoom, next.mode, next.pair], [[0.3, 0.1], 500, "divider", [numbers.indexOf(3), numbers.indexOf(9)]]);
  const alone = viewFor(view, numbers, { ...first(), chosen: 9, alone: true });
  assert.deepEqual([alone.solo, alone.mode], [numbers.indexOf(9), "grid"]);
  assert.deepEqual(viewFor({ ...view, pair: [4, 5] }, [3], first()).pair, [0, 0]);
});

test("a state comes back from the workflow's text as it was", () => {
  for (const state of [first(), choose(first(), CAST, 12), flip(choose(first(), CAST, 12), CAST), choose(first({ blind: true, seed: 9 }), CAST, 4), reveal(first({ blind: true, seed: 9 }))]) {
    assert.deepEqual(carried(JSON.parse(JSON.stringify(state)), CAST, CAST, { seed: 1 }), state);
  }
});

test("a new cast begins anew; it stays blind, in a new order, with names hidden", () => {
  const other = castOf(output(payload({ takes: Array.from({ length: 8 }, (_, at) => take(at + 1, { sha256: sha(500 + at) })), compare: null })));
  const state = carried(reveal(first({ blind: true, seed: 9 })), CAST, other, { seed: 4 });
  assert.deepEqual([state.blind, state.revealed, state.seed, state.chosen], [true, false, 4, null]);
  const open = carried(choose(first(), CAST, 12), CAST, other, { seed: 4 });
  assert.deepEqual([open.blind, open.chosen], [false, 3]);
});

test("a stored state of somebody else costs at most itself", () => {
  const keys = Object.keys(first());
  for (const odd of ODD) {
    assert.deepEqual(carried(odd, CAST, CAST), first());
    for (const key of keys) {
      const state = carried({ ...first({ blind: true, seed: 9 }), [key]: odd }, CAST, CAST, { seed: 4 });
      for (const number of state.together) assert.ok(OFFERED.includes(number));
      assert.ok(state.chosen === null || state.together.includes(state.chosen));
      assert.ok(Number.isInteger(state.seed) && state.seed >= 0);
      assert.equal(typeof state.blind, "boolean");
    }
  }
});

test("an order that is not known does not come back revealed", () => {
  const state = carried({ ...reveal(first({ blind: true, seed: 9 })), seed: "x" }, CAST, CAST, { seed: 4 });
  assert.deepEqual([state.seed, state.revealed], [4, false]);
});
