// @ts-check
/** How the viewer looks: dark, so that the pictures are the brightest thing; every text has 4.5:1 or more. */
import { dresser } from "../shared/dress.js";

export const STAGE = "#15171a"; // around the panels
export const FIELD = "#0b0c0e"; // in a panel, where there is no picture
export const INK = "#eceef1";
export const SOFT_INK = "#adb4be"; // 8.7:1 on STAGE
export const ACCENT = "#8fcbff";
export const FONT = 'system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif';
export const NAME = "portraitloupe-comparer";

const CSS = `
:where(.${NAME}-root) { position: relative; width: 100%; height: 100%; min-width: 0; min-height: 0; box-sizing: border-box; overflow: hidden; }
.${NAME} { position: absolute; inset: 0; display: flex; flex-direction: column; box-sizing: border-box; overflow: hidden; border-radius: 6px;
  color: ${INK}; background: ${STAGE}; font: 12px/16px ${FONT}; text-align: left; color-scheme: dark; outline: none; user-select: none; -webkit-user-select: none; }
.${NAME}:focus-visible::after { content: ""; position: absolute; inset: 0; border: 2px solid ${ACCENT}; border-radius: 6px; pointer-events: none; }
.${NAME} *, .${NAME} *::before { box-sizing: border-box; }
.${NAME} [hidden] { display: none !important; }
.${NAME} .bar { flex: none; display: flex; align-items: center; gap: 4px; height: 32px; padding: 0 6px; background: #1d2024; overflow: auto hidden; scrollbar-width: none; }
.${NAME} .bar > * { flex: none; }
.${NAME} .bar .right { position: sticky; right: 0; display: flex; gap: 4px; margin-left: auto; padding-left: 4px; background: #1d2024; box-shadow: 6px 0 #1d2024; }
.${NAME} .bar .set { display: flex; }
.${NAME} .bar .set > button { border-radius: 0; border-right-width: 0; }
.${NAME} .bar .set > button:first-child { border-radius: 4px 0 0 4px; }
.${NAME} .bar .set > button:last-child { border-radius: 0 4px 4px 0; border-right-width: 1px; }
.${NAME} .bar label { display: flex; align-items: center; gap: 4px; color: ${SOFT_INK}; margin: 0; }
.${NAME} button, .${NAME} select { height: 24px; margin: 0; padding: 0 7px; border: 1px solid #474d55; border-radius: 4px; background: #2a2e34; color: ${INK};
  font: inherit; line-height: 22px; cursor: pointer; }
.${NAME} button { display: inline-flex; align-items: center; justify-content: center; min-width: 26px; font-variant-numeric: tabular-nums; }
.${NAME} select { max-width: 110px; padding: 0 2px; appearance: auto; }
.${NAME} button:hover:not([aria-disabled="true"]), .${NAME} select:hover { background: #383d45; }
.${NAME} button[aria-pressed="true"] { background: #214a6d; border-color: #4d86b3; }
.${NAME} button[aria-disabled="true"] { opacity: .55; cursor: default; }
.${NAME} :is(button, select):focus-visible { outline: 2px solid ${ACCENT}; outline-offset: -1px; }
.${NAME} svg { display: block; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
.${NAME} .stage { position: relative; flex: 1 1 0; min-height: 0; overflow: hidden; }
.${NAME} canvas { display: block; position: absolute; left: 0; top: 0; }
.${NAME} .view { touch-action: none; cursor: grab; }
.${NAME} .view.dragging { cursor: grabbing; }
.${NAME} .locator { right: auto; border: 1px solid #6b727c; border-radius: 2px; background: ${FIELD}; cursor: crosshair; touch-action: none; }
.${NAME} .caption { position: absolute; display: flex; flex-direction: column; justify-content: center; padding: 0 6px; overflow: hidden; pointer-events: none; }
.${NAME} .caption > div { display: flex; align-items: center; gap: 8px; min-width: 0; }
.${NAME} .caption .title { flex: 0 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-weight: 600; }
.${NAME} .caption .facts { flex: 1 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: ${SOFT_INK}; font-size: 11px; font-variant-numeric: tabular-nums; }
.${NAME} .caption .scale { flex: none; margin-left: auto; display: flex; align-items: center; gap: 5px; color: ${SOFT_INK}; font-size: 11px; white-space: nowrap; }
.${NAME} .caption .ruler { flex: none; height: 6px; border: solid ${INK}; border-width: 0 1px 1px; }
.${NAME} .reduced { color: #ffcf7a; }
.${NAME} .caption.narrow > div { gap: 6px; }
.${NAME} .caption.narrow .title { flex: 1 1 0; }
.${NAME} .caption.narrow .facts { flex: none; }
.${NAME} .message { position: absolute; display: flex; align-items: center; justify-content: center; padding: 8px; text-align: center; color: ${INK}; pointer-events: none; }
.${NAME} .message > span { padding: 4px 10px; border-radius: 4px; background: #000000b8; }
.${NAME} .divider { position: absolute; width: 24px; margin-left: -12px; cursor: ew-resize; touch-action: none; outline: none; }
.${NAME} .divider::before { content: ""; position: absolute; left: 11px; top: 0; bottom: 0; width: 2px; background: #fff; box-shadow: 0 0 0 1px #0009; }
.${NAME} .divider > span { position: absolute; left: 1px; top: 50%; width: 22px; height: 22px; margin-top: -11px; border-radius: 11px; background: #fff; color: #15171a;
  box-shadow: 0 0 0 1px #0009; display: flex; align-items: center; justify-content: center; font: 700 11px/22px ${FONT}; letter-spacing: -1px; }
.${NAME} .divider:focus-visible > span { box-shadow: 0 0 0 3px ${ACCENT}; }
.${NAME} .toast { position: absolute; left: 8px; right: 8px; bottom: 8px; display: flex; justify-content: center; pointer-events: none; }
.${NAME} .toast > span { max-width: 100%; padding: 5px 10px; border: 1px solid #555c66; border-radius: 4px; background: #23272cf2; }
.${NAME} .help { position: absolute; right: 6px; top: 6px; max-width: calc(100% - 12px); max-height: calc(100% - 12px); overflow: auto; padding: 8px 12px;
  border: 1px solid #555c66; border-radius: 6px; background: #23272cfa; user-select: text; -webkit-user-select: text; }
.${NAME} .help dl { display: grid; grid-template-columns: auto 1fr; gap: 1px 12px; margin: 0; }
.${NAME} .help dt { margin: 0; font-weight: 600; white-space: nowrap; }
.${NAME} .help dd { margin: 0; color: #d3d7dd; }
.${NAME} .told { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.${NAME}.small .wide { display: none; }
.${NAME}.small select { max-width: 72px; }
.${NAME}.small button { padding: 0 5px; min-width: 24px; }
.${NAME}.small .bar .set > button:first-child { border-radius: 4px; border-right-width: 1px; }
.${NAME}.small .bar { gap: 3px; padding: 0 4px; }
.${NAME}-away { position: absolute; inset: 0; display: flex; align-items: center; justify-content: center; border-radius: 6px; color: ${SOFT_INK}; background: ${STAGE}; font: 12px/16px ${FONT}; }
dialog.${NAME}-full { position: fixed; inset: 0; width: 100vw; height: 100vh; width: 100dvw; height: 100dvh; max-width: none; max-height: none; margin: 0; padding: 0; border: 0; background: ${STAGE}; overflow: hidden; }
dialog.${NAME}-full .${NAME} { border-radius: 0; }
`;

export const dress = dresser(CSS);
