// @ts-check
/** What stands under a panel: its label, how large its pixels are shown, and a bar of millimetres. */
import { make, putAt, setAttribute, setText } from "./dom.js";

/** @typedef {import("./geometry.js").Rect} Rect */
/** @typedef {{text: string, width: number}} Ruler `width` in CSS px */
/**
 * @typedef {object} Caption
 * @property {string} title
 * @property {string} subline
 * @property {number} ratio device px per source px
 * @property {number | null} pxPerMm of the source
 * @property {Ruler | null} ruler
 * @property {string} note what else is to be known of what is shown; "" where nothing is
 * @property {boolean} narrow one line, few words
 */

const LENGTHS = [100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01]; // mm
const LONGEST_RULER = 90; // CSS px
const SHORTEST_RULER = 8;

/**
 * The longest round length that has room.
 * @param {number | null} cssPxPerMm
 * @param {boolean} measured whether the scale comes from the picture, not from what eyes usually are apart
 * @param {number} [room] CSS px
 * @returns {Ruler | null}
 */
export function rulerOf(cssPxPerMm, measured, room = LONGEST_RULER) {
  if (cssPxPerMm === null || !(cssPxPerMm > 0)) return null;
  const length = LENGTHS.find((mm) => mm * cssPxPerMm <= room);
  if (length === undefined || length * cssPxPerMm < SHORTEST_RULER) return null;
  return { text: `${measured ? "" : "≈"}${length} mm`, width: length * cssPxPerMm };
}

/** @param {number} ratio */
export function ratioText(ratio) {
  return `${ratio < 0.1 ? ratio.toPrecision(2) : ratio.toFixed(2)}`;
}

/** @param {number} value */
function short(value) {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** @param {Document} document */
export function createCaption(document) {
  const title = make(document, "span", { class: "title" });
  const ruler = make(document, "span", { class: "ruler" });
  const length = make(document, "span");
  const scale = make(document, "span", { class: "scale" }, ruler, length);
  const ratio = make(document, "span");
  const note = make(document, "span", { class: "reduced" });
  const rest = make(document, "span");
  const facts = make(document, "span", { class: "facts" }, ratio, note, rest);
  const first = make(document, "div", {}, title);
  const second = make(document, "div", {}, facts);
  const element = make(document, "div", { class: "caption" }, first, second);
  return {
    element,
    /**
     * @param {Caption} caption
     * @param {Rect} rect CSS px
     */
    show(caption, rect) {
      putAt(element, rect);
      element.classList.toggle("narrow", caption.narrow);
      const home = caption.narrow ? first : second;
      if (facts.parentNode !== home) home.append(facts);
      if (scale.parentNode !== first || scale.nextSibling) first.append(scale);
      second.hidden = caption.narrow;
      setText(title, caption.title);
      setText(ratio, caption.narrow ? `${ratioText(caption.ratio)}×` : `${ratioText(caption.ratio)} device px per source px`);
      ratio.className = caption.narrow && caption.note ? "reduced" : "";
      setText(note, caption.note && !caption.narrow ? ` · ${caption.note}` : "");
      const mm = caption.pxPerMm === null ? "" : ` · ${short(caption.pxPerMm)} px/mm`;
      setText(rest, caption.narrow ? "" : `${mm}${caption.subline && ` · ${caption.subline}`}`);
      const whole = [caption.title, caption.subline, `${ratioText(caption.ratio)} device px per source px${mm}`, caption.note];
      setAttribute(element, "title", whole.filter(Boolean).join("\n"));
      scale.hidden = caption.ruler === null;
      if (caption.ruler) {
        setText(length, caption.ruler.text);
        ruler.style.width = `${caption.ruler.width}px`;
      }
    },
  };
}
