// @ts-check
/** What the panel shows, and every way from one state to the next. Pure: a state is plain JSON and never changed in place. */
import { isOffered, panelOf, sameTakes, takeOf } from "./cast.js";
import { FIRST_TOGETHER, MOST_TOGETHER } from "./constants.js";

/** @typedef {import("./cast.js").Cast} Cast */
/** @typedef {import("./cast.js").Take} Take */
/** @typedef {import("../comparer/geometry.js").Payload} Payload */
/** @typedef {import("../comparer/geometry.js").View} View */
/**
 * @typedef {object} State
 * @property {number | null} chosen the take that would be locked
 * @property {number | null} before the one that was chosen before it
 * @property {number[]} together takes in the loupe, the latest last
 * @property {boolean} alone whether the loupe shows the chosen one alone
 * @property {boolean} blind
 * @property {boolean} revealed whether names are shown though the order is blind
 * @property {number} seed of the blind order
 */
/** @typedef {{model: string, takes: Take[], rejected: Take[]}} Row `model` is "" where names are hidden, or the order is */

const SEEDS = 2 ** 32;

/**
 * Whether model names, figures and ranks are hidden.
 * @param {State} state
 */
export function isHidden({ blind, revealed }) {
  return blind && !revealed;
}

/* ---- order and names ---------------------------------------------------------------------------------------- */

/**
 * The same order for the same seed.
 * @template T
 * @param {readonly T[]} list
 * @param {number} seed whole
 * @returns {T[]}
 */
