// @ts-check
/** A small picture of the whole, with a box around what is seen. */
import { make, putAt } from "./dom.js";
import { ACCENT, FIELD } from "./style.js";
import { coarsestLevel, tileInSource } from "./tiles.js";

/** @typedef {import("./geometry.js").Panel} Panel */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Rect} Rect */

const SHARE = 0.3; // of the panel, at most
const LONGEST = 112; // CSS px
const SHORTEST = 40; // of the longer side: below it, nothing can be seen
const MARGIN = 6;

/**
 * @param {Document} document
 * @param {(source: Point) => void} go centre on this point of the picture
 */
export function createLocator(document, go) {
  const element = make(document, "canvas", { class: "locator", "aria-hidden": "true", title: "What is seen of the whole picture: click to go there" });
  let scale = 1; // CSS px per source px
  const to = (/** @type {PointerEvent} */ event) => {
    const box = element.getBoundingClientRect();
    if (box.width === 0) return;
    const host = box.width / element.offsetWidth; // the host's scale, border and all
    go([((event.clientX - box.left) / host - 1) / scale, ((event.clientY - box.top) / host - 1) / scale]);
  };
  let held = false;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    held = true;
    element.setPointerCapture(event.pointerId);
    to(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (!held) return;
    event.stopPropagation();
    to(event);
  });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) element.addEventListener(name, () => (held = false));
  let drawn = "";
  return {
    element,
    /**
     * @param {Panel} panel
     * @param {Rect} rect of the panel on the stage, CSS px
     * @param {[Point, Point, Point, Point]} seen source px
     * @param {number} device device px per CSS px
     * @param {(level: number, index: number) => ImageBitmap | undefined} bitmap
     */
    show(panel, rect, seen, device, bitmap) {
      const [width, height] = panel.size;
      scale = Math.min(LONGEST / Math.max(width, height), (SHARE * rect.w) / width, (SHARE * rect.h) / height);
      const level = coarsestLevel(panel);
      const tiles = panel.levels[level].tiles.map((tile, index) => ({ tile, picture: bitmap(level, index) }));
      const all = seen.every(([x, y]) => x <= 0 || y <= 0 || x >= width || y >= height) && inside([width / 2, height / 2], seen);
      element.hidden = all || Math.max(width, height) * scale < SHORTEST || tiles.every(({ picture }) => !picture);
      if (element.hidden) return;
      const [w, h] = [width * scale, height * scale];
      putAt(element, { x: rect.x + rect.w - w - MARGIN - 2, y: rect.y + MARGIN, w: w + 2, h: h + 2 });
      const now = JSON.stringify([seen, device, rect, tiles.map(({ tile, picture }) => picture && tile.filename)]);
      if (now === drawn) return;
      drawn = now;
      [element.width, element.height] = [Math.max(1, Math.round(w * device)), Math.max(1, Math.round(h * device))];
      const context = element.getContext("2d");
      if (!context) return;
      context.fillStyle = FIELD;
      context.fillRect(0, 0, element.width, element.height);
      context.setTransform(scale * device, 0, 0, scale * device, 0, 0);
      context.imageSmoothingQuality = "high";
      for (const { tile, picture } of tiles) {
        const { box, part } = tileInSource(panel, level, tile);
        if (picture) context.drawImage(picture, 0, 0, part.w, part.h, box.x, box.y, box.w, box.h);
      }
      const corners = seen.map(([x, y]) => [x * scale * device, y * scale * device]);
      context.setTransform(1, 0, 0, 1, 0, 0);
      for (const [style, wide] of /** @type {const} */ ([["#000", 3], [ACCENT, 1.5]])) {
        [context.strokeStyle, context.lineWidth] = [style, wide * Math.max(1, device)];
        context.beginPath();
        for (const [x, y] of corners) context.lineTo(x, y);
        context.closePath();
        context.stroke();
      }
    },
  };
}

/**
 * @param {Point} point
 * @param {Point[]} corners of a convex shape
 */
function inside([x, y], corners) {
  const sides = corners.map(([x0, y0], at) => {
    const [x1, y1] = corners[(at + 1) % corners.length];
    return (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0;
  });
  return sides.every((one) => one === sides[0]);
}
