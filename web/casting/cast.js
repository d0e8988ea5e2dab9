// @ts-check
/**
 * What a run of Cast Lock says, checked. Pure: plain objects, no DOM, no ComfyUI. Outputs and workflows may be old,
 * broken or written by somebody else, so every field is checked, and only known ones are passed on.
 */
import { payloadOf } from "../comparer/bridge.js";
import { UI_KEY as COMPARE_KEY } from "../comparer/constants.js";
import { fields, text, within } from "../shared/fields.js";
import { MOST_TAKES, PROPERTY, SCHEMA, UI_KEY } from "./constants.js";

/** @typedef {import("../comparer/geometry.js").Payload} Payload */
/** @typedef {import("../comparer/geometry.js").Panel} Panel */
/** @typedef {import("../shared/fields.js").Fields} Fields */
/** @typedef {{filename: string, subfolder: string, type: string}} File of one of the host's folders */
/**
 * @typedef {object} Take
 * @property {number} number in the cast, from 1
 * @property {string} model
 * @property {string} sha256
 * @property {number | string | null} seed text where it is too large for a number of JavaScript
 * @property {string} prompt_sha
 * @property {number | null} rank 1 is the best
 * @property {number | null} score distance to the corridor
 * @property {string} reason
 * @property {string | null} rejected why it is not offered
 * @property {number | null} width px
 * @property {number | null} height px
 * @property {File | null} view
 * @property {[string, number][]} figures
 */
/**
 * @typedef {object} Lock
 * @property {number} schema
 * @property {string} take_sha256
 * @property {string} file
 * @property {string} model
 * @property {string} label
 * @property {number | string | null} seed
 * @property {string} prompt_sha
 * @property {number | null} score
 * @property {number | null} rank
 * @property {string} by
 * @property {string} at
 */
/** @typedef {{agrees: number, of: number, low: number, high: number, earned: boolean}} Trust */
/**
 * @typedef {object} Cast
 * @property {number} schema
 * @property {string} cast_name
 * @property {string} mode
 * @property {Lock | null} locked
 * @property {string} region
 * @property {Take[]} takes
 * @property {Payload | null} compare the comparer's payload; more panels than it shows at once
 * @property {number[]} compare_takes the number of each panel's take
 * @property {string} cost
 * @property {Trust | null} trust
 * @property {string[]} warnings
 */

const LONGEST_NAME = 255; // of a file
const LARGEST = 2 ** 17; // px of a side
const FARTHEST = 1e6; // of a figure
const MOST_FIGURES = 24;
const MOST_WARNINGS = 8;
const TYPES = ["output", "temp", "input"]; // folders of the host
const SHA = /^[0-9a-f]{64}$/;
const BARE_SHA = /^\s*"?([0-9a-f]{64})"?\s*$/i;

/**
 * What a node's run says.
 * @param {unknown} output the node's outputs, as onExecuted has them
 * @returns {Cast | null} null where there is none, or none that can be shown
 */
export function castOf(output) {
  const list = fields(output)?.[UI_KEY];
  return Array.isArray(list) ? checked(list[0]) : null;
}

/**
 * What a workflow says.
 * @param {unknown} properties of the node
 * @returns {{cast: Cast, state: unknown, look: unknown} | null}
 */
export function storedOf(properties) {
  const stored = fields(fields(properties)?.[PROPERTY]);
  const cast = stored && checked(stored.cast);
  return cast ? { cast, state: stored.state, look: stored.look } : null;
}

/**
 * What is to be shown: a run of this session goes before what the workflow says, and that before what the browser
 * remembers. A locked run has no pictures for the loupe: the offer that its take was picked from stays on the panel.
 * @param {unknown} output the node's outputs, or undefined where it has not run
 * @param {unknown} properties of the node
 * @param {unknown} [remembered] what stood in the property when this node was last looked at
 * @returns {{cast: Cast, state: unknown, look: unknown, from: Cast | null} | null} `from` is what the state was of
 */
export function whichCast(output, properties, remembered) {
  const ran = castOf(output);
  const saved = storedOf(properties);
  const seen = storedOf({ [PROPERTY]: remembered });
  const last = saved && seen && sameTakes(saved.cast, seen.cast) ? seen : (saved ?? seen);
  if (!ran) return last && { ...last, from: last.cast };
  const cast = last && isPartOf(ran, last.cast) ? { ...last.cast, ...kept(ran) } : ran;
  return { cast, state: last?.state, look: last?.look, from: last?.cast ?? null };
}

/** @param {Cast} ran */
function kept({ mode, locked, cost, trust, warnings }) {
  return { mode, locked, cost, trust, warnings };
}

/**
 * @param {Cast} ran
 * @param {Cast} offer
 */
