// @ts-check
/** What the viewer shows, and every way from one view to the next. Pure: a view is plain JSON and never changed in place. */
import { LEAST_NCC, LEAST_SHARE, LOCKS, MODES, MOST_RATIO, RATIOS } from "./constants.js";
import { cssPxPerUnit, devicePxPerSourcePx, faceToSource, middle, pictureExtent, screenToFace, sourceToFace } from "./geometry.js";

/** @typedef {import("./geometry.js").Payload} Payload */
/** @typedef {import("./geometry.js").Panel} Panel */
/** @typedef {import("./geometry.js").View} View */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Rect} Rect */
/**
 * Where a view is seen.
 * @typedef {object} Context
 * @property {Payload} payload
 * @property {Rect} rect of the hovered panel, CSS px
 * @property {number} [dpr] the window's devicePixelRatio
 * @property {number} [cssScale] what the host's canvas scales the element by
 * @property {number} [hovered] the panel under the pointer; without one the first that is shown
 * @property {Point} [point] of the pointer, CSS px in the frame of `rect`; without one the panel's middle
 */
/** @typedef {{key: string, code?: string, type?: string, repeat?: boolean, shiftKey?: boolean, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean, isComposing?: boolean}} KeyLike */
/** @typedef {{deltaX?: number, deltaY?: number, deltaMode?: number, ctrlKey?: boolean}} WheelLike */

const STEP = 0.1; // of the panel, that an arrow pans
const FAR = 5; // times that with Shift; a nudge with Shift is FAR_NUDGE px
const FAR_NUDGE = 10; // source px
const ZOOM_STEP = Math.SQRT2; // of the keys + and -
const WHEEL_STEP = 0.002; // of the logarithm for each px of a wheel: a notch of 100 px is 1.22
const PINCH_STEP = 0.01; // a pinch sends far smaller ones
const MOST_WHEEL = 2; // times, in one event
const LINE_PX = 16;
const PAGE_PX = 400;
const SAME_RATIO = 1e-6; // relative: a ratio that is as good as reached

/** Until a panel's size is known. */
const SOME_RECT = { x: 0, y: 0, w: 320, h: 320 };

/* ---- which panels ------------------------------------------------------------------------------------------- */

/**
 * The panels on the screen, in their order. While Space is held, the other one stands in for the one it is compared with.
 * @param {View} view
 * @param {Payload} payload
 * @param {{held?: boolean, hovered?: number}} [now] `held`: Space is down, or it is the second half of a flicker
 * @returns {number[]} one for each place; in the mode `difference` the two that are subtracted
 */
export function shownPanels(view, payload, { held = false, hovered } = {}) {
  const count = payload.panels.length;
  if (view.solo !== null) return [held ? previousOf(view, view.solo, count) : view.solo];
  if (view.mode === "flicker") return [view.pair[held ? 1 : 0]];
  if (view.mode === "divider" && held) return [view.pair[1], view.pair[1]];
  if (view.mode !== "grid") return [...view.pair];
  const all = payload.panels.map((_, index) => index);
  if (held) {
    const at = hovered !== undefined && hovered in all ? hovered : 0;
    all[at] = previousOf(view, at, count);
  }
  return all;
}

/**
 * What a panel flickers with: its partner of the pair, else the one before it.
 * @param {View} view
 * @param {number} index
 * @param {number} count
 */
export function previousOf(view, index, count) {
  const [i, j] = view.pair;
  if (i !== j && index === i) return j;
  if (i !== j && index === j) return i;
  return (index - 1 + count) % count;
}

/**
 * The panel that a key or a button speaks of.
 * @param {View} view
 * @param {Context} context
 */
function hoveredOf(view, { payload, hovered }) {
  if (view.solo !== null) return view.solo;
  if (hovered !== undefined && hovered >= 0 && hovered < payload.panels.length) return hovered;
  return view.mode === "grid" ? 0 : view.pair[0];
}

/* ---- first view, limits ------------------------------------------------------------------------------------- */

/**
 * @param {Payload} payload
 * @param {Rect} rect of a panel, CSS px
 */
function fitZoom(payload, rect) {
  return Math.min(Math.max(1, rect.w) / payload.shape[0], Math.max(1, rect.h) / payload.shape[1]);
}

/**
 * The region fits the panel.
 * @param {Payload} payload
 * @param {Rect} rect of a panel, CSS px
 * @returns {View}
 */
