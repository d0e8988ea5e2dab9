// @ts-check
// Puts the comparer on Compare. The only file of this feature that knows the app.
import { app } from "../../scripts/app.js";
import "./report.js"; // registers first, so that the comparer is the node's last widget
import { payloadOf, toProperties, viewUrl, whichPayload } from "./comparer/bridge.js";
import { NODE_ID, PROPERTY } from "./comparer/constants.js";
import { mount } from "./comparer/draw.js";
import { Session } from "./comparer/session.js";

const MIN_HEIGHT = 320; // CSS px
const session = new Session(storage());

/** @typedef {{restore: (output?: unknown) => void}} Shown */
/** @type {WeakMap<object, Shown>} the comparer of a node */
const comparers = new WeakMap();
/** @type {Map<string, HTMLElement>} where comparers of removed nodes stood */
const left = new Map();
const KEPT_MS = 5000; // longer than an undo takes
const LOOKS_MS = [0, 100, 500, 1500]; // after which it is seen to that a comparer is on the page

/**
 * @param {any} node
 * @returns {Shown}
 */
function attach(node) {
  const root = document.createElement("div");
  root.className = "portraitloupe-comparer-root";
  // Nodes 2.0 gives a row the height that it asks for
  Object.assign(root.style, { minHeight: `${MIN_HEIGHT}px`, height: "100%" });
  /** @type {import("./comparer/geometry.js").Payload | null} */
  let payload = null;
  let key = "";

  /** @param {import("./comparer/geometry.js").View} view */
  function remember(view) {
    if (!payload) return;
    const stored = toProperties(payload, view);
    // with the workflow, never in the prompt: looking around must not queue the node again
    node.properties[PROPERTY] = stored;
    session.put(key, stored);
  }
  const viewer = mount(root, {
    url: (tile, sha) => viewUrl((route) => app.api.apiURL(route), tile, sha),
    onChange: remember,
    forwardWheel: (event) => {
      event.preventDefault();
      event.stopPropagation();
      app.canvas.canvas.dispatchEvent(new WheelEvent(event.type, event));
    },
    save: () => node.title || NODE_ID,
  });
  const widget = node.addDOMWidget("loupe_comparer", "LOUPE_COMPARER", root, {
    serialize: false, // not in the prompt: it would change the cache key
    hideOnZoom: false,
    getMinHeight: () => MIN_HEIGHT,
  });
  widget.serialize = false; // nor among the saved widgets' values

  const removed = node.onRemoved;
  node.onRemoved = function () {
    removed?.apply(this, arguments);
    viewer.destroy();
    left.set(key, root);
    setTimeout(() => left.get(key) === root && left.delete(key), KEPT_MS);
  };
  return {
    restore(output) {
      if (key !== keyOf(node)) {
        key = keyOf(node);
        for (const delay of LOOKS_MS) setTimeout(() => seeTo(root, key), delay);
      }
      const found = whichPayload(output, node.properties, session.get(key));
      if (!found || JSON.stringify(found.payload) === JSON.stringify(payload)) return;
      payload = found.payload;
      viewer.set(payload, found.view);
      const view = viewer.view();
      if (view) remember(view);
    },
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

/** @returns {Storage | null} */
function storage() {
  try {
    return window.sessionStorage;
  } catch {
    return null; // forbidden by the browser
  }
}

app.registerExtension({
  name: "portraitloupe.comparer",

  nodeCreated(node) {
    if (node.constructor.comfyClass !== NODE_ID) return;
    const comparer = attach(node);
    comparers.set(node, comparer);

    const executed = node.onExecuted;
    node.onExecuted = function (output) {
      executed?.apply(this, arguments);
      comparer.restore(output);
    };
    const configured = node.onConfigure;
    node.onConfigure = function () {
      configured?.apply(this, arguments);
      comparer.restore();
    };
  },

  // after a tab switch or an undo the outputs come back without onExecuted
  onNodeOutputsUpdated(outputs) {
    for (const [id, output] of Object.entries(outputs)) {
      const node = app.graph?.getNodeById(id) ?? app.graph?.getNodeById(Number(id));
      if (node && payloadOf(output)) comparers.get(node)?.restore(output);
    }
  },
});