function isPartOf(ran, offer) {
  if (!ran.locked || ran.compare || ran.cast_name !== offer.cast_name) return false;
  const known = new Set(offer.takes.map(({ sha256 }) => sha256));
  return known.has(ran.locked.take_sha256) && ran.takes.every(({ sha256 }) => known.has(sha256));
}

/**
 * @param {Cast} one
 * @param {Cast} other
 */
export function sameTakes(one, other) {
  return keyOf(one) === keyOf(other);
}

/** @param {Cast} cast */
function keyOf({ takes }) {
  return JSON.stringify(takes.map(({ number, model, sha256, rejected }) => [number, model, sha256, rejected]));
}

/**
 * @param {Cast} cast
 * @param {number | null} number
 * @returns {Take | null}
 */
export function takeOf(cast, number) {
  return cast.takes.find((take) => take.number === number) ?? null;
}

/**
 * @param {Take} take
 * @returns {boolean} whether it may be picked
 */
export function isOffered(take) {
  return take.rejected === null;
}

/**
 * @param {Cast} cast
 * @param {number} number
 * @returns {Panel | null} what the loupe shows of a take
 */
export function panelOf({ compare, compare_takes }, number) {
  const at = compare_takes.indexOf(number);
  return at >= 0 ? (compare?.panels[at] ?? null) : null;
}

/**
 * The file of a small picture: the most reduced level of the loupe, else the take itself.
 * @param {Cast} cast
 * @param {Take} take
 * @returns {File[]} the first that can be read is shown
 */
export function picturesOf(cast, take) {
  const tiles = panelOf(cast, take.number)?.levels.at(-1)?.tiles ?? [];
  return [...(tiles.length === 1 ? tiles : []), ...(take.view ? [take.view] : [])];
}

/**
 * A lock from its JSON: the widget's value, or the run's. The hash of a take alone is one as well.
 * @param {unknown} value text or fields
 * @returns {Lock | null} null where there is none, or none that can be read
 */
export function lockOf(value) {
  const given = typeof value === "string" ? parsed(value) : fields(value);
  const { schema = SCHEMA, take_sha256: told } = given ?? {};
  const sha = typeof told === "string" ? told.toLowerCase() : "";
  if (!given || schema !== SCHEMA || !SHA.test(sha)) return null;
  return {
    schema: SCHEMA,
    take_sha256: sha,
    file: text(given.file),
    model: text(given.model),
    label: text(given.label),
    seed: seedOf(given.seed),
    prompt_sha: text(given.prompt_sha),
    score: figure(given.score),
    rank: count(given.rank),
    by: text(given.by),
    at: text(given.at),
  };
}

/**
 * The lock of a take.
 * @param {Take} take
 * @param {string} by
 * @param {Date} at
 * @returns {Lock}
 */
export function lockFor(take, by, at) {
  const { view } = take;
  return {
    schema: SCHEMA,
    take_sha256: take.sha256,
    file: view ? [view.subfolder, view.filename].filter(Boolean).join("/") : "",
    model: take.model,
    label: `${take.model} #${take.number}`,
    seed: typeof take.seed === "number" ? take.seed : null, // the take's own file knows it
    prompt_sha: take.prompt_sha,
    score: take.score,
    rank: take.rank,
    by,
    at: at.toISOString(),
  };
}

/**
 * @param {unknown} value
 * @returns {Cast | null}
 */
function checked(value) {
  const given = fields(value);
  if (!given || given.schema !== SCHEMA || !Array.isArray(given.takes)) return null;
  /** @type {Take[]} */
  const takes = [];
  for (const one of given.takes.slice(0, MOST_TAKES)) {
    const take = takeFrom(one);
    if (take && !takes.some(({ number }) => number === take.number)) takes.push(take);
  }
  return {
    schema: SCHEMA,
    cast_name: text(given.cast_name),
    mode: text(given.mode),
    locked: lockOf(given.locked),
    region: text(given.region),
    takes,
    ...compared(given, takes),
    cost: text(given.cost),
    trust: trustFrom(given.trust),
    warnings: (Array.isArray(given.warnings) ? given.warnings : []).slice(0, MOST_WARNINGS).map(text).filter(Boolean),
  };
}

/**
 * A take that cannot be told from others is left out; one that cannot be locked is not offered.
 * @param {unknown} value
 * @returns {Take | null}
 */
function takeFrom(value) {
  const given = fields(value);
  const number = given && count(given.number);
  if (!given || !number) return null;
  const sha256 = typeof given.sha256 === "string" && SHA.test(given.sha256) ? given.sha256 : "";
  const refused = given.rejected === undefined || given.rejected === null ? null : text(given.rejected) || "rejected";
  const size = [side(given.width), side(given.height)];
  return {
    number,
    model: text(given.model),
    sha256,
    seed: seedOf(given.seed),
    prompt_sha: text(given.prompt_sha),
    rank: count(given.rank),
    score: figure(given.score),
    reason: text(given.reason),
    rejected: refused ?? (sha256 ? null : "its hash is missing: queue again"),
    width: size[0],
    height: size[1],
    view: fileOf(given.view),
    figures: figuresOf(given.figures),
  };
}

