// @ts-check
/** The edge between two panels that lie on each other: a slider. */
import { make, putAt, setAttribute } from "./dom.js";

const STEP = 0.01; // of the width, for an arrow
const FAR = 0.1; // with Shift, and for the page keys

/**
 * @param {Document} document
 * @param {{share: () => number, move: (share: number) => void, place: (event: PointerEvent) => number, settle: () => void}} target
 *   `place` gives the share of the width where the pointer is
 */
export function createDivider(document, target) {
  const element = make(document, "div", { class: "divider", role: "slider", tabindex: 0, "aria-label": "Divider", "aria-orientation": "horizontal", "aria-valuemin": 0, "aria-valuemax": 100 });
  element.append(make(document, "span", { text: "‹›", "aria-hidden": "true" }));
  let held = false;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.stopPropagation();
    event.preventDefault();
    element.focus({ preventScroll: true });
    element.setPointerCapture(event.pointerId);
    held = true;
  });
  element.addEventListener("pointermove", (event) => {
    if (!held) return;
    event.stopPropagation();
    target.move(target.place(event));
  });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
    element.addEventListener(name, (event) => {
      if (!held) return;
      event.stopPropagation();
      held = false;
      target.settle();
    });
  }
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? FAR : STEP;
    const now = target.share();
    const places = { ArrowLeft: now - step, ArrowDown: now - step, ArrowRight: now + step, ArrowUp: now + step, PageDown: now - FAR, PageUp: now + FAR, Home: 0, End: 1 };
    const next = places[/** @type {keyof typeof places} */ (event.key)];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    target.move(next);
  });
  return {
    element,
    /**
     * @param {{x: number, y: number, w: number, h: number}} rect of the panels, CSS px
     * @param {number} share
     * @param {string} first
     * @param {string} second
     */
    show(rect, share, first, second) {
      putAt(element, { x: rect.x + share * rect.w, y: rect.y, w: 24, h: rect.h });
      setAttribute(element, "aria-valuenow", String(Math.round(share * 100)));
      setAttribute(element, "aria-valuetext", `${Math.round(share * 100)} % ${first}, the rest ${second}`);
    },
  };
}
