// @ts-check
// Puts the casting panel on Cast Lock. The only file of this feature that knows the app.
import { app } from "../../scripts/app.js";
import "./report.js"; // registers first, so that the panel is the node's last widget
import { castOf, whichCast } from "./casting/cast.js";
import { NODE_ID, PROPERTY } from "./casting/constants.js";
import { mount } from "./casting/panel.js";
import { dropLock, heldBy, hideLock, putLock } from "./casting/widgets.js";
import { viewUrl } from "./comparer/bridge.js";
import { Session } from "./comparer/session.js";

const MIN_HEIGHT = 560; // CSS px
const MIN_WIDTH = 460;
const session = new Session(storage());

/** @typedef {{restore: (output?: unknown) => void, hide: () => void}} Shown */
/** @type {WeakMap<object, Shown>} the panel of a node */
const panels = new WeakMap();
/** @type {Map<string, HTMLElement>} where panels of removed nodes stood */
const left = new Map();
const KEPT_MS = 5000; // longer than an undo takes
const LOOKS_MS = [0, 100, 500, 1500]; // after which it is seen to that a panel is on the page

/**
 * @param {any} node
 * @returns {Shown}
 */
function attach(node) {
  const root = document.createElement("div");
  root.className = "portraitloupe-casting-root";
  // Nodes 2.0 gives a row the height that it asks for
  Object.assign(root.style, { minHeight: `${MIN_HEIGHT}px`, height: "100%" });
  /** @type {import("./casting/cast.js").Cast | null} */
  let cast = null;
  let key = "";

  const panel = mount(root, {
    url: (file, sha) => viewUrl((route) => app.api.apiURL(route), /** @type {any} */ (file), sha),
    held: () => heldBy(node),
    castName: () => String(widget(node, "cast_name")?.value ?? ""),
    lock: (lock, queue) => {
      putLock(node, lock);
      node.setDirtyCanvas?.(true, true);
      if (queue) app.queuePrompt(0, 1);
    },
    unlock: () => {
      dropLock(node);
      node.setDirtyCanvas?.(true, true);
    },
    onChange: (state, look) => {
      if (!cast) return;
      const stored = JSON.parse(JSON.stringify({ cast, state, look }));
      // with the workflow, never in the prompt: choosing must not queue the node again
      node.properties[PROPERTY] = stored;
      session.put(key, stored);
    },
    forwardWheel: (event) => {
      event.preventDefault();
      event.stopPropagation();
      app.canvas.canvas.dispatchEvent(new WheelEvent(event.type, event));
    },
    onHidden: (hidden) => {
      const report = widget(node, "loupe_report")?.element; // it names models and ranks
      if (report) report.style.visibility = hidden ? "hidden" : "";
    },
  });
  const shown = node.addDOMWidget("loupe_casting", "LOUPE_CASTING", root, {
    serialize: false, // not in the prompt: it would change the cache key
    hideOnZoom: false,
    getMinHeight: () => MIN_HEIGHT,
  });
  shown.serialize = false; // nor among the saved widgets' values
  hideLock(node);
  if (node.size[0] < MIN_WIDTH) node.setSize([MIN_WIDTH, node.size[1]]);
  for (const name of ["cast_name", "mode", "lock"]) follow(widget(node, name), panel.refresh);

  const removed = node.onRemoved;
  node.onRemoved = function () {
    removed?.apply(this, arguments);
    panel.destroy();
    left.set(key, root);
    setTimeout(() => left.get(key) === root && left.delete(key), KEPT_MS);
  };
  return {
    hide: () => hideLock(node),
    restore(output) {
      if (key !== keyOf(node)) {
        key = keyOf(node);
        for (const delay of LOOKS_MS) setTimeout(() => seeTo(root, key), delay);
      }
      const found = whichCast(output, node.properties, session.get(key));
      if (!found || JSON.stringify(found.cast) === JSON.stringify(cast)) return panel.refresh();
      cast = found.cast;
      panel.set(cast, found);
    },
  };
}

/**
 * @param {any} node
 * @param {string} name
 */
function widget(node, name) {
  return node.widgets?.find((/** @type {any} */ one) => one.name === name);
}

/**
 * @param {any} widget
 * @param {() => void} told when its value was changed
 */
function follow(widget, told) {
  if (!widget) return;
  const called = widget.callback;
  widget.callback = function () {
    const result = called?.apply(this, arguments);
    told();
    return result;
  };
}

/**
 * After an undo Nodes 2.0 keeps on its page the element of the node that was removed: the new one is put into it.
 * @param {HTMLElement} root
 * @param {string} key
 */
function seeTo(root, key) {
  const place = left.get(key);
  if (!root.isConnected && place?.isConnected && !root.contains(place)) place.replaceChildren(root);
}

/** @param {any} node */
function keyOf(node) {
  return `${(node.graph ?? app.graph)?.id}:${node.id}`;
}

/** @returns {Pick<Storage, "getItem" | "setItem"> | null} under a name of our own: the comparer's are another's */
function storage() {
  try {
    const { sessionStorage } = window;
    const own = "portraitloupe.casting";
    return { getItem: () => sessionStorage.getItem(own), setItem: (_, text) => sessionStorage.setItem(own, text) };
  } catch {
    return null; // forbidden by the browser
  }
}

app.registerExtension({
  name: "portraitloupe.casting",

  nodeCreated(node) {
    if (node.constructor.comfyClass !== NODE_ID) return;
    const panel = attach(node);
    panels.set(node, panel);

    const executed = node.onExecuted;
    node.onExecuted = function (output) {
      executed?.apply(this, arguments);
      panel.restore(output);
    };
    const configured = node.onConfigure;
    node.onConfigure = function () {
      configured?.apply(this, arguments);
      panel.hide();
      panel.restore();
    };
  },

  // after a tab switch or an undo the outputs come back without onExecuted
  onNodeOutputsUpdated(outputs) {
    for (const [id, output] of Object.entries(outputs)) {
      const node = app.graph?.getNodeById(id) ?? app.graph?.getNodeById(Number(id));
      if (node && castOf(output)) panels.get(node)?.restore(output);
    }
  },
});
