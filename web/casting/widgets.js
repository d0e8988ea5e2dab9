// @ts-check
/** The node's own widgets: where the lock is kept, which the prompt carries. Plain objects, no ComfyUI. */
import { lockOf } from "./cast.js";
import { ASK, LOCK_WIDGET, LOCKED, MODE_WIDGET } from "./constants.js";

/** @typedef {import("./cast.js").Lock} Lock */
/** @typedef {{name: string, value: unknown, hidden?: boolean, options?: Record<string, unknown>, callback?: (value: unknown) => void, computeSize?: (width?: number) => [number, number]}} Widget */
/** @typedef {{widgets?: Widget[]}} Node */

/**
 * @param {Node} node
 * @param {string} name
 * @returns {Widget | undefined}
 */
function widgetOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name);
}

/**
 * The lock is the panel's to show; it stays in the prompt and in the workflow.
 * @param {Node} node
 */
export function hideLock(node) {
  const widget = widgetOf(node, LOCK_WIDGET);
  if (!widget) return;
  widget.hidden = true;
  (widget.options ??= {}).hidden = true; // Nodes 2.0
}

/**
 * @param {Node} node
 * @returns {import("./words.js").Held}
 */
export function heldBy(node) {
  const value = String(widgetOf(node, LOCK_WIDGET)?.value ?? "");
  return { lock: lockOf(value), value, mode: String(widgetOf(node, MODE_WIDGET)?.value ?? "") };
}

/**
 * From the next run on, this take is used and nothing above is run.
 * @param {Node} node
 * @param {Lock} lock
 */
export function putLock(node, lock) {
  write(node, LOCK_WIDGET, JSON.stringify(lock));
  write(node, MODE_WIDGET, LOCKED);
}

/**
 * The next run offers takes again.
 * @param {Node} node
 */
export function dropLock(node) {
  write(node, LOCK_WIDGET, "");
  if (heldBy(node).mode === LOCKED) write(node, MODE_WIDGET, ASK);
}

/**
 * @param {Node} node
 * @param {string} name
 * @param {string} value
 */
function write(node, name, value) {
  const widget = widgetOf(node, name);
  if (!widget || widget.value === value) return;
  widget.value = value;
  widget.callback?.(value);
}
