// @ts-check
// Puts the comparer on Compare. The only file of this feature that knows the app.
import { app } from "../../scripts/app.js";
import "./report.js"; // registers first, so that the comparer is the node's last widget
import { payloadOf, toProperties, viewUrl, whichPayload } from "./comparer/bridge.js";
import { NODE_ID, PROPERTY } from "./comparer/constants.js";
import { mount } from "./comparer/draw.js";
import { listening, Place, storage } from "./shared/on_node.js";
import { Session } from "./shared/session.js";

const MIN_HEIGHT = 320; // CSS px
const session = new Session(storage(), "portraitloupe.comparer");

/**
 * @param {any} node
 * @returns {import("./shared/on_node.js").Shown}
 */
function attach(node) {
  const place = new Place(app, node, "comparer", MIN_HEIGHT);
  /** @type {import("./comparer/geometry.js").Payload | null} */
  let payload = null;

  /** @param {import("./comparer/geometry.js").View} view */
  function remember(view) {
    if (!payload) return;
    const stored = toProperties(payload, view);
    // with the workflow, never in the prompt: looking around must not queue the node again
    node.properties[PROPERTY] = stored;
    session.put(place.key, stored);
  }
  const viewer = mount(place.root, {
    url: (tile, sha) => viewUrl((route) => app.api.apiURL(route), tile, sha),
    onChange: remember,
    forwardWheel: place.forwardWheel,
    save: () => node.title || NODE_ID,
  });
  place.join(() => viewer.destroy());
  return {
    restore(output) {
      place.look();
      const found = whichPayload(output, node.properties, session.get(place.key));
      if (!found || JSON.stringify(found.payload) === JSON.stringify(payload)) return;
      payload = found.payload;
      viewer.set(payload, found.view);
      const view = viewer.view();
      if (view) remember(view);
    },
  };
}

app.registerExtension({
  name: "portraitloupe.comparer",
  ...listening(app, NODE_ID, attach, payloadOf),
});
