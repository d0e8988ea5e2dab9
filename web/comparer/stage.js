// @ts-check
/** The element that the panels lie on, its canvas, and how large both are in CSS px and in device px. */
import { make, putAt } from "./dom.js";

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Rect} Rect */

const MOST_PX = 2 ** 24; // of the backing store: a graph zoomed in far would ask for hundreds of millions
const MOST_SIDE = 8192;
const UNSCALED = 2e-3; // a scale so near to 1 is none, but sizes that were rounded

export class Stage {
  /**
   * @param {Document} document
   * @param {() => void} changed
   */
  constructor(document, changed) {
    this.window = /** @type {Window & typeof globalThis} */ (document.defaultView);
    this.canvas = make(document, "canvas", { class: "view", role: "img" });
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    this.element = make(document, "div", { class: "stage" }, this.canvas);
    this.dpr = 1;
    this.cssScale = 1;
    this.size = { w: 0, h: 0 }; // whole CSS px
    this.observed = { w: 0, h: 0, deviceW: 0, deviceH: 0 };
    this.observer = new ResizeObserver((entries) => {
      const { contentRect, devicePixelContentBoxSize: [box] = [] } = entries[entries.length - 1];
      this.observed = { w: contentRect.width, h: contentRect.height, deviceW: box?.inlineSize ?? 0, deviceH: box?.blockSize ?? 0 };
      changed();
    });
    try {
      this.observer.observe(this.element, { box: "device-pixel-content-box" });
    } catch {
      this.observer.observe(this.element); // Safari
    }
  }

  /** @returns {number} device px per CSS px */
  get device() {
    return this.dpr * this.cssScale;
  }

  /**
   * Reads the sizes, and gives the canvas as many px as the screen has for it.
   * @param {boolean} unscaled whether it is known that the host does not scale it
   */
  measure(unscaled) {
    const { element, observed, canvas } = this;
    const known = Math.abs(observed.w - element.offsetWidth) <= 1 && Math.abs(observed.h - element.offsetHeight) <= 1;
    const [w, h] = known ? [observed.w, observed.h] : [element.offsetWidth, element.offsetHeight];
    this.dpr = this.window.devicePixelRatio || 1;
    const scale = w > 0 ? element.getBoundingClientRect().width / w : 1;
    this.cssScale = unscaled || Math.abs(scale - 1) < UNSCALED ? 1 : scale;
    const most = Math.min(MOST_SIDE / Math.max(w, h, 1), Math.sqrt(MOST_PX / Math.max(w * h, 1)));
    if (this.device > most) this.cssScale = most / this.dpr;
    this.size = { w: Math.floor(w), h: Math.floor(h) };
    const { device } = this;
    // what the browser says is right to the pixel, where it counts the pixels that we count
    const exact = known && this.cssScale === 1 && Math.abs(observed.deviceW - w * device) <= 1 && Math.abs(observed.deviceH - h * device) <= 1;
    const backing = exact ? [observed.deviceW, observed.deviceH] : [Math.floor(w * device), Math.floor(h * device)];
    if (canvas.width !== backing[0]) canvas.width = backing[0];
    if (canvas.height !== backing[1]) canvas.height = backing[1];
    putAt(canvas, exact ? { x: 0, y: 0, w, h } : { x: 0, y: 0, w: backing[0] / device, h: backing[1] / device });
  }

  /**
   * @param {{clientX: number, clientY: number}} event
   * @returns {Point} CSS px of the stage, before the host scales it
   */
  place({ clientX, clientY }) {
    const box = this.element.getBoundingClientRect();
    const scale = this.element.offsetWidth > 0 ? box.width / this.element.offsetWidth : 1;
    return [(clientX - box.left) / scale, (clientY - box.top) / scale];
  }

  /**
   * @param {Rect} rect CSS px
   * @returns {Rect} whole device px
   */
  toDevice({ x, y, w, h }) {
    const { device } = this;
    const [left, top] = [Math.round(x * device), Math.round(y * device)];
    return { x: left, y: top, w: Math.round((x + w) * device) - left, h: Math.round((y + h) * device) - top };
  }

  destroy() {
    this.observer.disconnect();
  }
}