export function defaultView(payload, rect) {
  return {
    lock: "face",
    centre: [0, 0],
    zoom: fitZoom(payload, rect),
    mode: "grid",
    solo: null,
    divider: 0.5,
    pair: [0, Math.min(1, payload.panels.length - 1)],
    offsets: payload.panels.map(() => /** @type {Point} */ ([0, 0])),
    revealed: false,
  };
}

/**
 * The zooms that are allowed. Down to where every whole picture fits in a third of its panel, up to where the
 * richest picture shows each pixel as MOST_RATIO device px: a poorer one is as large, so its pixels are larger.
 * The region always fits, and 1:1 is always in reach.
 * @param {View} view
 * @param {Context} context
 * @returns {{least: number, most: number}} in what `view.zoom` counts
 */
export function zoomLimits(view, context) {
  const { payload, rect, dpr = 1, cssScale = 1 } = context;
  const fit = fitZoom(payload, rect);
  /** @type {number[]} */
  const low = [];
  /** @type {number[]} */
  const high = [];
  for (const panel of payload.panels) {
    const device = dpr * cssScale;
    const ratio = view.lock === "pixel" ? 1 : panel.unit / device; // zoom at one device px per source px
    const own = view.lock === "pixel" ? device / panel.unit : 1; // zoom at one CSS px per unit
    const [w, h] = pictureExtent(panel);
    const whole = LEAST_SHARE * Math.min(Math.max(1, rect.w) / w, Math.max(1, rect.h) / h);
    low.push(own * Math.min(whole, fit), ratio);
    high.push(MOST_RATIO * ratio, own * fit);
  }
  return { least: Math.min(...low), most: Math.max(...high) };
}

/**
 * @param {View} view
 * @param {Context} context
 * @returns {View}
 */
export function limited(view, context) {
  const { least, most } = zoomLimits(view, context);
  const zoom = Math.min(most, Math.max(least, view.zoom));
  return clampCentre(zoom === view.zoom ? view : { ...view, zoom }, context);
}

/**
 * Keeps some picture in the middle, so that nobody pans into nothing: a middle outside all pictures that are
 * shown moves to the nearest point of one.
 * @param {View} view
 * @param {Context} context
 * @returns {View}
 */
export function clampCentre(view, { payload }) {
  /** @type {Point | null} */
  let best = null;
  let least = Infinity;
  for (const index of new Set(shownPanels(view, payload))) {
    const panel = payload.panels[index];
    const [u, v] = middle(view, index);
    const [x, y] = faceToSource(panel, [u, v]);
    const inside = /** @type {Point} */ ([clamp(x, 0, panel.size[0]), clamp(y, 0, panel.size[1])]);
    if (inside[0] === x && inside[1] === y) return view;
    const [nu, nv] = sourceToFace(panel, inside);
    const away = Math.hypot(nu - u, nv - v);
    if (away < least) {
      least = away;
      best = [view.centre[0] + nu - u, view.centre[1] + nv - v];
    }
  }
  return best ? { ...view, centre: best } : view;
}

/* ---- pan and zoom ------------------------------------------------------------------------------------------- */

/**
 * The pictures follow the pointer.
 * @param {View} view
 * @param {number} dx CSS px
 * @param {number} dy CSS px
 * @param {Context} context
 * @param {boolean} [alone] in the lock `free`: only the hovered panel moves
 * @returns {View}
 */
export function pan(view, dx, dy, context, alone = false) {
  const index = hoveredOf(view, context);
  const per = cssPxPerUnit(context.payload.panels[index], view, context.dpr, context.cssScale);
  if (alone && view.lock === "free") return moved(view, index, -dx / per, -dy / per);
  return clampCentre({ ...view, centre: [view.centre[0] - dx / per, view.centre[1] - dy / per] }, context);
}

/**
 * The face point under the pointer stays there, unless the middle would leave the pictures.
 * @param {View} view
 * @param {number} factor
 * @param {Context} context
 * @returns {View}
 */
export function zoomAt(view, factor, context) {
  const { least, most } = zoomLimits(view, context);
  const zoom = clamp(view.zoom * factor, least, most);
  if (!Number.isFinite(zoom) || zoom === view.zoom) return view;
  const next = { ...view, zoom };
  if (!context.point) return next;
  const before = underPointer(view, context);
  const after = underPointer(next, context);
  next.centre = [view.centre[0] + before[0] - after[0], view.centre[1] + before[1] - after[1]];
  return clampCentre(next, context);
}

