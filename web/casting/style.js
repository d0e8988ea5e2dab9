// @ts-check
/** How the panel looks: as the comparer does, whose colours it takes; every text has 4.5:1 or more. */
import { ACCENT, FIELD, FONT, INK, SOFT_INK, STAGE } from "../comparer/style.js";
import { dresser } from "../shared/dress.js";

export const NAME = "portraitloupe-casting";
const STAR = "#ffd166"; // 12:1 on STAGE
const NO = "#ff9d8a"; // 8.5:1 on STAGE

const CSS = `
:where(.${NAME}-root) { position: relative; width: 100%; height: 100%; min-width: 0; min-height: 0; box-sizing: border-box; overflow: hidden; }
.${NAME} { position: absolute; inset: 0; display: flex; flex-direction: column; gap: 4px; padding: 6px; overflow: hidden; border-radius: 6px;
  color: ${INK}; background: ${STAGE}; font: 12px/16px ${FONT}; text-align: left; color-scheme: dark; outline: none; user-select: none; -webkit-user-select: none; }
.${NAME}, .${NAME} :where(*) { box-sizing: border-box; }
.${NAME} [hidden] { display: none !important; }
.${NAME}:focus-visible { box-shadow: inset 0 0 0 2px ${ACCENT}; }
.${NAME} > * { flex: none; min-width: 0; }
.${NAME} .head, .${NAME} .actions, .${NAME} .chips { display: flex; align-items: center; gap: 6px; }
.${NAME} .head .title { flex: 1 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-weight: 600; }
.${NAME} .head .region, .${NAME} .trust, .${NAME} .cost { color: ${SOFT_INK}; }
.${NAME} label.blind { display: flex; align-items: center; gap: 4px; margin: 0; cursor: pointer; }
.${NAME} label.blind input { margin: 0; width: 14px; height: 14px; accent-color: ${ACCENT}; }
.${NAME} .take, .${NAME} .press { margin: 0; border: 1px solid #474d55; border-radius: 4px; background: #2a2e34; color: ${INK}; font: inherit; cursor: pointer; }
.${NAME} .press { height: 26px; padding: 0 10px; line-height: 22px; white-space: nowrap; }
.${NAME} .press.main { background: #214a6d; border-color: #4d86b3; }
.${NAME} .press:hover:not([aria-disabled="true"]) { background: #383d45; }
.${NAME} .press.main:hover:not([aria-disabled="true"]) { background: #2b5d88; }
.${NAME} .press[aria-disabled="true"] { color: #9aa1ab; background: #23262b; border-color: #3a3f46; cursor: default; }
.${NAME} :is(.press, .take, input):focus-visible { outline: 2px solid ${ACCENT}; outline-offset: 1px; }
.${NAME} .takes { flex: 0 1 auto; min-height: 72px; max-height: 42%; overflow: hidden auto; display: flex; flex-direction: column; gap: 4px; padding: 2px; scrollbar-width: thin; scrollbar-color: #5a616b ${STAGE}; }
.${NAME} .row { flex: none; display: grid; grid-template-columns: minmax(64px, 108px) 1fr; gap: 2px 6px; align-items: center; }
.${NAME} .row.refused { grid-template-columns: minmax(64px, 108px) minmax(60px, max-content) minmax(84px, 1fr); }
.${NAME} .row.mixed { grid-template-columns: 1fr; }
.${NAME} .row .model { overflow: hidden; text-overflow: ellipsis; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow-wrap: anywhere; }
.${NAME} .row .pictures { display: flex; flex-wrap: wrap; gap: 4px; min-width: 0; }
.${NAME} .row .why { max-height: 60px; overflow: hidden auto; color: ${NO}; font-size: 11px; overflow-wrap: anywhere; }
.${NAME} .take { position: relative; flex: none; width: 60px; height: 60px; padding: 0; overflow: hidden; background: ${FIELD}; }
.${NAME} .take img { display: block; width: 100%; height: 100%; object-fit: cover; pointer-events: none; }
.${NAME} .take .name { position: absolute; left: 0; bottom: 0; min-width: 16px; padding: 0 4px; border-radius: 0 4px 0 0; background: #000000c4; font-weight: 600; font-variant-numeric: tabular-nums; text-align: center; }
.${NAME} .take .mark { position: absolute; right: 0; top: 0; padding: 0 3px; border-radius: 0 0 0 4px; background: #000000c4; color: ${STAR}; }
.${NAME} .take .kept { position: absolute; right: 0; bottom: 0; padding: 0 3px; border-radius: 4px 0 0 0; background: #000000d9; color: ${ACCENT}; font-size: 10px; }
.${NAME} .take.together { border-color: #aeb6c0; box-shadow: inset 0 -3px 0 #aeb6c0; }
.${NAME} .take[aria-checked="true"] { border-color: ${ACCENT}; box-shadow: 0 0 0 1px ${ACCENT}; }
.${NAME} .take[aria-disabled="true"] { cursor: default; }
.${NAME} .take[aria-disabled="true"] img { opacity: .35; }
.${NAME} .take[aria-disabled="true"] .mark { color: ${NO}; }
.${NAME} .chips { flex-wrap: wrap; color: ${SOFT_INK}; min-height: 20px; }
.${NAME} .chips .chip { display: inline-flex; align-items: center; height: 20px; padding: 0 6px; border: 1px solid #474d55; border-radius: 10px; background: #2a2e34; color: ${INK}; font: inherit; line-height: 18px; cursor: pointer; }
.${NAME} .chips .chip[aria-pressed="true"] { border-color: ${ACCENT}; }
.${NAME} .chips .chip:focus-visible { outline: 2px solid ${ACCENT}; }
.${NAME} .loupe { position: relative; flex: 1 1 200px; min-height: 160px; }
.${NAME} .note { flex: 1 1 auto; display: flex; align-items: center; justify-content: center; padding: 12px; text-align: center; color: ${INK}; }
.${NAME} .loupe .note { position: absolute; inset: 0; border-radius: 6px; background: ${FIELD}; }
.${NAME} .about { max-height: 66px; overflow: hidden auto; user-select: text; -webkit-user-select: text; overflow-wrap: anywhere; }
.${NAME} .about > :first-child { font-weight: 600; }
.${NAME} .locked { color: ${ACCENT}; overflow-wrap: anywhere; }
.${NAME} .warnings { color: ${STAR}; white-space: pre-line; max-height: 48px; overflow: hidden auto; }
.${NAME} .trust, .${NAME} .cost, .${NAME} .warnings { font-size: 11px; line-height: 14px; overflow-wrap: anywhere; }
.${NAME} .actions { flex-wrap: wrap; }
.${NAME} .told { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`;

export const dress = dresser(CSS);
