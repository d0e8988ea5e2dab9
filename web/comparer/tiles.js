// @ts-check
/**
 * Which files a view needs, and which decoded ones are kept. Pure: no DOM, no network.
 *
 * Reduction is the server's, in linear light. So a view below 1:1 takes the level that is just not too coarse: the
 * browser neither enlarges a level, which would blur, nor reduces one by two or more, which would alias. (Below the
 * last level it has to, with a smooth kernel.)
 */
import { DECODED_BYTES } from "./constants.js";
import { inverse, mapped, scaleOf } from "./geometry.js";

/** @typedef {import("./geometry.js").Panel} Panel */
/** @typedef {import("./geometry.js").Tile} Tile */
/** @typedef {import("./geometry.js").Affine} Affine */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Rect} Rect */
/**
 * @typedef {object} Need
 * @property {number} level place in panel.levels
 * @property {number} index place in the level's tiles
 * @property {Tile} tile
 * @property {number} bytes decoded
 * @property {"stand-in" | "wanted" | "ring"} role
 * @property {number} priority load the lowest first; below RING_PRIORITY it is on the screen
 */

export const RING_PRIORITY = 2;
const SAME_SCALE = 1e-6; // relative: at a level's very scale, that level

/**
 * The place of the level whose scale is the least one that is not below what the screen shows.
 * @param {Panel} panel
 * @param {number} scale device px per source px
 * @returns {number} 0, the source itself, from 1:1 on
 */
export function levelFor(panel, scale) {
  let best = -1;
  let richest = 0;
  panel.levels.forEach((level, at) => {
    if (level.scale > panel.levels[richest].scale) richest = at;
    if (level.scale < scale * (1 - SAME_SCALE)) return;
    if (best < 0 || level.scale < panel.levels[best].scale) best = at;
  });
  return best < 0 ? richest : best;
}

/**
 * @param {Panel} panel
 * @returns {number} the place of the most reduced level
 */
export function coarsestLevel(panel) {
  return panel.levels.reduce((best, level, at) => (level.scale < panel.levels[best].scale ? at : best), 0);
}

/**
 * Where a tile lies in the picture. Every pixel of a level covers a block of source pixels; of an odd size the last
 * block is cut by the border, and so is the tile.
 * @param {Panel} panel
 * @param {number} level
 * @param {Tile} tile
 * @returns {{box: Rect, part: Rect}} `box` in source px shows `part` of the tile, px from its top left
 */
export function tileInSource(panel, level, tile) {
  const { scale } = panel.levels[level];
  const [x, y] = [tile.x / scale, tile.y / scale];
  const [w, h] = [Math.min(tile.w / scale, panel.size[0] - x), Math.min(tile.h / scale, panel.size[1] - y)];
  return { box: { x, y, w, h }, part: { x: 0, y: 0, w: w * scale, h: h * scale } };
}

/** @param {Tile} tile */
export function bytesOf(tile) {
  return tile.w * tile.h * 4;
}

/**
 * What a panel needs: first the most reduced level, which is small and stands in for what is not loaded yet, then
 * what the screen shows, from the middle outwards, then one ring of tiles around it.
 * @param {Panel} panel
 * @param {Affine} transform source px to device px
 * @param {Rect} rect of the panel, device px
 * @param {{most?: number, ring?: boolean}} [options] `most`: no more source px than this share is shown, as
 *   `levelScale` of geometry.js says of the lock `level`
 * @returns {Need[]} lowest priority number first
 */
