import assert from "node:assert/strict";
import test from "node:test";

import { NOT_RUN, reportText } from "../../web/report/text.js";
import { createReport } from "../../web/report/view.js";

/** As much of a document as the view touches. */
function paper() {
  return { createElement: () => ({ style: {}, attributes: {}, setAttribute(name, value) { this.attributes[name] = value; } }) };
}

test("a report is the lines that the host sent", () => {
  assert.equal(reportText({ loupe_report: ["one", "two"] }), "one\ntwo");
});

test("an output without a report has none", () => {
  for (const output of [undefined, null, {}, { text: ["other"] }, { loupe_report: "no list" }, { loupe_report: [] }, { loupe_report: ["  "] }]) {
    assert.equal(reportText(output), null);
  }
});

test("before the node has run, the box says what will stand there", () => {
  assert.equal(createReport(paper()).element.textContent, NOT_RUN);
});

test("an output of another kind leaves the report standing", () => {
  const { element, show } = createReport(paper());
  show("82 px between the eyes");
  show(null);
  assert.equal(element.textContent, "82 px between the eyes");
});

test("markup in a label is shown, not run", () => {
  const { element, show } = createReport(paper());
  show("<img src=x onerror=alert(1)>");
  assert.equal(element.textContent, "<img src=x onerror=alert(1)>");
  assert.equal(element.innerHTML, undefined);
});
