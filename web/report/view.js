// @ts-check
import { NOT_RUN } from "./text.js";

/**
 * The box that shows a report.
 * @param {Document} document
 * @returns {{element: HTMLElement, show: (text: string | null) => void}} show(null) leaves what stands
 */
export function createReport(document) {
  const element = document.createElement("div");
  element.className = "portraitloupe-report";
  element.setAttribute("role", "status");
  Object.assign(element.style, {
    boxSizing: "border-box",
    padding: "4px 8px",
    overflow: "auto",
    whiteSpace: "pre-wrap",
    font: "11px/1.4 sans-serif",
    color: "var(--input-text, #ddd)",
    background: "var(--comfy-input-bg, #222)",
    borderRadius: "4px",
    opacity: "0.6",
    userSelect: "text",
  });
  element.textContent = NOT_RUN;
  return {
    element,
    show(text) {
      if (text === null) return;
      element.textContent = text; // never innerHTML: labels come from the user
      element.style.opacity = "1";
    },
  };
}
