// @ts-check
/**
 * From what the host holds (a node's outputs, a node's properties) to what the viewer shows, and back. Pure: plain
 * objects, no DOM, no ComfyUI. Outputs and workflows may be old, broken or written by somebody else, so every field
 * is checked, and only known ones are passed on.
 */
import { fields, text, within } from "../shared/fields.js";
import { MOST_PANELS, PROPERTY, TILE, UI_KEY, VERSION } from "./constants.js";
import { carried, sanitise } from "./view.js";

/** @typedef {import("./geometry.js").Payload} Payload */
/** @typedef {import("./geometry.js").Panel} Panel */
/** @typedef {import("./geometry.js").Level} Level */
/** @typedef {import("./geometry.js").Tile} Tile */
/** @typedef {import("./geometry.js").View} View */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("../shared/fields.js").Fields} Fields */

const LONGEST_NAME = 255; // of a file
const LARGEST = 2 ** 17; // px of a side
const FARTHEST = 1e6; // px of a region's centre
const MOST_LEVELS = 12;
const TYPES = ["temp", "output", "input"]; // folders of the host

/**
 * What a node's run says.
 * @param {unknown} output the node's outputs, as onExecuted has them
 * @returns {Payload | null} null where there is none, or none that can be shown
 */
export function payloadOf(output) {
  const list = fields(output)?.[UI_KEY];
  return Array.isArray(list) ? checked(list[0]) : null;
}

/**
 * What a workflow says.
 * @param {unknown} properties of the node
 * @returns {{payload: Payload, view: View} | null}
 */
export function storedOf(properties) {
  const stored = fields(fields(properties)?.[PROPERTY]);
  const payload = stored && checked(stored.payload);
  return payload ? { payload, view: sanitise(stored.view, payload) } : null;
}

/**
 * What is to be stored in the node's property: a copy, plain JSON.
 * @param {Payload} payload
 * @param {View} view
 * @returns {{payload: Payload, view: View}}
 */
export function toProperties(payload, view) {
  return JSON.parse(JSON.stringify({ payload, view }));
}

/**
 * What is to be shown. A run of this session goes before what the workflow says, whose files may be gone, and that before
 * what the browser remembers of the node. Of the same comparison the view comes back as it was; of another one what was
 * looked at stays.
 * @param {unknown} output the node's outputs, or undefined where it has not run
 * @param {unknown} properties of the node
 * @param {unknown} [remembered] what stood in the property when this node was last looked at
 * @returns {{payload: Payload, view: View | null} | null} without a view the region fits the panel
 */
export function whichPayload(output, properties, remembered) {
  const ran = payloadOf(output);
  const seen = storedOf({ [PROPERTY]: remembered });
  const saved = storedOf(properties);
  const payload = ran ?? saved?.payload ?? seen?.payload;
  if (!payload) return null;
  const last = seen?.payload.sha === payload.sha ? seen : (saved ?? seen);
  return { payload, view: last && carried(last.view, last.payload, payload) };
}

/**
 * Where a tile is read: the file itself, never a preview of it.
 * @param {(route: string) => string} apiURL the host's api.apiURL
 * @param {Tile} tile
 * @param {string} [sha] of the payload, so that no old picture is shown
 * @returns {string}
 */
export function viewUrl(apiURL, tile, sha = "") {
  const query = Object.entries({ filename: tile.filename, subfolder: tile.subfolder, type: tile.type, sha });
  return apiURL(`/view?${query.map(([name, value]) => `${name}=${encoded(value)}`).join("&")}`);
}

/** @param {string} value */
function encoded(value) {
  return encodeURIComponent(value.toWellFormed?.() ?? value); // half a character would throw
}

/**
 * @param {unknown} value
 * @returns {Payload | null}
 */
