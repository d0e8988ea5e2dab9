// @ts-check
/** Small helpers to build DOM. Text goes through textContent alone. */

const SVG = "http://www.w3.org/2000/svg";

/** Icons of 16x16, drawn as strokes: no font, no file. */
const ICONS = {
  full: "M2 6V2h4 M10 2h4v4 M14 10v4h-4 M6 14H2v-4",
  close: "M6 2v4H2 M14 6h-4V2 M10 14v-4h4 M2 10h4v4",
  save: "M8 2v8 M4.5 7 8 10.5 11.5 7 M2.5 11v3h11v-3",
  help: "M5.5 5.8a2.5 2.5 0 1 1 3.6 2.2C8.3 8.4 8 8.9 8 10 M8 12.4v1",
  play: "M4.5 2.8v10.4L13 8z",
  pause: "M5.5 3v10 M10.5 3v10",
  reveal: "M1.5 8C4 4 12 4 14.5 8 12 12 4 12 1.5 8z M8 6.2a1.8 1.8 0 1 0 .01 0z",
};

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {Document} document
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null>} [given] attributes; `text` is the text, null leaves one out
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(document, tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null) continue;
    if (name === "text") made.textContent = String(value);
    else made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

/**
 * @param {Document} document
 * @param {keyof typeof ICONS} name
 */
export function icon(document, name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 16 16", width: "14", height: "14", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * Writes only what is new: a write costs a layout, and a screen reader may read it again.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string | null} value null takes it away
 */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/**
 * @param {HTMLElement} element
 * @param {{x: number, y: number, w: number, h: number}} rect CSS px
 */
export function putAt(element, { x, y, w, h }) {
  const { style } = element;
  const sides = { left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px` };
  for (const [name, value] of Object.entries(sides)) {
    if (style.getPropertyValue(name) !== value) style.setProperty(name, value);
  }
}
