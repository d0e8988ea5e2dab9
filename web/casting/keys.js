// @ts-check
/** What a key asks of the panel; what it does not know may be the loupe's. Pure but for the time that it is told. */
import { keyAction } from "../comparer/view.js";

/** @typedef {import("../comparer/view.js").KeyLike} KeyLike */
/** @typedef {{name: "type", value: number, more: boolean} | {name: "step", value: [number, number]} | {name: "flip" | "lock" | "blind" | "reveal" | "back"}} Wish */

const TYPING_MS = 900; // within which a second digit belongs to the first
const MOST_DIGITS = 3;
/** @type {Record<string, [number, number]>} */
const STEPS = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };

/** Digits that are typed one after the other are one number: 1, then 12. */
export class Keys {
  constructor() {
    this.digits = "";
    this.since = -Infinity;
  }

  /**
   * @param {KeyLike} event of keydown
   * @param {boolean} inLoupe where arrows are the loupe's
   * @param {number} now ms
   * @returns {Wish | null} null: not the panel's
   */
  read(event, inLoupe, now) {
    const pending = now - this.since < TYPING_MS ? this.digits : "";
    this.digits = "";
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
    if (event.key === "Enter") return event.repeat ? null : { name: "lock" };
    if (event.key === "Escape") return { name: "back" };
    const action = keyAction(event);
    const digit = action === "fit" ? "0" : /^solo ([1-9])$/.exec(action ?? "")?.[1];
    if (digit && (digit !== "0" || pending)) {
      this.digits = (pending + digit).slice(-MOST_DIGITS);
      this.since = now;
      return { name: "type", value: Number(this.digits), more: pending !== "" };
    }
    if (action === "flicker") return { name: "flip" };
    if (action === "blind" || action === "reveal") return { name: action };
    const arrow = action?.split(" ")[0] ?? "";
    return !inLoupe && Object.hasOwn(STEPS, arrow) ? { name: "step", value: STEPS[arrow] } : null;
  }
}
