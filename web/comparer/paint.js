// @ts-check
/** Puts panels on a 2D canvas, in device px. Knows canvases, no other DOM. */
import { inverse, mapped, scaleOf } from "./geometry.js";
import { coarsestLevel, paintable, tileInSource } from "./tiles.js";

/** @typedef {import("./geometry.js").Panel} Panel */
/** @typedef {import("./geometry.js").Affine} Affine */
/** @typedef {import("./geometry.js").Rect} Rect */
/** @typedef {(panel: Panel, level: number, index: number) => ImageBitmap | undefined} Bitmaps */
/** @typedef {CanvasRenderingContext2D} Context */
/**
 * @typedef {object} Part
 * @property {Panel} panel
 * @property {Affine} transform source px to device px
 * @property {Rect} clip device px, whole ones
 * @property {number} most the share of the source's px that is shown; below 1 in the lock `level` alone
 */

const ONE = 1 - 1e-6; // a ratio that is as good as 1:1
const HALF = 0.5 * ONE;
const APRON = 2; // px of a level around what is seen, for the smoothing kernel

/**
 * @param {Context} context
 * @param {Part} part
 * @param {Bitmaps} bitmaps
 * @param {(number: number) => HTMLCanvasElement} scratch canvases to work on
 * @returns {{complete: boolean, level: number}} `complete`: nothing stands in for what is not loaded
 */
export function paintPanel(context, part, bitmaps, scratch) {
  const { panel, transform, clip, most } = part;
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.beginPath();
  context.rect(clip.x, clip.y, clip.w, clip.h);
  context.clip();
  const found = most < ONE && scaleOf(transform) > most ? paintLevelled(context, part, bitmaps, scratch(0)) : paintTiles(context, part, bitmaps);
  context.restore();
  return found;
}

/**
 * @param {Context} context
 * @param {Part} part
 * @param {Bitmaps} bitmaps
 */
function paintTiles(context, { panel, transform, clip, most }, bitmaps) {
  const { tiles, complete, level } = paintable(panel, transform, clip, (at, index) => bitmaps(panel, at, index) !== undefined, { most });
  const scale = scaleOf(transform);
  const seen = seenBox(transform, clip);
  context.setTransform(transform.a, transform.b, transform.c, transform.d, transform.e, transform.f);
  const whole = Number.isInteger(transform.a) && transform.b === 0;
  const coarsest = coarsestLevel(panel);
  if (complete && tiles.length > 1 && !whole && level !== coarsest) {
    // where two tiles meet inside a device pixel some browsers let the ground shine through: let it be the picture
    panel.levels[coarsest].tiles.forEach((tile, index) => {
      const bitmap = bitmaps(panel, coarsest, index);
      context.imageSmoothingEnabled = true;
      if (bitmap) paintTile(context, bitmap, { ...tileInSource(panel, coarsest, tile), seen, scale: panel.levels[coarsest].scale });
    });
  }
  for (const one of tiles) {
    const bitmap = bitmaps(panel, one.level, one.index);
    if (!bitmap) continue;
    // true pixels are squares; a stand-in is not made of true pixels, and is better soft
    context.imageSmoothingEnabled = scale < ONE || one.level !== level;
    // down to a half a bilinear kernel reads every pixel, and is sharper and faster than the browsers' better ones
    context.imageSmoothingQuality = scale < HALF * panel.levels[one.level].scale ? "high" : "low";
    paintTile(context, bitmap, { ...one, seen, scale: panel.levels[one.level].scale });
  }
  return { complete, level };
}

/**
 * Only what is seen of a tile: at 64:1 a whole one would be 131072 px wide.
 * @param {Context} context
 * @param {ImageBitmap} bitmap
 * @param {{box: Rect, part: Rect, seen: Rect, scale: number}} tile
 */
function paintTile(context, bitmap, { box, part, seen, scale }) {
  const left = Math.max(0, Math.floor((seen.x - box.x) * scale) - APRON);
  const top = Math.max(0, Math.floor((seen.y - box.y) * scale) - APRON);
  const right = Math.min(part.w, Math.ceil((seen.x + seen.w - box.x) * scale) + APRON);
  const bottom = Math.min(part.h, Math.ceil((seen.y + seen.h - box.y) * scale) + APRON);
  if (right <= left || bottom <= top) return;
  const [w, h] = [right - left, bottom - top];
  context.drawImage(bitmap, left, top, w, h, box.x + left / scale, box.y + top / scale, w / scale, h / scale);
}

