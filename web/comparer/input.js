// @ts-check
/** Pointer, wheel and keys, from events to what the viewer is asked for. Nothing that it uses reaches the host. */
import { isOurKey, keyAction, wheelAction } from "./view.js";

/** @typedef {import("./geometry.js").Point} Point */
/**
 * @typedef {object} Target
 * @property {() => boolean} busy whether there is something to look at
 * @property {(event: {clientX: number, clientY: number}) => Point} place CSS px of the stage
 * @property {(point: Point | null) => void} hover
 * @property {(dx: number, dy: number, alone: boolean) => void} pan CSS px
 * @property {(factor: number, point: Point | null) => void} zoom
 * @property {(action: string) => void} act
 * @property {() => boolean} escape closes what lies on the panels; false where nothing does
 * @property {() => void} settle a gesture has ended
 * @property {(event: WheelEvent) => void} forward
 * @property {() => boolean} modal whether the viewer fills the screen
 */

const OWN_KEYS = "select, input, textarea, [role=slider]"; // they read arrows and letters themselves

/**
 * @param {HTMLElement} shell the part that takes the focus
 * @param {HTMLElement} canvas
 * @param {Target} target
 * @param {AbortSignal} signal ends it
 */
export function attachInput(shell, canvas, target, signal) {
  /** @type {Map<number, Point>} */
  const down = new Map();
  const { ownerDocument: document } = shell;
  const focused = () => shell.contains(document.activeElement);

  shell.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return; // the middle button pans the graph, the right one has its menu
    event.stopPropagation(); // the node must not be dragged
    const own = /** @type {Element} */ (event.target).closest("button, select, [role=slider], .help");
    if (!own) shell.focus({ preventScroll: true });
    if (event.target !== canvas || !target.busy()) return;
    event.preventDefault(); // no selection of text; the focus is set
    canvas.setPointerCapture(event.pointerId);
    target.hover(target.place(event));
    down.set(event.pointerId, target.place(event));
    canvas.classList.add("dragging");
  }, { signal });

  shell.addEventListener("pointermove", (event) => {
    const was = down.get(event.pointerId);
    if (!was) {
      if (event.target === canvas && event.buttons === 0) target.hover(target.place(event));
      return;
    }
    event.stopPropagation();
    const is = target.place(event);
    const others = [...down].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    down.set(event.pointerId, is);
    if (others.length === 0) target.pan(is[0] - was[0], is[1] - was[1], !event.shiftKey);
    else if (others.length === 1) pinch(others[0], was, is);
  }, { signal });

  /**
   * @param {Point} still
   * @param {Point} was
   * @param {Point} is
   */
  const pinch = (still, was, is) => {
    const apart = (/** @type {Point} */ one) => Math.hypot(one[0] - still[0], one[1] - still[1]);
    target.pan((is[0] - was[0]) / 2, (is[1] - was[1]) / 2, false);
    if (apart(was) > 1) target.zoom(apart(is) / apart(was), [(is[0] + still[0]) / 2, (is[1] + still[1]) / 2]);
  };

  const lift = (/** @type {PointerEvent} */ event) => {
    if (!down.delete(event.pointerId)) return;
    event.stopPropagation();
    if (down.size > 0) return;
    canvas.classList.remove("dragging");
    target.settle();
  };
  for (const name of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) shell.addEventListener(name, lift, { signal });
  shell.addEventListener("dblclick", (event) => event.stopPropagation(), { signal }); // the graph would open its search
  canvas.addEventListener("pointerleave", () => down.size === 0 && target.hover(null), { signal });

  shell.addEventListener("wheel", (event) => {
    const list = /** @type {Element} */ (event.target).closest(".help");
    const factor = target.busy() ? wheelAction(event, focused() || target.modal()) : target.modal() ? 1 : null;
    if (factor === null) return target.forward(event);
    event.stopPropagation();
    if (list && list.scrollHeight > list.clientHeight) return;
    event.preventDefault();
    if (factor !== 1) target.zoom(factor, event.target === canvas ? target.place(event) : null);
  }, { signal, passive: false });

  shell.addEventListener("keydown", (event) => {
    if (target.modal()) event.stopPropagation(); // nothing behind the dialog may act
    const pressed = /** @type {Element} */ (event.target);
    if (event.key === "Escape") {
      if (!target.escape()) return; // the dialog closes by itself
      event.stopPropagation();
      event.preventDefault();
      return;
    }
    const key = plain(event);
    if (!target.busy() || !isOurKey(key)) return;
    event.stopPropagation();
    if (pressed.closest(OWN_KEYS) || (event.key === " " && pressed.closest("button"))) return;
    event.preventDefault(); // no scrolling
    const action = keyAction(key);
    if (action) target.act(action);
  }, { signal });
  shell.addEventListener("keyup", (event) => {
    const action = keyAction(plain(event));
    if (!action) return;
    event.stopPropagation();
    target.act(action);
  }, { signal });
  shell.addEventListener("focusout", (event) => {
    if (!shell.contains(/** @type {Node | null} */ (event.relatedTarget))) target.act("flicker end");
  }, { signal });
}

/**
 * An event's fields stand in its prototype: a spread of it has none.
 * @param {KeyboardEvent} event
 */
function plain({ key, code, type, repeat, shiftKey, ctrlKey, metaKey, altKey, isComposing }) {
  return { key, code, type, repeat, shiftKey, ctrlKey, metaKey, altKey, isComposing };
}
