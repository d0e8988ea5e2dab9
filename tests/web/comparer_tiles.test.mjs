import assert from "node:assert/strict";
import test from "node:test";

import { screenTransform } from "../../web/comparer/geometry.js";
import { affordable, bytesOf, Cache, coarsestLevel, levelFor, neededTiles, paintable, RING_PRIORITY, tileInSource } from "../../web/comparer/tiles.js";

const TILE = 2048;

/** A picture as the server cuts it: levels of rounded-up halves, tiles without overlap. */
function picture(width, height, more = {}) {
  const levels = [];
  let size = [width, height];
  for (let scale = 1; ; scale /= 2) {
    const tiles = [];
    for (let y = 0; y < size[1]; y += TILE) {
      for (let x = 0; x < size[0]; x += TILE) {
        tiles.push({ x, y, w: Math.min(TILE, size[0] - x), h: Math.min(TILE, size[1] - y), filename: `${scale}_${x}_${y}.png`, subfolder: "loupe", type: "temp" });
      }
    }
    levels.push({ scale, size, tiles });
    if (Math.max(...size) <= 1024) break;
    size = size.map((side) => Math.ceil(side / 2));
  }
  return { label: "A", subline: "", name: "A", size: [width, height], centre: [width / 2, height / 2], unit: 100, turn: 0, px_per_mm: null, levels, ...more };
}

const BIG = picture(8192, 6144);
const RECT = { x: 100, y: 50, w: 640, h: 480 }; // device px

function at(panel, ratio, centre = [0, 0]) {
  return screenTransform(panel, { lock: "pixel", zoom: ratio, centre, offsets: [] }, 0, RECT, 1);
}

test("a view takes the level that is just not too coarse, and the source itself from 1:1 on", () => {
  for (const [scale, level] of [[64, 0], [1, 0], [0.99, 0], [0.51, 0], [0.5, 1], [0.49, 1], [0.25, 2], [0.2, 2], [0.126, 2], [0.125, 3], [0.001, 3]]) {
    assert.equal(levelFor(BIG, scale), level, `at ${scale}`);
  }
});

test("rounding does not ask for four times the pixels", () => {
  assert.equal(levelFor(BIG, 0.5 * (1 + 1e-12)), 1);
});

test("the order of the levels does not matter", () => {
  const mixed = { ...BIG, levels: [BIG.levels[2], BIG.levels[0], BIG.levels[3], BIG.levels[1]] };
  assert.deepEqual([2, 0.5, 0.2, 0.01].map((scale) => mixed.levels[levelFor(mixed, scale)].scale), [1, 0.5, 0.25, 0.125]);
  assert.equal(mixed.levels[coarsestLevel(mixed)].scale, 0.125);
});

test("no level is reduced by two or more, nor enlarged below 1:1, while there is one", () => {
  for (let scale = 0.126; scale < 1; scale += 0.0137) {
    const drawn = scale / BIG.levels[levelFor(BIG, scale)].scale;
    assert.ok(drawn > 0.5 && drawn <= 1 + 1e-6, `${scale}: ${drawn}`);
  }
});

test("what the screen shows is wholly covered, and no tile beyond it is wanted", () => {
  for (const turn of [0, 17, -90, 45]) {
    for (const ratio of [3, 1, 0.7, 0.3, 0.1]) {
      const panel = { ...BIG, turn };
      const t = at(panel, ratio, [7, -5]);
      const wanted = neededTiles(panel, t, RECT).filter(({ role }) => role === "wanted");
      const [det, hit] = [ratio * ratio, new Set()];
      for (let i = 0; i <= 64; i++) {
        for (let j = 0; j <= 48; j++) {
          const [dx, dy] = [RECT.x + (i / 64) * RECT.w * 0.9999 + 0.01 - t.e, RECT.y + (j / 48) * RECT.h * 0.9999 + 0.01 - t.f];
          const [x, y] = [(t.d * dx - t.c * dy) / det, (t.a * dy - t.b * dx) / det];
          if (x < 0 || y < 0 || x >= 8192 || y >= 6144) continue;
          const on = wanted.filter((need) => {
            const { box } = tileInSource(panel, need.level, need.tile);
            return x >= box.x && y >= box.y && x < box.x + box.w && y < box.y + box.h;
          });
          assert.equal(on.length, 1, `turn ${turn}, ${ratio}: ${x}, ${y}`);
          hit.add(on[0].index);
        }
      }
      // the sampled points miss at most slivers at corners
      assert.ok(wanted.length - hit.size <= 1, `${turn} ${ratio}: ${wanted.length} wanted, ${hit.size} seen`);
    }
  }
});

