// @ts-check
/** What a node reports, from what the host sends: no DOM, no ComfyUI. */

/** The nodes that send a report; tests/web/test_contract.py holds them against the Python. */
export const REPORTING_NODES = [
  "LoupeFindFaces",
  "LoupeProminence",
  "LoupePlanCrop",
  "LoupeStitch",
  "LoupeAlignFaces",
  "LoupeIdentityProfile",
  "LoupeSaveIdentity",
  "LoupeLoadIdentity",
  "LoupeCloseUpPrompt",
  "LoupeIdentityAudit",
  "LoupeIdentityDrift",
  "LoupeLoadIdentityAdapter",
  "LoupeLoadEvaClip",
  "LoupeApplyIdentity",
  "LoupeIdentityControlNet",
  "LoupeInjectedEnergy",
  "LoupeCalibrationCurve",
  "LoupeReferenceWeight",
  "LoupeLens",
  "LoupeLensProfile",
  "LoupeLensCompare",
  "LoupeMicroContrastMeter",
  "LoupeCompare",
  "LoupeCastBrief",
  "LoupeCastSheet",
  "LoupeCastLock",
  "LoupeCastLoad",
  "LoupeRealismCalibrate",
];

/** What stands there before the node has run. */
export const NOT_RUN = "What this node finds is reported here.";

/**
 * The report in a node's output.
 * @param {unknown} output what the host sends when a node has run
 * @returns {string | null} null where there is none
 */
export function reportText(output) {
  const lines = /** @type {{loupe_report?: unknown} | null | undefined} */ (output)?.loupe_report;
  if (!Array.isArray(lines)) return null;
  const text = lines.filter((line) => typeof line === "string").join("\n").trim();
  return text || null;
}