/**
 * The comparer checks each panel by itself: it shows no more than sixteen at once, a cast may hold more.
 * @param {Fields} given
 * @param {Take[]} takes
 * @returns {{compare: Payload | null, compare_takes: number[]}}
 */
function compared(given, takes) {
  const none = { compare: null, compare_takes: [] };
  const whole = fields(given.compare);
  if (!whole || !Array.isArray(whole.panels) || whole.panels.length > MOST_TAKES) return none;
  const numbers = numbersOf(given.compare_takes, whole.panels.length) ?? takes.filter(isOffered).map(({ number }) => number);
  if (numbers.length !== whole.panels.length) return none; // whose they are is not known
  /** @type {Payload | null} */
  let first = null;
  /** @type {Panel[]} */
  const panels = [];
  /** @type {number[]} */
  const of = [];
  whole.panels.forEach((panel, at) => {
    if (!takes.some((take) => take.number === numbers[at] && isOffered(take))) return;
    const alone = payloadOf({ [COMPARE_KEY]: [{ ...whole, panels: [panel], registered: [null] }] });
    if (!alone) return; // the take has no loupe, the others have
    first ??= alone;
    panels.push(alone.panels[0]);
    of.push(numbers[at]);
  });
  if (!first) return none;
  return { compare: { .../** @type {Payload} */ (first), panels, blind: false, registered: panels.map(() => null) }, compare_takes: of };
}

/**
 * @param {unknown} value
 * @param {number} length
 * @returns {number[] | null}
 */
function numbersOf(value, length) {
  if (!Array.isArray(value) || value.length !== length || new Set(value).size !== length) return null;
  return value.every((one) => count(one) !== null) ? [...value] : null;
}

/**
 * @param {unknown} value
 * @returns {Trust | null}
 */
function trustFrom(value) {
  const given = fields(value);
  if (!given) return null;
  const { agrees, of, low, high } = /** @type {Record<string, number>} */ (given);
  if (![agrees, of].every((one) => Number.isSafeInteger(one) && one >= 0) || agrees > of) return null;
  if (![low, high].every((one) => within(one, 0, 1)) || low > high) return null;
  return { agrees, of, low, high, earned: given.earned === true };
}

/**
 * @param {unknown} value
 * @returns {File | null}
 */
function fileOf(value) {
  const given = fields(value);
  if (!given) return null;
  const { filename, subfolder, type } = given;
  if (typeof filename !== "string" || filename === "" || filename.length > LONGEST_NAME) return null;
  if (typeof subfolder !== "string" || subfolder.length > LONGEST_NAME || !TYPES.includes(/** @type {string} */ (type))) return null;
  return { filename, subfolder, type: /** @type {string} */ (type) };
}

/**
 * @param {unknown} value an object, or pairs
 * @returns {[string, number][]}
 */
function figuresOf(value) {
  const pairs = Array.isArray(value) ? value : Object.entries(fields(value) ?? {});
  /** @type {[string, number][]} */
  const found = [];
  for (const pair of pairs.slice(0, MOST_FIGURES)) {
    if (!Array.isArray(pair)) continue;
    const known = figure(pair[1]);
    if (typeof pair[0] === "string" && known !== null) found.push([text(pair[0]), known]);
  }
  return found;
}

/**
 * Seeds go up to 2**64: one that JavaScript cannot hold is only true as text.
 * @param {unknown} value
 * @returns {number | string | null}
 */
function seedOf(value) {
  if (Number.isSafeInteger(value)) return /** @type {number} */ (value);
  if (Number.isInteger(value) && within(value, -(2 ** 64), 2 ** 64)) return `≈${/** @type {number} */ (value).toPrecision(4)}`;
  return typeof value === "string" && /^(-?\d{1,20}|≈[\d.e+-]{1,12})$/.test(value) ? value : null;
}

/** @param {string} value */
function parsed(value) {
  const bare = BARE_SHA.exec(value)?.[1];
  if (bare) return { take_sha256: bare };
  try {
    return fields(JSON.parse(value));
  } catch {
    return null;
  }
}

/** @param {unknown} value */
function figure(value) {
  return within(value, -FARTHEST, FARTHEST) ? /** @type {number} */ (value) : null;
}

/** @param {unknown} value */
function count(value) {
  return Number.isInteger(value) && within(value, 1, FARTHEST) ? /** @type {number} */ (value) : null;
}

/** @param {unknown} value */
function side(value) {
  return Number.isInteger(value) && within(value, 1, LARGEST) ? /** @type {number} */ (value) : null;
}