/**
 * @param {View} view
 * @param {Context} context with a point
 */
function underPointer(view, context) {
  const index = hoveredOf(view, context);
  const point = /** @type {Point} */ (context.point);
  return screenToFace(context.payload.panels[index], view, index, context.rect, point, context.dpr, context.cssScale);
}

/**
 * So many device px for each source px of the hovered panel.
 * @param {View} view
 * @param {number} ratio
 * @param {Context} context
 * @returns {View}
 */
export function zoomTo(view, ratio, context) {
  return zoomAt(view, ratio / ratioOf(view, context), context);
}

/**
 * @param {View} view
 * @param {Context} context
 * @returns {number} device px per source px of the hovered panel
 */
export function ratioOf(view, context) {
  return devicePxPerSourcePx(context.payload.panels[hoveredOf(view, context)], view, context.dpr, context.cssScale);
}

/**
 * What the key Z goes to: 1:1, from there 2:1, 4:1 and back.
 * @param {number} ratio now
 */
export function nextRatio(ratio) {
  const at = RATIOS.findIndex((one) => Math.abs(ratio / one - 1) <= SAME_RATIO);
  return RATIOS[(at + 1) % RATIOS.length];
}

/**
 * The region fits again; lock, mode and offsets stay.
 * @param {View} view
 * @param {Context} context
 * @returns {View}
 */
export function fit(view, context) {
  const { payload, rect, dpr = 1, cssScale = 1 } = context;
  const zoom = fitZoom(payload, rect);
  // in the lock `pixel` the region of the panel with the most pixels decides: the others' are smaller
  const most = Math.max(...payload.panels.map((panel) => panel.unit));
  return { ...view, centre: [0, 0], zoom: view.lock === "pixel" ? (zoom * dpr * cssScale) / most : zoom };
}

/* ---- lock --------------------------------------------------------------------------------------------------- */

/**
 * The first panel goes on showing what it shows.
 * @param {View} view
 * @param {View["lock"]} lock
 * @param {Context} context
 * @returns {View}
 */
export function setLock(view, lock, context) {
  if (lock === view.lock || !LOCKS.includes(lock)) return view;
  const { payload, dpr = 1, cssScale = 1 } = context;
  const first = payload.panels[0];
  const next = { ...view, lock };
  if (lock === "pixel") next.zoom = devicePxPerSourcePx(first, view, dpr, cssScale);
  else if (view.lock === "pixel") next.zoom = cssPxPerUnit(first, view, dpr, cssScale);
  const [before, after] = [middle(view, 0), middle(next, 0)];
  if (before[0] !== after[0] || before[1] !== after[1]) {
    next.centre = [view.centre[0] + before[0] - after[0], view.centre[1] + before[1] - after[1]];
  }
  return next;
}

/**
 * @param {View} view
 * @param {Context} context
 * @returns {View}
 */
export function cycleLock(view, context) {
  return setLock(view, LOCKS[(LOCKS.indexOf(view.lock) + 1) % LOCKS.length], context);
}

/**
 * In the lock `free`, the hovered panel's picture moves by source pixels: right and down are positive.
 * @param {View} view
 * @param {number} dx source px
 * @param {number} dy source px
 * @param {Context} context
 * @returns {View}
 */
export function nudge(view, dx, dy, context) {
  if (view.lock !== "free") return view;
  const index = hoveredOf(view, context);
  const { unit } = context.payload.panels[index];
  return moved(view, index, -dx / unit, -dy / unit);
}

/**
 * @param {View} view
 * @param {number} index
 * @param {number} du
 * @param {number} dv
 * @returns {View}
 */
function moved(view, index, du, dv) {
  const offsets = view.offsets.map((offset, at) => (at === index ? /** @type {Point} */ ([offset[0] + du, offset[1] + dv]) : offset));
  return { ...view, offsets };
}

/**
 * Takes the offsets of the lock `free` back.
 * @param {View} view
 * @returns {View}
 */
export function rejoin(view) {
  return { ...view, offsets: view.offsets.map(() => /** @type {Point} */ ([0, 0])) };
}

/* ---- mode --------------------------------------------------------------------------------------------------- */

/**
 * Why two panels have no difference.
 * @param {Payload} payload
 * @param {number} index of the one that is compared with the first
 * @returns {string | null} null where they have one
 */