export function neededTiles(panel, transform, rect, { most = Infinity, ring = true } = {}) {
  const scale = scaleOf(transform);
  if (!(rect.w > 0 && rect.h > 0 && scale > 0 && Number.isFinite(scale))) return [];
  const wanted = levelFor(panel, Math.min(scale, most));
  const coarsest = coarsestLevel(panel);
  const seen = new Seen(transform, rect);
  /** @type {Need[]} */
  const needs = [];
  const add = (/** @type {number} */ level, /** @type {Need["role"]} */ role, /** @type {number} */ first, /** @type {boolean} */ around) => {
    panel.levels[level].tiles.forEach((tile, index) => {
      const { box } = tileInSource(panel, level, tile);
      const visible = seen.touches(box);
      if (around ? visible || !seen.touches(grown(box)) : !visible) return;
      needs.push({ level, index, tile, bytes: bytesOf(tile), role, priority: first + seen.distance(box) });
    });
  };
  if (coarsest !== wanted) add(coarsest, "stand-in", 0, false);
  add(wanted, "wanted", 1, false);
  if (ring) add(wanted, "ring", RING_PRIORITY, true);
  return needs.sort((a, b) => a.priority - b.priority);
}

/**
 * What is there to be drawn now, in the order to paint: where a wanted tile is missing, coarser ones lie under it.
 * @param {Panel} panel
 * @param {Affine} transform
 * @param {Rect} rect device px
 * @param {(level: number, index: number) => boolean} has whether a tile is decoded
 * @param {{most?: number}} [options]
 * @returns {{tiles: {level: number, index: number, tile: Tile, box: Rect, part: Rect}[], complete: boolean, level: number}}
 *   `box` in source px shows `part` of the tile's own; `complete`: nothing but wanted tiles is shown; `level`: the wanted one
 */
export function paintable(panel, transform, rect, has, { most = Infinity } = {}) {
  const scale = Math.min(scaleOf(transform), most);
  const wanted = levelFor(panel, scale);
  const seen = new Seen(transform, rect);
  const visible = (/** @type {number} */ level) =>
    panel.levels[level].tiles
      .map((tile, index) => ({ level, index, tile, ...tileInSource(panel, level, tile) }))
      .filter(({ box }) => seen.touches(box));
  const all = visible(wanted);
  const loaded = all.filter(({ index }) => has(wanted, index));
  if (loaded.length === all.length) return { tiles: loaded, complete: true, level: wanted };
  const under = panel.levels
    .map((level, at) => ({ at, scale: level.scale }))
    .filter((one) => one.scale < panel.levels[wanted].scale)
    .sort((a, b) => a.scale - b.scale)
    .flatMap(({ at }) => visible(at).filter(({ index }) => has(at, index)));
  return { tiles: [...under, ...loaded], complete: false, level: wanted };
}

/**
 * What fits in memory: all that is on the screen before any ring, of all panels together. What is left out is not to
 * be loaded: where it is on the screen, coarser tiles stand in for it.
 * @template {{priority: number, bytes: number}} T
 * @param {T[]} needs of all panels
 * @param {number} [budget] bytes
 * @param {(need: T) => unknown} [key] two needs of one key are one file, and count once
 * @returns {{take: T[], left: T[]}} both lowest priority number first
 */
export function affordable(needs, budget = DECODED_BYTES, key = (need) => need) {
  const counted = new Set();
  /** @type {T[]} */
  const take = [];
  /** @type {T[]} */
  const left = [];
  let bytes = 0;
  for (const need of [...needs].sort((a, b) => a.priority - b.priority)) {
    const own = counted.has(key(need)) ? 0 : need.bytes;
    if (bytes + own > budget) {
      left.push(need);
      continue;
    }
    bytes += own;
    counted.add(key(need));
    take.push(need);
  }
  return { take, left };
}

/** The part of a picture that a panel shows. */
class Seen {
  /**
   * @param {Affine} transform
   * @param {Rect} rect device px
   */
  constructor(transform, rect) {
    this.transform = transform;
    this.rect = rect;
    const back = inverse(transform);
    const corners = cornersOf(rect).map((corner) => mapped(back, corner));
    this.box = boxOf(corners);
    this.middle = mapped(back, [rect.x + rect.w / 2, rect.y + rect.h / 2]);
    this.reach = Math.hypot(corners[0][0] - this.middle[0], corners[0][1] - this.middle[1]);
  }

  /**
   * Exact for rectangles: they are apart if and only if they are apart along a side of one of them.
   * @param {Rect} box source px
   */
  touches(box) {
    return overlap(box, this.box) && overlap(boxOf(cornersOf(box).map((corner) => mapped(this.transform, corner))), this.rect);
  }