test("a turned panel does not ask for the corners of the box around it", () => {
  // a diamond 200 px up and left of where four tiles meet: its box touches all four, itself only three
  const panel = { ...BIG, turn: 45, centre: [2048 - 200, 2048 - 200] };
  const rect = { x: 0, y: 0, w: 300, h: 300 };
  const t = screenTransform(panel, { lock: "pixel", zoom: 1, centre: [0, 0], offsets: [] }, 0, rect);
  const wanted = neededTiles(panel, t, rect).filter(({ role }) => role === "wanted");
  assert.deepEqual(wanted.map(({ tile }) => [tile.x, tile.y]).sort(), [[0, 0], [0, 2048], [2048, 0]]);
});

test("the small level that stands in comes first, then the middle of the screen, then the ring", () => {
  const needs = neededTiles(BIG, at(BIG, 1), { ...RECT, w: 3000, h: 3000 });
  const roles = needs.map(({ role }) => role);
  assert.deepEqual([...new Set(roles)], ["stand-in", "wanted", "ring"]);
  assert.deepEqual(roles, [...roles].sort((a, b) => ["stand-in", "wanted", "ring"].indexOf(a) - ["stand-in", "wanted", "ring"].indexOf(b)));
  assert.equal(needs[0].level, 3);
  assert.ok(needs.every(({ role, priority }) => (role === "ring") === priority >= RING_PRIORITY));
  const wanted = needs.filter(({ role }) => role === "wanted");
  assert.ok(wanted.every((need, place) => place === 0 || need.priority >= wanted[place - 1].priority));
});

test("the tile under the middle of the screen is the first of its kind", () => {
  for (const [u, v, index] of [[-20, -10, 5], [5, -15, 2], [-5, 12, 9], [7, 12, 10]]) {
    const needs = neededTiles(BIG, at(BIG, 1, [u, v]), { ...RECT, w: 6000, h: 5000, x: -2580, y: -2210 });
    assert.equal(needs.find(({ role }) => role === "wanted").index, index);
  }
});

test("the ring is the neighbours of what is seen, each once", () => {
  const panel = picture(12288, 12288, { centre: [7168, 7168] }); // the middle of the tile (3, 3) of 6 x 6
  const needs = neededTiles(panel, at(panel, 1), RECT);
  const places = (role) => needs.filter((need) => need.role === role).map(({ tile }) => `${tile.x / TILE},${tile.y / TILE}`).sort();
  assert.deepEqual(places("wanted"), ["3,3"]);
  assert.deepEqual(places("ring"), ["2,2", "2,3", "2,4", "3,2", "3,4", "4,2", "4,3", "4,4"]);
  assert.equal(neededTiles(panel, at(panel, 1), RECT, { ring: false }).filter(({ role }) => role === "ring").length, 0);
});

test("at the lowest zoom the small level is all that is needed, once", () => {
  const needs = neededTiles(BIG, at(BIG, 0.05), RECT);
  assert.deepEqual(needs.map(({ level, role }) => [level, role]), [[3, "wanted"]]);
});

test("levelled to a poorer picture, no finer level is read", () => {
  const levels = (most) => new Set(neededTiles(BIG, at(BIG, 4), RECT, { most, ring: false }).map(({ level }) => level));
  assert.deepEqual(levels(0.2), new Set([3, 2]));
  assert.deepEqual(levels(1), new Set([3, 0]));
});

test("nothing is needed of a panel without a place, or of a picture that is elsewhere", () => {
  assert.deepEqual(neededTiles(BIG, at(BIG, 1), { x: 0, y: 0, w: 0, h: 10 }), []);
  assert.deepEqual(neededTiles(BIG, { a: 0, b: 0, c: 0, d: 0, e: 0, f: 0 }, RECT), []);
  assert.deepEqual(neededTiles(BIG, at(BIG, 1, [900, 0]), RECT), []);
});

test("the last pixel of an odd size is cut by the picture's border", () => {
  const odd = picture(1501, 1301); // 751 x 651 halves
  const [tile] = odd.levels[1].tiles;
  assert.deepEqual([tile.w, tile.h], [751, 651]);
  assert.deepEqual(tileInSource(odd, 1, tile), { box: { x: 0, y: 0, w: 1501, h: 1301 }, part: { x: 0, y: 0, w: 750.5, h: 650.5 } });
});

test("tiles of a level cover the picture without gap or overlap", () => {
  const panel = picture(5001, 4099);
  panel.levels.forEach((level, at) => {
    const area = level.tiles.map((tile) => tileInSource(panel, at, tile).box).reduce((sum, { w, h }) => sum + w * h, 0);
    assert.equal(area, 5001 * 4099);
  });
});

test("until a tile is there, coarser ones lie under it, the coarsest lowest", () => {
  const has = new Set(["3:0", "2:0", "0:5"]);
  const t = at(BIG, 1);
  const { tiles, complete, level } = paintable(BIG, t, RECT, (l, i) => has.has(`${l}:${i}`));
  assert.deepEqual(tiles.map((one) => [one.level, one.index]), [[3, 0], [2, 0], [0, 5]]);
  assert.deepEqual([complete, level], [false, 0]);
});