function checked(value) {
  const given = fields(value);
  if (!given || given.version !== VERSION || !Array.isArray(given.panels)) return null;
  const { panels: list } = given;
  const shape = pair(given.shape, 1e-6, 1e6);
  if (!shape || list.length < 1 || list.length > MOST_PANELS) return null;
  /** @type {Panel[]} */
  const panels = [];
  for (const one of list) {
    const panel = panelOf(one);
    if (!panel) return null; // the others would move up, and stand for what they are not
    panels.push(panel);
  }
  const registered = Array.isArray(given.registered) ? given.registered : [];
  return {
    version: VERSION,
    sha: text(given.sha),
    region: text(given.region),
    shape,
    mm_measured: given.mm_measured === true,
    panels,
    blind: given.blind === true,
    registered: panels.map((_, index) => (index === 0 ? null : registration(registered[index]))),
  };
}

/**
 * @param {unknown} value
 * @returns {Panel | null}
 */
function panelOf(value) {
  const given = fields(value);
  if (!given) return null;
  const size = whole(given.size);
  const centre = pair(given.centre, -FARTHEST, FARTHEST);
  const { unit, turn, px_per_mm } = given;
  if (!size || !centre || !within(unit, 1e-3, FARTHEST) || !within(turn, -360, 360)) return null;
  if (!Array.isArray(given.levels) || given.levels.length < 1 || given.levels.length > MOST_LEVELS) return null;
  /** @type {Level[]} */
  const levels = [];
  for (const one of given.levels) {
    const level = levelOf(one);
    if (!level) return null;
    levels.push(level);
  }
  const [first] = levels;
  if (first.scale !== 1 || first.size[0] !== size[0] || first.size[1] !== size[1]) return null;
  const label = text(given.label);
  return {
    label,
    subline: text(given.subline),
    name: text(given.name) || label,
    size,
    centre,
    unit: /** @type {number} */ (unit),
    turn: /** @type {number} */ (turn),
    px_per_mm: within(px_per_mm, 1e-6, FARTHEST) ? /** @type {number} */ (px_per_mm) : null,
    levels,
  };
}

/**
 * @param {unknown} value
 * @returns {Level | null}
 */
function levelOf(value) {
  const given = fields(value);
  const size = given && whole(given.size);
  if (!given || !size || !within(given.scale, 1e-6, 1) || !Array.isArray(given.tiles)) return null;
  const most = Math.ceil(size[0] / TILE) * Math.ceil(size[1] / TILE);
  if (given.tiles.length < 1 || given.tiles.length > most) return null;
  /** @type {Tile[]} */
  const tiles = [];
  for (const one of given.tiles) {
    const tile = tileOf(one, size);
    if (!tile) return null;
    tiles.push(tile);
  }
  return { scale: /** @type {number} */ (given.scale), size, tiles };
}

/**
 * @param {unknown} value
 * @param {Point} size of its level
 * @returns {Tile | null}
 */
function tileOf(value, [width, height]) {
  const given = fields(value);
  if (!given) return null;
  const { x, y, w, h, filename, subfolder, type } = given;
  const numbers = /** @type {number[]} */ ([x, y, w, h]);
  if (!numbers.every(Number.isInteger)) return null;
  const [left, top, wide, high] = numbers;
  if (left < 0 || top < 0 || wide < 1 || high < 1 || wide > TILE || high > TILE || left + wide > width || top + high > height) return null;
  if (typeof filename !== "string" || filename === "" || filename.length > LONGEST_NAME) return null;
  if (typeof subfolder !== "string" || subfolder.length > LONGEST_NAME || !TYPES.includes(/** @type {string} */ (type))) return null;
  return { x: left, y: top, w: wide, h: high, filename, subfolder, type: /** @type {string} */ (type) };
}

/**
 * @param {unknown} value
 * @returns {{ncc: number | null, reason: string | null} | null}
 */
function registration(value) {
  const given = fields(value);
  if (!given) return null;
  return {
    ncc: within(given.ncc, -1.001, 1.001) ? /** @type {number} */ (given.ncc) : null,
    reason: typeof given.reason === "string" ? text(given.reason) : null,
  };
}

/**
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 * @returns {Point | null}
 */
function pair(value, least, most) {
  if (!Array.isArray(value) || value.length !== 2 || !value.every((one) => within(one, least, most))) return null;
  return [value[0], value[1]];
}

/**
 * @param {unknown} value
 * @returns {Point | null}
 */
function whole(value) {
  const found = pair(value, 1, LARGEST);
  return found?.every(Number.isInteger) ? found : null;
}