export function unregistered(payload, index) {
  const found = payload.registered[index];
  if (!found) return "not registered: nothing is known of how these panels lie on each other. Run the node again";
  if (found.reason !== null) return found.reason;
  if (found.ncc === null) return "not registered: a panel is of one tone";
  return found.ncc > LEAST_NCC ? null : `not registered: NCC ${found.ncc.toFixed(2)} after alignment, ${LEAST_NCC} is needed`;
}

/**
 * @param {View} view
 * @param {View["mode"]} mode
 * @param {Payload} payload
 * @param {number} [hovered] the panel that a difference is wanted of
 * @returns {{view: View, reason: string | null}} the view as it was, and why, where the mode is not possible
 */
export function setMode(view, mode, payload, hovered) {
  if (!MODES.includes(mode)) return { view, reason: "There is no such mode." };
  const count = payload.panels.length;
  if (mode === "grid") return { view: { ...view, mode, solo: null }, reason: null };
  if (count < 2) return { view, reason: `The mode ${mode} needs two panels.` };
  let pair = view.pair;
  if (mode === "difference") {
    // registration is against the first panel, so every difference is one from it
    const others = payload.panels.map((_, index) => index).slice(1);
    const named = [view.solo, hovered].find((one) => others.includes(/** @type {number} */ (one)));
    const usual = pair[0] === 0 ? pair[1] : pair[0];
    const choice = /** @type {number[]} */ (typeof named === "number" ? [named] : [usual, ...others].filter((one) => one > 0));
    const other = choice.find((one) => unregistered(payload, one) === null);
    if (other === undefined) return { view, reason: unregistered(payload, choice[0]) };
    pair = [0, other];
  } else if (pair[0] === pair[1]) {
    pair = [pair[0], (pair[0] + 1) % count];
  }
  return { view: { ...view, mode, solo: null, pair }, reason: null };
}

/**
 * Shows one panel alone, and all again when it is asked for twice. The one before it becomes its partner.
 * @param {View} view
 * @param {number | null} index
 * @param {Payload} payload
 * @returns {View}
 */
export function solo(view, index, payload) {
  if (index === null || index === view.solo) return { ...view, solo: null, mode: "grid" };
  if (!Number.isInteger(index) || index < 0 || index >= payload.panels.length) return view;
  const before = view.solo ?? (index === view.pair[0] ? view.pair[1] : view.pair[0]);
  return { ...view, solo: index, mode: "grid", pair: before === index ? view.pair : [before, index] };
}

/**
 * Which two the modes divider, flicker and difference show.
 * @param {View} view
 * @param {number} first
 * @param {number} second
 * @param {Payload} payload
 * @returns {{view: View, reason: string | null}}
 */
export function setPair(view, first, second, payload) {
  const known = (/** @type {number} */ one) => Number.isInteger(one) && one >= 0 && one < payload.panels.length;
  if (!known(first) || !known(second) || first === second) return { view, reason: "Choose two different panels." };
  if (view.mode === "difference") {
    const reason = first === 0 ? unregistered(payload, second) : "A difference is one from the first panel.";
    if (reason !== null) return { view, reason };
  }
  return { view: { ...view, pair: [first, second] }, reason: null };
}

/**
 * @param {View} view
 * @param {number} share 0..1 of the width
 * @returns {View}
 */
export function setDivider(view, share) {
  return Number.isFinite(share) ? { ...view, divider: clamp(share, 0, 1) } : view;
}

/**
 * @param {View} view
 * @param {boolean} [revealed]
 * @returns {View}
 */
export function reveal(view, revealed = true) {
  return { ...view, revealed };
}

/**
 * What stands under a panel.
 * @param {View} view
 * @param {Payload} payload
 * @param {number} index
 * @returns {string}
 */
export function labelOf(view, payload, index) {
  const { label, name } = payload.panels[index];
  if (!payload.blind || !view.revealed || name === label) return label;
  return `${label}: ${name}`;
}

/* ---- keys and wheel ----------------------------------------------------------------------------------------- */

/** @type {Record<string, string>} */
const KEYS = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
  "+": "zoom in",
  "=": "zoom in",
  "-": "zoom out",
  _: "zoom out",
  0: "fit",
  z: "ratio",
  l: "lock",
  d: "difference",
  b: "blind",
  r: "reveal",
  s: "save",
  "?": "help",
  " ": "flicker",
};
const REPEATING = new Set(["left", "right", "up", "down", "zoom in", "zoom out"]);