export function permuted(list, seed) {
  const made = [...list];
  let now = seed >>> 0;
  const next = () => {
    // mulberry32
    now = (now + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(now ^ (now >>> 15), now | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / SEEDS;
  };
  for (let last = made.length - 1; last > 0; last -= 1) {
    const other = Math.floor(next() * (last + 1));
    [made[last], made[other]] = [made[other], made[last]];
  }
  return made;
}

/**
 * The takes as they are shown, grouped by model; in blind order all in one row, and only those that are offered.
 * @param {Cast} cast
 * @param {State} state
 * @returns {Row[]}
 */
export function rowsOf(cast, state) {
  if (state.blind) {
    const takes = permuted(cast.takes.filter(isOffered), state.seed);
    return takes.length > 0 ? [{ model: "", takes, rejected: [] }] : [];
  }
  /** @type {Map<string, Row>} */
  const rows = new Map();
  for (const take of cast.takes) {
    const row = rows.get(take.model) ?? { model: take.model || "no name", takes: [], rejected: [] };
    rows.set(take.model, row);
    row.takes.push(take);
    if (!isOffered(take)) row.rejected.push(take);
  }
  return [...rows.values()];
}

/**
 * The offered takes in the order in which they are shown.
 * @param {Cast} cast
 * @param {State} state
 * @returns {number[]}
 */
export function orderOf(cast, state) {
  return rowsOf(cast, state).flatMap(({ takes }) => takes.filter(isOffered).map(({ number }) => number));
}

/**
 * A, B, ... Z, AA, AB, ...
 * @param {number} index from 0
 * @returns {string}
 */
export function letter(index) {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : letter(Math.floor(index / 26) - 1) + last;
}

/**
 * What a take is called: its number, or in blind order its letter.
 * @param {Cast} cast
 * @param {State} state
 * @param {number} number
 * @returns {string}
 */
export function nameOf(cast, state, number) {
  return state.blind ? letter(orderOf(cast, state).indexOf(number)) : String(number);
}

/**
 * The take that a typed number names: the take of that number, in blind order the one in that place.
 * @param {Cast} cast
 * @param {State} state
 * @param {number} typed
 * @returns {number | null}
 */
export function takeTyped(cast, state, typed) {
  const order = orderOf(cast, state);
  const number = state.blind ? order[typed - 1] : typed;
  return order.includes(number) ? number : null;
}

/* ---- from state to state ------------------------------------------------------------------------------------ */

/**
 * The best of each model lie in the loupe; the best of all, or the locked one, is chosen. Blind, nothing is.
 * @param {Cast} cast
 * @param {{blind?: boolean, seed?: number, locked?: string}} [wish] `locked` is the hash of a take
 * @returns {State}
 */
export function firstState(cast, { blind = false, seed = 0, locked } = {}) {
  /** @type {State} */
  const state = { chosen: null, before: null, together: [], alone: false, blind, revealed: false, seed };
  const order = orderOf(cast, state);
  if (blind) return { ...state, together: order.slice(0, FIRST_TOGETHER) };
  const offered = cast.takes.filter(isOffered);
  const best = (/** @type {Take[]} */ takes) => [...takes].sort((one, other) => (one.rank ?? Infinity) - (other.rank ?? Infinity) || one.number - other.number);
  const kept = offered.find(({ sha256 }) => sha256 === locked);
  const chosen = (kept ?? best(offered)[0])?.number ?? null;
  const leaders = best(rowsOf(cast, state).flatMap(({ takes }) => best(takes.filter(isOffered)).slice(0, 1)));
  const together = leaders.map(({ number }) => number).filter((number) => number !== chosen).slice(0, FIRST_TOGETHER - 1);
  return { ...state, chosen, together: chosen === null ? [] : [...together.reverse(), chosen] };
}

/**
 * Chooses a take, and puts it into the loupe. The one that is chosen already is shown alone, and again with the others.
 * @param {State} state
 * @param {Cast} cast
 * @param {number | null} number
 * @returns {State}
 */
export function choose(state, cast, number) {
  const take = takeOf(cast, number);
  if (!take || number === null || !isOffered(take)) return state;
  if (number === state.chosen) return { ...state, alone: !state.alone };
  const together = state.together.filter((one) => one !== number);
  // the one before it stays, so that the two can be flipped
  while (together.length >= MOST_TOGETHER) together.splice(together[0] === state.chosen ? 1 : 0, 1);
  return { ...state, chosen: number, before: state.chosen ?? state.before, together: [...together, number] };
}

/**
 * The last two in turn, in the same place.
 * @param {State} state
 * @param {Cast} cast
 * @returns {State}
 */
export function flip(state, cast) {
  const { before } = state;
  if (before === null || before === state.chosen) return state;
  return { ...choose(state, cast, before), alone: true };
}

/**
 * The next take: sideways in the order in which they are shown, up and down the one in the same place of another row.
 * @param {State} state
 * @param {Cast} cast
 * @param {number} dx
 * @param {number} dy
 * @returns {State}
 */
export function step(state, cast, dx, dy) {
  const rows = rowsOf(cast, state).map(({ takes }) => takes.filter(isOffered).map(({ number }) => number)).filter((row) => row.length > 0);
  const order = rows.flat();
  if (order.length === 0) return state;
  const at = order.indexOf(/** @type {number} */ (state.chosen));
  if (at < 0) return choose(state, cast, order[0]);
  if (dx !== 0) return moved(state, cast, order[Math.min(order.length - 1, Math.max(0, at + dx))]);
  const row = rows.findIndex((one) => one.includes(order[at]));
  const next = rows[row + dy];
  return next ? moved(state, cast, next[Math.min(next.length - 1, rows[row].indexOf(order[at]))]) : state;
}

/**
 * @param {State} state
 * @param {Cast} cast
 * @param {number} number
 */
function moved(state, cast, number) {
  return number === state.chosen ? state : choose(state, cast, number);
}

/**
 * Takes one out of the loupe; one stays in it.
 * @param {State} state
 * @param {number} number
 * @returns {State}
 */
export function drop(state, number) {
  const together = state.together.filter((one) => one !== number);
  if (together.length === 0 || together.length === state.together.length) return state;
  const before = state.before === number ? null : state.before;
  if (state.chosen !== number) return { ...state, together, before };
  return { ...state, together, chosen: before !== null && together.includes(before) ? before : (together.at(-1) ?? null), before: null, alone: false };
}

/**
 * Into blind order, which begins anew, or out of it.
 * @param {State} state
 * @param {Cast} cast
 * @param {boolean} on
 * @param {number} seed of the order, whole
 * @returns {State}
 */
export function setBlind(state, cast, on, seed) {
  if (on === state.blind) return state;
  return on ? firstState(cast, { blind: true, seed }) : { ...state, blind: false, revealed: false };
}

/**
 * @param {State} state
 * @returns {State}
 */
export function reveal(state) {
  return state.blind ? { ...state, revealed: true } : state;
}

/* ---- stored states ------------------------------------------------------------------------------------------ */

/**
 * The state of a cast from what was stored: of the same takes as it was, of others only whether it is blind.
 * @param {unknown} stored
 * @param {Cast | null} from what it was stored of
 * @param {Cast} to
 * @param {{seed?: number, locked?: string}} [wish] of a first state
 * @returns {State}
 */
export function carried(stored, from, to, wish = {}) {
  const given = /** @type {Record<string, unknown>} */ (stored !== null && typeof stored === "object" ? stored : {});
  const first = firstState(to, { ...wish, blind: given.blind === true });
  if (!from || !sameTakes(from, to)) return first;
  const known = (/** @type {unknown} */ one) => typeof one === "number" && to.takes.some((take) => take.number === one && isOffered(take));
  const { seed } = given;
  /** @type {State} */
  const state = { ...first, revealed: first.blind && given.revealed === true };
  if (Number.isInteger(seed) && /** @type {number} */ (seed) >= 0 && /** @type {number} */ (seed) < SEEDS) {
    state.seed = /** @type {number} */ (seed);
    if (first.blind) state.together = firstState(to, { blind: true, seed: state.seed }).together;
  } else state.revealed = false; // another order: its names are not known yet
  const together = Array.isArray(given.together) ? [...new Set(given.together.filter(known))].slice(-MOST_TOGETHER) : [];
  if (together.length === 0) return state;
  const [chosen, before] = [given.chosen, given.before].map((one) => (known(one) ? /** @type {number} */ (one) : null));
  if (chosen !== null && !together.includes(chosen)) return state;
  return { ...state, together, chosen, before: before === chosen ? null : before, alone: given.alone === true && chosen !== null };
}

/**
 * A seed that nobody has chosen.
 * @returns {number}
 */
export function anySeed() {
  return globalThis.crypto?.getRandomValues(new Uint32Array(1))[0] ?? Math.floor(Math.random() * SEEDS);
}

/* ---- the loupe ---------------------------------------------------------------------------------------------- */

const NO_DIFFERENCE = { ncc: null, reason: "No difference is measured between takes: give both to Extreme-Crop Compare." };

/**
 * What the comparer shows of a state, in the order of the panel.
 * @param {Cast} cast
 * @param {State} state
 * @returns {{payload: Payload, numbers: number[]} | null} null where nothing can be looked at
 */
export function loupeOf(cast, state) {
  if (!cast.compare) return null;
  const hidden = isHidden(state);
  const numbers = orderOf(cast, state).filter((number) => state.together.includes(number) && panelOf(cast, number));
  const panels = numbers.map((number) => {
    const panel = /** @type {import("../comparer/geometry.js").Panel} */ (panelOf(cast, number));
    const { model, rank } = /** @type {Take} */ (takeOf(cast, number));
    const name = hidden ? nameOf(cast, state, number) : `${state.blind ? `${nameOf(cast, state, number)} = ` : ""}${number} ${rank === 1 ? "★ " : ""}${model}`;
    const label = `${number === state.chosen ? "▸ " : ""}${name}`;
    return { ...panel, label, name: label, subline: hidden ? "" : panel.subline };
  });
  if (panels.length === 0) return null;
  return { payload: { ...cast.compare, panels, blind: false, registered: panels.map((_, at) => (at === 0 ? null : NO_DIFFERENCE)) }, numbers };
}

/**
 * The comparer's view for a state: where it looks stays, which panels it shows follows.
 * @param {View} view
 * @param {number[]} numbers of its panels
 * @param {State} state
 * @returns {View}
 */
export function viewFor(view, numbers, { chosen, before, alone }) {
  const [at, was] = [chosen, before].map((one) => numbers.indexOf(/** @type {number} */ (one)));
  const pair = at >= 0 && was >= 0 && at !== was ? /** @type {[number, number]} */ ([was, at]) : view.pair.every((one) => one < numbers.length) ? view.pair : /** @type {[number, number]} */ ([0, Math.min(1, numbers.length - 1)]);
  if (alone && at >= 0) return { ...view, pair, solo: at, mode: "grid" };
  return { ...view, pair, solo: null, mode: numbers.length > 1 ? view.mode : "grid" };
}
