import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST, Session } from "../../web/shared/session.js";

const NAME = "portraitloupe.comparer";

function storage(content) {
  const kept = new Map(content === undefined ? [] : [[NAME, content]]);
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), kept };
}

test("what one session put, the next page of the same session gets", () => {
  const store = storage();
  new Session(store, NAME).put("a:1", { payload: { sha: "x" }, view: { zoom: 2 } });
  assert.deepEqual(new Session(store, NAME).get("a:1"), { payload: { sha: "x" }, view: { zoom: 2 } });
  assert.equal(new Session(store, NAME).get("a:2"), undefined);
});

test("what one kind of panel put, another does not get", () => {
  const store = storage();
  new Session(store, NAME).put("a:1", { payload: 1, view: 2 });
  new Session(store, "portraitloupe.casting").put("a:2", { cast: 3 });
  assert.equal(new Session(store, "portraitloupe.casting").get("a:1"), undefined);
  assert.deepEqual(new Session(store, NAME).get("a:1"), { payload: 1, view: 2 });
});

test("the oldest is forgotten, and one that is put again is young", () => {
  const session = new Session(storage(), NAME);
  for (let at = 0; at < MOST; at += 1) session.put(`n${at}`, { payload: at, view: 0 });
  session.put("n0", { payload: "again", view: 0 });
  session.put("new", { payload: 1, view: 0 });
  assert.equal(session.get("n1"), undefined);
  assert.equal(session.get("n0")?.payload, "again");
  assert.equal(session.entries.size, MOST);
});

test("a storage that is full, forbidden or absent costs no more than the reload", () => {
  const full = { getItem: () => { throw new Error("forbidden"); }, setItem: () => { throw new Error("full"); } };
  for (const store of [full, null]) {
    const session = new Session(store, NAME);
    session.put("a", { payload: 1, view: 2 });
    assert.deepEqual(session.get("a"), { payload: 1, view: 2 });
  }
});

test("what somebody else stored there is not taken", () => {
  for (const content of ["{", "3", "null", '{"a":1}', '[1, ["a"], [1, {}], ["b", null], ["c", 3]]']) {
    assert.equal(new Session(storage(content), NAME).entries.size, 0);
  }
});