/**
 * What a key asks for. The texture map (T) and the spectra (F) do not exist here.
 * @param {KeyLike} event of keydown, or keyup for the end of a flicker
 * @returns {string | null} null: not ours, leave it to the host
 */
export function keyAction(event) {
  if (typeof event.key !== "string") return null; // autofill sends such events
  if (event.type === "keyup") return event.key === " " ? "flicker end" : null; // also while Ctrl is down
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  let action = Object.hasOwn(KEYS, letter) ? KEYS[letter] : null;
  let digit = /^[1-9]$/.exec(letter)?.[0];
  if (action === null && !digit && event.code) {
    // letters of another script, and digits of a keyboard where they need Shift
    const place = /^(Key|Digit)(.)$/.exec(event.code);
    if (place?.[1] === "Key" && event.key.length === 1 && event.key > "\x7f") action = KEYS[place[2].toLowerCase()] ?? null;
    else if (place?.[1] === "Digit" && !event.shiftKey) [action, digit] = [place[2] === "0" ? "fit" : null, /[1-9]/.exec(place[2])?.[0]];
  }
  if (digit) action = `solo ${digit}`;
  if (action === null || (event.repeat && !REPEATING.has(action))) return null;
  return event.shiftKey && /^(left|right|up|down)$/.test(action) ? `${action} far` : action;
}

/**
 * Whether a key is one of the viewer's, though a repeat of it does nothing: then the host must not act on it either.
 * @param {KeyLike} event
 */
export function isOurKey(event) {
  return keyAction({ ...event, repeat: false, type: "keydown" }) !== null;
}

/** @type {Record<string, Point>} */
const ARROWS = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };

/**
 * The view after an action of `keyAction`. Those that do not change the view (save, help, flicker) leave it.
 * Arrows move the view over the face; in the lock `free` they move the hovered picture by one source pixel.
 * @param {View} view
 * @param {string} action
 * @param {Context} context
 * @returns {View}
 */
export function apply(view, action, context) {
  const [name, detail] = action.split(" ");
  if (Object.hasOwn(ARROWS, name)) {
    const [x, y] = ARROWS[name];
    const far = detail === "far";
    if (view.lock === "free") return nudge(view, x * (far ? FAR_NUDGE : 1), y * (far ? FAR_NUDGE : 1), context);
    const step = STEP * (far ? FAR : 1);
    return pan(view, -x * step * context.rect.w, -y * step * context.rect.h, context);
  }
  switch (name) {
    case "zoom":
      return zoomAt(view, detail === "in" ? ZOOM_STEP : 1 / ZOOM_STEP, context);
    case "fit":
      return fit(view, context);
    case "ratio":
      return zoomTo(view, nextRatio(ratioOf(view, context)), context);
    case "lock":
      return cycleLock(view, context);
    case "solo":
      return solo(view, Number(detail) - 1, context.payload);
    case "difference":
      return toggledDifference(view, context).view;
    case "blind":
      return context.payload.blind ? reveal(view, false) : view;
    case "reveal":
      return context.payload.blind ? reveal(view) : view;
    default:
      return view;
  }
}

/**
 * Why an action does nothing, for the live region.
 * @param {View} view
 * @param {string} action
 * @param {Context} context
 * @returns {string | null} null where it does something
 */
export function refusal(view, action, context) {
  const { payload } = context;
  const [name, detail] = action.split(" ");
  if (name === "difference") return toggledDifference(view, context).reason;
  if (name === "solo" && Number(detail) > payload.panels.length) return `There are ${payload.panels.length} panels.`;
  if ((name === "blind" || name === "reveal") && !payload.blind) {
    return "This comparison is not blind. Switch blind on in the node and run it: it draws the order.";
  }
  if (action === "flicker" && payload.panels.length < 2) return "A flicker needs two panels.";
  return null;
}

/**
 * @param {View} view
 * @param {Context} context
 */
function toggledDifference(view, { payload, hovered }) {
  return setMode(view, view.mode === "difference" ? "grid" : "difference", payload, hovered);
}

/**
 * How much a turn of the wheel, or a pinch, zooms.
 * @param {WheelLike} event
 * @param {boolean} focused whether the viewer has the focus
 * @returns {number | null} null: the wheel is the canvas's, pass it on; 1: ours, and nothing to do
 */
