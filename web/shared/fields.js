// @ts-check
/** Outputs and workflows may be old, broken or written by somebody else: what is read of them is checked first. Pure. */

const LONGEST_TEXT = 500; // characters of a label or a reason

/** @typedef {Record<string, unknown>} Fields */

/**
 * @param {unknown} value
 * @returns {Fields | null}
 */
export function fields(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? /** @type {Fields} */ (value) : null;
}

/** @param {unknown} value */
export function text(value) {
  return typeof value === "string" ? value.slice(0, LONGEST_TEXT) : "";
}

/**
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 */
export function within(value, least, most) {
  return typeof value === "number" && value >= least && value <= most; // NaN is neither
}
