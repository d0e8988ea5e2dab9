// @ts-check
/** What the panel says. Pure: from a cast and a state to lines of text. */
import { isOffered, panelOf, takeOf } from "./cast.js";
import { LEAST_AGREEMENT, LEAST_PICKS, LOCKED } from "./constants.js";
import { isHidden, nameOf } from "./state.js";

/** @typedef {import("./cast.js").Cast} Cast */
/** @typedef {import("./cast.js").Lock} Lock */
/** @typedef {import("./cast.js").Take} Take */
/** @typedef {import("./state.js").State} State */
/** @typedef {{lock: Lock | null, value: string, mode: string}} Held what stands in the node's widgets */

export const NOT_RUN = "Queue to cast: every take is offered here, and what follows this node waits until one is locked.";
export const NONE_OFFERED = "No take can be offered. The reasons stand beside the takes; queue again after you have seen to them.";
export const NO_LOUPE = "Nothing to compare here: the loupe needs two takes with a face, as a run offers them while nothing is locked.";
const NOT_IN_LOUPE = "Not in the loupe: it holds takes with a face, and sixteen at most.";

/**
 * @param {Cast | null} cast
 * @param {string} name in the node's widget
 * @returns {string}
 */
export function titleText(cast, name) {
  return `Cast Lock · “${name || cast?.cast_name || "my cast"}”`;
}

/**
 * A take in one line, for its picture's tooltip and for a screen reader.
 * @param {Cast} cast
 * @param {State} state
 * @param {Take} take
 * @returns {string}
 */
export function takeText(cast, state, take) {
  const name = nameOf(cast, state, take.number);
  if (isHidden(state)) return `Take ${name}`;
  const own = state.blind ? `Take ${name} = ${take.number}` : `Take ${name}`;
  if (!isOffered(take)) return [own, take.model, `rejected: ${take.rejected}`].filter(Boolean).join(", ");
  return [own, take.model, take.rank === null ? "not ranked" : `rank ${take.rank}`, take.reason].filter(Boolean).join(", ");
}

/**
 * @param {Cast} cast
 * @param {State} state
 * @returns {string[]} lines about the chosen take
 */
export function factLines(cast, state) {
  const take = takeOf(cast, state.chosen);
  if (!take) return [state.blind ? "Choose the take that reads most real. Names, ranks and figures are hidden." : "Choose a take."];
  const name = nameOf(cast, state, take.number);
  if (isHidden(state)) return [`Take ${name} is chosen. Names, ranks and figures are hidden; R reveals them, and then a pick is not blind.`];
  const ranked = cast.takes.filter(({ rank }) => rank !== null).length;
  const size = take.width && take.height ? `${take.width} × ${take.height} px` : "";
  const first = [
    state.blind ? `${name} = ${take.number}` : name,
    take.model,
    take.rank === null ? "not ranked" : `rank ${take.rank} of ${ranked}`,
    take.score === null ? "" : `distance ${rounded(take.score)}`,
    size,
    take.seed === null ? "seed n/a" : `seed ${take.seed}`,
  ];
  const figures = take.figures.map(([what, value]) => `${what} ${rounded(value)}`);
  const missing = cast.compare && !panelOf(cast, take.number) ? NOT_IN_LOUPE : "";
  return [first.filter(Boolean).join(" · "), take.reason, figures.join(" · "), missing].filter(Boolean);
}

/**
 * @param {import("./cast.js").Trust | null} trust
 * @returns {string}
 */
export function trustText(trust) {
  const wanted = `auto-best is not yet earned: ${LEAST_PICKS} blind picks, lower bound above ${100 * LEAST_AGREEMENT} %`;
  if (!trust || trust.of === 0) return `no blind picks yet; ${wanted}.`;
  const { agrees, of, low, high, earned } = trust;
  return `score agrees with your blind picks ${agrees}/${of} (${percent(low)}-${percent(high)} %); ${earned ? "auto-best is earned" : wanted}.`;
}

/**
 * @param {Cast} cast
 * @param {State} state
 * @returns {string} what the takes cost; without the models' names where these are hidden
 */
export function costText(cast, state) {
  if (!isHidden(state)) return cast.cost;
  return `${cast.takes.length} ${cast.takes.length === 1 ? "take" : "takes"}; locked: 0`;
}

/**
 * Reasons of the takes that are not offered.
 * @param {Take[]} rejected
 * @returns {string}
 */
export function rejectedText(rejected) {
  return rejected.map(({ number, rejected: why }) => `${number}: ${why}`).join("; ");
}

/**
 * What is locked, and whether a run has used it.
 * @param {Cast | null} cast
 * @param {Held} held
 * @param {boolean} hidden whether names are
 * @returns {string} "" where nothing is
 */
export function lockText(cast, { lock, value, mode }, hidden) {
  if (!lock && value.trim()) return "The lock cannot be read. Unlock empties it.";
  const held = lock ?? cast?.locked;
  if (held && hidden) return lock ? "A take is locked; its name is hidden." : "";
  if (!held) return mode === LOCKED ? "The mode is locked, and nothing is: lock a take, or choose ask." : "";
  const take = cast?.takes.find(({ sha256 }) => sha256 === held.take_sha256);
  const name = [take && `#${take.number}`, held.model || held.label].filter(Boolean).join(" ") || held.take_sha256.slice(0, 12);
  const how = [held.by, held.at.slice(0, 16).replace("T", " ")].filter(Boolean).join(", ");
  if (!lock) return `The last run used ${name}${how && ` (${how})`}.`;
  const ran = cast?.locked?.take_sha256 === lock.take_sha256;
  return `${ran ? "Locked" : "Locked for the next run"}: ${name}${how && ` (${how})`}. Locked runs cost 0.`;
}

/** @param {number} value */
function rounded(value) {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** @param {number} share */
function percent(share) {
  return Math.round(100 * share);
}
