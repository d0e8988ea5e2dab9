// @ts-check
/** The toolbar and the list of keys. They show a state and say what is asked for; they decide nothing. */
import { LOCKS, MODES, RATIOS } from "./constants.js";
import { icon, make, setAttribute, setText } from "./dom.js";
import { unregistered } from "./view.js";

/** @typedef {import("./geometry.js").Payload} Payload */
/** @typedef {import("./geometry.js").View} View */
/** @typedef {(name: string, value?: any) => void} Act */
/**
 * @typedef {object} State
 * @property {Payload | null} payload
 * @property {View | null} view
 * @property {number} ratio device px per source px of the panel that is spoken of
 * @property {boolean} full whether the viewer fills the screen
 * @property {boolean} playing whether the flicker goes by itself
 * @property {boolean} still whether the system asks for less motion
 * @property {boolean} help whether the keys are shown
 * @property {string[]} labels of the panels, as they may be read now
 */

export const LOCK_WORDS = {
  face: ["Face", "the same place of the face, as large in every panel"],
  pixel: ["Pixel", "as many device px for a source px in every panel"],
  level: ["Level", "every panel reduced to what the poorest has of the face"],
  free: ["Free", "drag or arrows move one panel, Shift and drag all"],
};
export const MODE_WORDS = {
  grid: ["Grid", "side by side"],
  divider: ["Divider", "two on each other, with an edge to drag"],
  flicker: ["Flicker", "two in turn"],
  difference: ["Difference", "|first - second| x 4"],
};
const KEYS = [
  ["Wheel, + -", "zoom"],
  ["Drag, arrows", "pan; Shift: farther. Lock Free: move one panel"],
  ["0", "fit the region"],
  ["Z", "1:1, 2:1, 4:1"],
  ["1-9", "one panel alone; again: all"],
  ["Space", "hold: the other panel in its place"],
  ["L", "next lock"],
  ["D", "difference"],
  ["B, R", "blind: hide or reveal the names"],
  ["S", "save what is shown as PNG"],
  ["?", "these keys"],
];

/**
 * @param {Document} document
 * @param {Act} act
 */
