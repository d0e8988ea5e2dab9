// @ts-check
// Puts the casting panel on Cast Lock. The only file of this feature that knows the app.
import { app } from "../../scripts/app.js";
import "./report.js"; // registers first, so that the panel is the node's last widget
import { castOf, whichCast } from "./casting/cast.js";
import { NODE_ID, PROPERTY } from "./casting/constants.js";
import { mount } from "./casting/panel.js";
import { dropLock, heldBy, hideLock, putLock } from "./casting/widgets.js";
import { viewUrl } from "./comparer/bridge.js";
import { listening, Place, storage } from "./shared/on_node.js";
import { Session } from "./shared/session.js";

const MIN_HEIGHT = 560; // CSS px
const MIN_WIDTH = 460;
const session = new Session(storage(), "portraitloupe.casting");

/**
 * @param {any} node
 * @returns {import("./shared/on_node.js").Shown}
 */
function attach(node) {
  const place = new Place(app, node, "casting", MIN_HEIGHT);
  /** @type {import("./casting/cast.js").Cast | null} */
  let cast = null;

  const panel = mount(place.root, {
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
      session.put(place.key, stored);
    },
    forwardWheel: place.forwardWheel,
    onHidden: (hidden) => {
      const report = widget(node, "loupe_report")?.element; // it names models and ranks
      if (report) report.style.visibility = hidden ? "hidden" : "";
    },
  });
  place.join(() => panel.destroy());
  hideLock(node);
  if (node.size[0] < MIN_WIDTH) node.setSize([MIN_WIDTH, node.size[1]]);
  for (const name of ["cast_name", "mode", "lock"]) follow(widget(node, name), panel.refresh);

  return {
    configured: () => hideLock(node),
    restore(output) {
      place.look();
      const found = whichCast(output, node.properties, session.get(place.key));
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

app.registerExtension({
  name: "portraitloupe.casting",
  ...listening(app, NODE_ID, attach, castOf),
});