test("once all is there, nothing else is painted", () => {
  const { tiles, complete } = paintable(BIG, at(BIG, 1), RECT, () => true);
  const wanted = neededTiles(BIG, at(BIG, 1), RECT).filter(({ role }) => role === "wanted");
  assert.deepEqual(tiles.map(({ index }) => index), wanted.map(({ index }) => index).sort((a, b) => a - b));
  assert.ok(complete && tiles.every(({ level }) => level === 0));
});

test("a finer level is never painted in place of a missing coarser one: reduced by the browser it would alias", () => {
  const { tiles, complete } = paintable(BIG, at(BIG, 0.25), RECT, (level) => level === 0);
  assert.deepEqual([tiles, complete], [[], false]);
});

test("what is on the screen comes before every ring, and all of it stays within the memory", () => {
  const needs = [0, 1, 2, 3].flatMap(() => neededTiles(BIG, at(BIG, 1), { ...RECT, w: 1900, h: 1000 }));
  const { take, left } = affordable(needs);
  assert.ok(take.reduce((sum, { bytes }) => sum + bytes, 0) <= 512 * 2 ** 20);
  assert.equal(take.length + left.length, needs.length);
  assert.ok(left.length > 0 && left.every(({ role }) => role === "ring"));
});

test("a small tile is taken where a large one before it has no room", () => {
  const needs = [{ priority: 0, bytes: 60 }, { priority: 2, bytes: 30 }, { priority: 1, bytes: 60 }];
  assert.deepEqual(affordable(needs, 100), { take: [needs[0], needs[1]], left: [needs[2]] });
});

test("one file that several panels show counts once", () => {
  const needs = [1, 2, 3].map((priority) => ({ priority, bytes: 60, name: "same" }));
  assert.equal(affordable(needs, 100, ({ name }) => name).take.length, 3);
  assert.equal(affordable(needs, 100).take.length, 1);
});

test("a decoded tile takes four bytes a pixel", () => {
  assert.equal(bytesOf(BIG.levels[0].tiles[0]), 2 ** 24);
});

test("the longest unused picture leaves first, and is freed", () => {
  const freed = [];
  const cache = new Cache(30, (value, key) => freed.push([key, value]));
  for (const key of ["a", "b", "c"]) cache.set(key, key.toUpperCase(), 10);
  assert.equal(cache.get("a"), "A"); // used: b is the longest unused now
  assert.ok(cache.has("b")); // looking is no use
  cache.set("d", "D", 10);
  assert.deepEqual(freed, [["b", "B"]]);
  assert.equal(cache.get("b"), undefined);
  assert.deepEqual([cache.bytes, cache.size], [30, 3]);
});

test("what is on the screen stays, and what has no room is freed at once", () => {
  const freed = [];
  const cache = new Cache(30, (value) => freed.push(value));
  cache.set("a", "A", 20);
  cache.pin(["a"]);
  assert.equal(cache.set("b", "B", 10), true);
  assert.equal(cache.set("c", "C", 10), true);
  assert.equal(cache.set("d", "D", 11), false);
  assert.deepEqual([freed, cache.has("a"), cache.has("c"), cache.bytes], [["B", "D"], true, true, 30]);
  cache.pin([]);
  assert.equal(cache.set("d", "D", 25), true);
  assert.deepEqual([cache.size, cache.bytes], [1, 25]);
});

test("memory is bounded whatever comes", () => {
  let alive = 0;
  const cache = new Cache(1000, ({ bytes }) => (alive -= bytes));
  let seed = 7;
  const lot = (most) => (seed = (seed * 48271) % 2147483647) % most;
  for (let i = 0; i < 5000; i++) {
    const key = `k${lot(60)}`;
    if (lot(5) === 0) cache.pin([`k${lot(60)}`, `k${lot(60)}`, key]);
    if (lot(3) === 0) cache.get(key);
    else if (lot(20) === 0) cache.delete(key);
    else {
      const bytes = lot(400);
      alive += bytes;
      cache.set(key, { bytes }, bytes);
    }
    assert.ok(cache.bytes <= 1000);
    assert.equal(alive, cache.bytes); // nothing is freed twice, nothing is forgotten
  }
  cache.clear();
  assert.deepEqual([alive, cache.bytes, cache.size], [0, 0, 0]);
});

test("the same picture set again is not freed", () => {
  const freed = [];
  const cache = new Cache(30, (value) => freed.push(value));
  cache.set("a", "A", 10);
  cache.set("a", "A", 12);
  assert.deepEqual([freed, cache.bytes], [[], 12]);
  cache.set("a", "other", 12);
  assert.deepEqual([freed, cache.bytes], [["A"], 12]);
});

test("a size that is none has no room", () => {
  const cache = new Cache(30);
  for (const bytes of [NaN, -1, Infinity]) assert.equal(cache.set("a", "A", bytes), false);
  assert.equal(cache.bytes, 0);
});
