// @ts-check
// Shows what a Loupe node reports on the node itself. The only file of this feature that knows the app.
import { app } from "../../scripts/app.js";
import { REPORTING_NODES, reportText } from "./report/text.js";
import { createReport } from "./report/view.js";

const MIN_HEIGHT = 54; // CSS px: three lines

/** @type {WeakMap<object, (text: string | null) => void>} what shows a node's report */
const shows = new WeakMap();

app.registerExtension({
  name: "portraitloupe.report",

  nodeCreated(node) {
    if (!REPORTING_NODES.includes(node.constructor.comfyClass)) return;
    const report = createReport(document);
    const widget = node.addDOMWidget("loupe_report", "LOUPE_REPORT", report.element, {
      serialize: false, // not in the prompt: it would change the cache key
      hideOnZoom: false,
      getMinHeight: () => MIN_HEIGHT,
    });
    widget.serialize = false; // nor in the saved workflow
    shows.set(node, report.show);

    const executed = node.onExecuted;
    node.onExecuted = function (output) {
      executed?.apply(this, arguments);
      report.show(reportText(output));
    };
  },

  // after a tab switch or an undo the outputs come back without onExecuted
  onNodeOutputsUpdated(outputs) {
    for (const [id, output] of Object.entries(outputs)) {
      const node = app.graph?.getNodeById(id) ?? app.graph?.getNodeById(Number(id));
      if (node) shows.get(node)?.(reportText(output));
    }
  },
});