  /**
   * @param {Rect} box source px
   * @returns {number} 0 where the box holds the middle, nearer 1 the farther it is
   */
  distance(box) {
    const dx = Math.max(box.x - this.middle[0], 0, this.middle[0] - box.x - box.w);
    const dy = Math.max(box.y - this.middle[1], 0, this.middle[1] - box.y - box.h);
    const away = Math.hypot(dx, dy) / this.reach;
    return away / (1 + away);
  }
}

/**
 * @param {Rect} rect
 * @returns {Point[]}
 */
function cornersOf({ x, y, w, h }) {
  return [
    [x, y],
    [x + w, y],
    [x + w, y + h],
    [x, y + h],
  ];
}

/**
 * @param {Point[]} points
 * @returns {Rect}
 */
function boxOf(points) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, w: Math.max(...xs) - x, h: Math.max(...ys) - y };
}

/**
 * @param {Rect} one
 * @param {Rect} other
 */
function overlap(one, other) {
  return one.x < other.x + other.w && other.x < one.x + one.w && one.y < other.y + other.h && other.y < one.y + one.h;
}

/**
 * A box with room for one more like it on every side.
 * @param {Rect} box
 * @returns {Rect}
 */
function grown({ x, y, w, h }) {
  return { x: x - w, y: y - h, w: 3 * w, h: 3 * h };
}

/**
 * Decoded pictures by their file, the ones unused for longest leaving first. What is pinned is on the screen and stays.
 * @template V
 */
export class Cache {
  /**
   * @param {number} [budget] bytes
   * @param {(value: V, key: string) => void} [drop] frees what leaves, as ImageBitmap.close does
   */
  constructor(budget = DECODED_BYTES, drop = () => {}) {
    this.budget = budget;
    this.bytes = 0;
    this.drop = drop;
    /** @type {Map<string, {value: V, bytes: number}>} the longest unused first */
    this.kept = new Map();
    /** @type {Set<string>} */
    this.pinned = new Set();
  }

  get size() {
    return this.kept.size;
  }

  /**
   * Does not count as use.
   * @param {string} key
   */
  has(key) {
    return this.kept.has(key);
  }

  /**
   * @param {string} key
   * @returns {V | undefined}
   */
  get(key) {
    const found = this.kept.get(key);
    if (!found) return undefined;
    this.kept.delete(key);
    this.kept.set(key, found);
    return found.value;
  }

  /**
   * @param {string} key
   * @param {V} value
   * @param {number} bytes
   * @returns {boolean} false where there was no room for it: it is dropped, and nothing else had to leave
   */
  set(key, value, bytes) {
    const old = this.kept.get(key);
    if (old) {
      this.kept.delete(key);
      this.bytes -= old.bytes;
      if (old.value !== value) this.drop(old.value, key);
    }
    if (!(bytes >= 0 && bytes <= this.budget - this.pinnedBytes())) {
      this.drop(value, key);
      return false;
    }
    this.kept.set(key, { value, bytes });
    this.bytes += bytes;
    for (const oldest of [...this.kept.keys()]) {
      if (this.bytes <= this.budget) break; // at the latest before the new one, which has room beside the pinned
      if (!this.pinned.has(oldest)) this.delete(oldest);
    }
    return true;
  }

  /**
   * What is on the screen, in place of what was.
   * @param {Iterable<string>} keys loaded or not
   */
  pin(keys) {
    this.pinned = new Set(keys);
  }

  /** @param {string} key */
  delete(key) {
    const found = this.kept.get(key);
    if (!found) return;
    this.kept.delete(key);
    this.bytes -= found.bytes;
    this.drop(found.value, key);
  }

  clear() {
    this.pinned.clear();
    for (const key of [...this.kept.keys()]) this.delete(key);
  }

  /** @returns {number} bytes that cannot leave */
  pinnedBytes() {
    let bytes = 0;
    for (const key of this.pinned) bytes += this.kept.get(key)?.bytes ?? 0;
    return bytes;
  }
}
