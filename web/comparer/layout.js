// @ts-check
/** Where panels and what stands under them lie on the stage. Pure: no DOM. All in CSS px before the host scales them. */
import { places } from "./geometry.js";
import { shownPanels } from "./view.js";

/** @typedef {import("./geometry.js").Payload} Payload */
/** @typedef {import("./geometry.js").View} View */
/** @typedef {import("./geometry.js").Rect} Rect */
/** @typedef {{index: number, rect: Rect, clip: Rect, caption: Rect}} Cell a panel in its place, of which `clip` is seen */

export const CAPTION = 38; // two lines
const LOW_CAPTION = 20; // one line
const GAP = 2; // between panels
const LOW = 150; // panels that would be lower have captions of one line
export const NARROW = 190; // so have narrower ones

/**
 * The places of the panels; one where they lie on each other.
 * @param {Payload} payload
 * @param {View | null} view
 * @param {{w: number, h: number}} stage
 * @returns {Rect[]}
 */
export function rectsOf(payload, view, stage) {
  const count = view && (view.mode !== "grid" || view.solo !== null) ? 1 : payload.panels.length;
  const box = { x: 0, y: 0, ...stage };
  const put = (/** @type {number} */ below) => places(count, box, payload.shape, GAP, below);
  const high = put(CAPTION);
  return high[0].h < LOW || high[0].w < NARROW ? put(LOW_CAPTION) : high;
}

/**
 * @param {Payload} payload
 * @param {View} view
 * @param {{w: number, h: number}} stage
 * @param {number} device device px per CSS px
 * @param {{held?: boolean, hovered?: number}} [now] as shownPanels has it
 * @returns {Cell[]} in their order on the stage
 */
export function cellsOf(payload, view, stage, device, now) {
  const rects = rectsOf(payload, view, stage);
  const below = captionHeight(rects, stage);
  const shown = shownPanels(view, payload, now);
  return shown.map((index, at) => {
    const rect = rects[Math.min(at, rects.length - 1)];
    const caption = { x: rect.x, y: rect.y + rect.h, w: rect.w, h: below };
    const clip = { ...rect };
    if (shown.length > rects.length) {
      const half = Math.floor(rect.w / 2);
      [caption.x, caption.w] = at === 0 ? [rect.x, half] : [rect.x + half, rect.w - half];
    }
    if (view.mode === "divider" && shown.length === 2) {
      // on a whole device px, so that neither panel has a seam
      const edge = Math.round(view.divider * rect.w * device) / device;
      [clip.x, clip.w] = at === 0 ? [rect.x, edge] : [rect.x + edge, rect.w - edge];
    }
    return { index, rect, clip, caption };
  });
}

/**
 * What `places` has left free under the first panel.
 * @param {Rect[]} rects
 * @param {{w: number, h: number}} stage
 */
function captionHeight([first, ...others], stage) {
  const next = others.find((rect) => rect.y > first.y);
  const end = next ? next.y - GAP : stage.h;
  return Math.max(LOW_CAPTION, Math.min(CAPTION, end - first.y - first.h));
}

/**
 * @param {Rect} rect
 * @param {[number, number]} point
 */
export function holds(rect, [x, y]) {
  return x >= rect.x && x < rect.x + rect.w && y >= rect.y && y < rect.y + rect.h;
}