export function createControls(document, act) {
  /**
   * @param {string} name what it is called
   * @param {string} hint
   * @param {string | SVGElement} face
   * @param {() => void} pressed
   */
  const button = (name, hint, face, pressed) => {
    const made = make(document, "button", { type: "button", "aria-label": name, title: hint }, face);
    made.addEventListener("click", () => made.getAttribute("aria-disabled") !== "true" && pressed());
    return made;
  };
  /**
   * @param {string} name
   * @param {readonly string[]} values
   * @param {(value: string) => string} word
   */
  const select = (name, values, word) => {
    const options = values.map((value) => make(document, "option", { value, text: word(value) }));
    return make(document, "select", { "aria-label": name }, ...options);
  };

  const lock = select("Lock", LOCKS, (one) => LOCK_WORDS[/** @type {View["lock"]} */ (one)][0]);
  const mode = select("Mode", MODES, (one) => MODE_WORDS[/** @type {View["mode"]} */ (one)][0]);
  const first = select("First panel", [], String);
  const second = select("Second panel", [], String);
  lock.addEventListener("change", () => act("lock", lock.value));
  mode.addEventListener("change", () => act("mode", mode.value));
  for (const one of [first, second]) one.addEventListener("change", () => act("pair", [first.selectedIndex, second.selectedIndex]));
  const fit = button("Fit", "Fit the region (0)", "Fit", () => act("fit"));
  const ratios = RATIOS.map((ratio) => {
    const made = button(`${ratio} to 1`, `${ratio} device px for each source px (Z)`, `${ratio}:1`, () => act("ratio", ratio));
    if (ratio > 1) made.classList.add("wide");
    return made;
  });
  const ratioSet = make(document, "span", { class: "set", role: "group", "aria-label": "Pixels" }, ...ratios);
  const [playIcon, pauseIcon] = [icon(document, "play"), icon(document, "pause")];
  const play = button("Flicker by itself", "", playIcon, () => act("play"));
  const reveal = button("Reveal names", "", icon(document, "reveal"), () => act("reveal"));
  const save = button("Save", "Save what is shown as PNG (S)", icon(document, "save"), () => act("save"));
  const [openIcon, shutIcon] = [icon(document, "full"), icon(document, "close")];
  const full = button("Full screen", "", openIcon, () => act("full"));
  const help = button("Help", "Keys (?)", icon(document, "help"), () => act("help"));
  const lockLabel = make(document, "label", {}, make(document, "span", { class: "wide", text: "Lock" }), lock);
  const modeLabel = make(document, "label", {}, make(document, "span", { class: "wide", text: "Mode" }), mode);
  const right = make(document, "span", { class: "right" }, save, full, help);
  const bar = make(document, "div", { class: "bar", role: "toolbar", "aria-label": "Comparer" });
  bar.append(lockLabel, modeLabel, play, reveal, first, second, fit, ratioSet, right);

  const rows = KEYS.flatMap(([key, text]) => [make(document, "dt", { text: key }), make(document, "dd", { text })]);
  const keys = make(document, "div", { class: "help", role: "region", "aria-label": "Keys", tabindex: 0, hidden: "" }, make(document, "dl", {}, ...rows));

  let shown = "";
  return {
    bar,
    keys,
    full,
    /** @param {State} state */
    update(state) {
      const { payload, view, ratio } = state;
      const now = JSON.stringify([payload?.sha, payload?.panels.length, view && { ...view, centre: 0, offsets: 0, divider: 0 }, ratio, { ...state, payload: 0, view: 0 }]);
      if (now === shown) return;
      shown = now;
      for (const child of bar.children) /** @type {HTMLElement} */ (child).hidden = !payload || !view;
      keys.hidden = !state.help || !payload;
      setAttribute(help, "aria-expanded", String(!keys.hidden));
      if (!payload || !view) return;
      lock.value = view.lock;
      mode.value = view.mode;
      setAttribute(lock, "title", `Lock (L): ${LOCK_WORDS[view.lock][1]}`);
      setAttribute(mode, "title", `Mode: ${MODE_WORDS[view.mode][1]}`);
      const two = payload.panels.length > 1;
      for (const option of mode.options) {
        const why = option.value === "grid" ? null : whyNot(option.value, payload);
        option.disabled = why !== null;
        setAttribute(option, "title", why);
      }
      const paired = two && view.mode !== "grid" && payload.panels.length > 2;
      [first, second].forEach((one, at) => {
        one.hidden = !paired;
        if (!paired) return;
        state.labels.forEach((label, index) => {
          const option = one.options[index] ?? one.appendChild(make(document, "option"));
          setText(option, label);
          const why = view.mode !== "difference" ? null : at === 0 ? (index > 0 ? "A difference is one from the first panel." : null) : index === 0 ? "The first panel itself." : unregistered(payload, index);
          option.disabled = why !== null || index === view.pair[1 - at];
          setAttribute(option, "title", why);
        });
        while (one.options.length > state.labels.length) one.options[one.options.length - 1].remove();
        one.selectedIndex = view.pair[at];
      });
      play.hidden = view.mode !== "flicker";
      setAttribute(play, "aria-pressed", String(state.playing));
      setAttribute(play, "aria-disabled", state.still ? "true" : null);
      setAttribute(play, "title", state.still ? "Your system asks for less motion: hold Space instead" : state.playing ? "Stop; hold Space to flicker yourself" : "In turn by itself; hold Space to flicker yourself");
      play.replaceChildren(state.playing ? pauseIcon : playIcon);
      RATIOS.forEach((one, at) => setAttribute(ratios[at], "aria-pressed", String(Math.abs(ratio / one - 1) < 1e-6)));
      reveal.hidden = !payload.blind;
      setAttribute(reveal, "aria-pressed", String(view.revealed));
      setAttribute(reveal, "title", view.revealed ? "Hide the names (B)" : "Reveal the names (R)");
      const word = state.full ? "Close full screen" : "Full screen";
      setAttribute(full, "aria-label", word);
      setAttribute(full, "title", state.full ? "Close full screen (Esc)" : "Full screen: true pixels, not scaled by the canvas");
      full.replaceChildren(state.full ? shutIcon : openIcon);
    },
  };
}

/**
 * @param {string} mode
 * @param {Payload} payload
 * @returns {string | null} why a mode is not possible
 */
function whyNot(mode, payload) {
  if (payload.panels.length < 2) return `The mode ${mode} needs two panels.`;
  if (mode !== "difference") return null;
  const why = payload.panels.slice(1).map((_, at) => unregistered(payload, at + 1));
  return why.includes(null) ? null : why[0];
}