export function wheelAction(event, focused) {
  if (!focused) return null;
  const { deltaX = 0, deltaY = 0, deltaMode = 0, ctrlKey = false } = event;
  if (!Number.isFinite(deltaY) || Math.abs(deltaX) > Math.abs(deltaY)) return 1; // sideways: a trackpad's slip
  const px = deltaY * (deltaMode === 1 ? LINE_PX : deltaMode === 2 ? PAGE_PX : 1);
  return clamp(Math.exp(-px * (ctrlKey ? PINCH_STEP : WHEEL_STEP)), 1 / MOST_WHEEL, MOST_WHEEL);
}

/* ---- stored views ------------------------------------------------------------------------------------------- */

/**
 * A valid view from anything: a workflow may be old, or written by somebody else. What is not valid falls back.
 * @param {unknown} stored
 * @param {Payload} payload
 * @param {Rect} [rect] of a panel, CSS px; `limited` brings the zoom into its limits once it is known
 * @returns {View}
 */
export function sanitise(stored, payload, rect = SOME_RECT) {
  const given = /** @type {Record<string, unknown>} */ (stored !== null && typeof stored === "object" ? stored : {});
  const view = defaultView(payload, rect);
  const count = payload.panels.length;
  const zoom = given.zoom;
  if (LOCKS.includes(/** @type {any} */ (given.lock)) && positive(zoom)) {
    // zoom and lock belong together: one without the other says nothing
    view.lock = /** @type {View["lock"]} */ (given.lock);
    view.zoom = /** @type {number} */ (zoom);
  }
  view.centre = pointOf(given.centre) ?? view.centre;
  if (number(given.divider)) view.divider = clamp(/** @type {number} */ (given.divider), 0, 1);
  if (Array.isArray(given.pair) && given.pair.length === 2 && given.pair.every((one) => isPanel(one, count)) && given.pair[0] !== given.pair[1]) {
    view.pair = [given.pair[0], given.pair[1]];
  }
  if (Array.isArray(given.offsets)) {
    const offsets = given.offsets;
    view.offsets = view.offsets.map((none, index) => pointOf(offsets[index]) ?? none);
  }
  view.revealed = given.revealed === true;
  const made = setMode(view, /** @type {View["mode"]} */ (given.mode), payload).view;
  if (made.mode === "grid" && isPanel(given.solo, count)) return { ...made, solo: /** @type {number} */ (given.solo) };
  return made;
}

/**
 * The view of a new run from that of the last: what is looked at stays. The names of a blind comparison are hidden
 * again, and an offset stays only where the picture lies as it did.
 * @param {unknown} stored view of the last run
 * @param {Payload} from
 * @param {Payload} to
 * @param {Rect} [rect]
 * @returns {View}
 */
export function carried(stored, from, to, rect = SOME_RECT) {
  const view = sanitise(stored, to, rect);
  const names = (/** @type {Payload} */ { blind, panels }) => JSON.stringify([blind, panels.map(({ label, name }) => [label, name])]);
  if (from.sha !== to.sha || names(from) !== names(to)) view.revealed = false;
  if (from.sha === to.sha) return view;
  if (from.panels.length !== to.panels.length) [view.solo, view.mode] = [null, "grid"];
  const stays = (/** @type {Panel | undefined} */ was, /** @type {Panel} */ is) =>
    was && !from.blind && !to.blind && was.unit === is.unit && was.turn === is.turn && String(was.centre) === String(is.centre);
  view.offsets = view.offsets.map((offset, index) => (stays(from.panels[index], to.panels[index]) ? offset : [0, 0]));
  if (from.region !== to.region || String(from.shape) !== String(to.shape)) {
    const { lock, centre, zoom } = defaultView(to, rect);
    Object.assign(view, { lock, centre, zoom });
  }
  return view;
}

/** @param {unknown} value */
function number(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** @param {unknown} value */
function positive(value) {
  return number(value) && /** @type {number} */ (value) >= 1e-6 && /** @type {number} */ (value) <= 1e9;
}

/**
 * @param {unknown} value
 * @param {number} count
 */
function isPanel(value, count) {
  return Number.isInteger(value) && /** @type {number} */ (value) >= 0 && /** @type {number} */ (value) < count;
}

/**
 * @param {unknown} value
 * @returns {Point | null}
 */
function pointOf(value) {
  if (!Array.isArray(value) || value.length !== 2 || !value.every((one) => number(one) && Math.abs(one) <= 1e6)) return null;
  return [value[0], value[1]];
}

/**
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