/**
 * The lock `level`: the picture is reduced to what the poorest one has of the face, then shown as large as that one.
 * @param {Context} context
 * @param {Part} part
 * @param {Bitmaps} bitmaps
 * @param {HTMLCanvasElement} scratch
 */
function paintLevelled(context, { panel, transform, clip, most }, bitmaps, scratch) {
  const seen = seenBox(transform, clip);
  const limit = panel.size.map((side) => Math.ceil(side * most));
  const [left, top] = [Math.max(0, Math.floor(seen.x * most)), Math.max(0, Math.floor(seen.y * most))];
  const w = Math.min(limit[0], Math.ceil((seen.x + seen.w) * most)) - left;
  const h = Math.min(limit[1], Math.ceil((seen.y + seen.h) * most)) - top;
  const inner = scratch.getContext("2d");
  if (w < 1 || h < 1 || !inner) return { complete: true, level: 0 };
  [scratch.width, scratch.height] = [w, h]; // which clears it
  const reduce = { a: most, b: 0, c: 0, d: most, e: -left, f: -top };
  const found = paintTiles(inner, { panel, transform: reduce, clip: { x: 0, y: 0, w, h }, most }, bitmaps);
  context.setTransform(transform.a, transform.b, transform.c, transform.d, transform.e, transform.f);
  context.imageSmoothingEnabled = scaleOf(transform) < most * ONE;
  context.imageSmoothingQuality = "high";
  context.drawImage(scratch, 0, 0, w, h, left / most, top / most, w / most, h / most);
  return found;
}

/**
 * |first - second| x 4, where both have a picture; black elsewhere.
 * @param {Context} context
 * @param {Part} first
 * @param {Part} second
 * @param {Bitmaps} bitmaps
 * @param {(number: number) => HTMLCanvasElement} scratch canvases to work on
 */
export function paintDifference(context, first, second, bitmaps, scratch) {
  const { clip } = first;
  const side = scratch(1);
  [side.width, side.height] = [clip.w, clip.h];
  const inner = side.getContext("2d");
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "#000";
  context.fillRect(clip.x, clip.y, clip.w, clip.h);
  outline(context, first);
  outline(context, second);
  const one = paintPanel(context, first, bitmaps, scratch);
  let other = one;
  if (inner) {
    // apart, because a stand-in and what lies on it must not be subtracted both
    const { a, b, c, d, e, f } = second.transform;
    const moved = { a, b, c, d, e: e - clip.x, f: f - clip.y };
    other = paintPanel(inner, { ...second, transform: moved, clip: { x: 0, y: 0, w: clip.w, h: clip.h } }, bitmaps, scratch);
    context.globalCompositeOperation = "difference";
    context.drawImage(side, clip.x, clip.y);
    context.globalCompositeOperation = "lighter"; // twice its own sum is four times itself
    context.imageSmoothingEnabled = false;
    for (let doubled = 0; doubled < 2; doubled++) {
      context.drawImage(context.canvas, clip.x, clip.y, clip.w, clip.h, clip.x, clip.y, clip.w, clip.h);
    }
  }
  context.restore();
  return { complete: one.complete && other.complete, level: Math.max(one.level, other.level) };
}

/**
 * @param {Context} context
 * @param {Part} part
 */
function outline(context, { panel, transform }) {
  const [w, h] = panel.size;
  context.beginPath();
  for (const corner of /** @type {[number, number][]} */ ([[0, 0], [w, 0], [w, h], [0, h]])) context.lineTo(...mapped(transform, corner));
  context.closePath();
  context.clip();
}

/**
 * @param {Affine} transform
 * @param {Rect} clip
 * @returns {Rect} source px, the box around what is seen
 */
function seenBox(transform, { x, y, w, h }) {
  const back = inverse(transform);
  const corners = /** @type {[number, number][]} */ ([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]).map((corner) => mapped(back, corner));
  const [xs, ys] = [corners.map((one) => one[0]), corners.map((one) => one[1])];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return { x: left, y: top, w: Math.max(...xs) - left, h: Math.max(...ys) - top };
}
