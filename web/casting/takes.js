// @ts-check
/** The takes as small pictures, a row for each model. They show a state and say what is chosen; they decide nothing. */
import { make, setAttribute, setText } from "../comparer/dom.js";
import { isOffered, panelOf, picturesOf } from "./cast.js";
import { isHidden, nameOf, rowsOf } from "./state.js";
import { rejectedText, takeText } from "./words.js";

/** @typedef {import("./cast.js").Cast} Cast */
/** @typedef {import("./cast.js").File} File */
/** @typedef {import("./cast.js").Take} Take */
/** @typedef {import("./state.js").State} State */

/**
 * @param {Document} document
 * @param {{url: (file: File, sha: string) => string, choose: (number: number) => void}} target
 */
export function createTakes(document, { url, choose }) {
  const element = make(document, "div", { class: "takes", role: "radiogroup", "aria-label": "Takes" });
  /** @type {Map<number, {button: HTMLElement, mark: HTMLElement, kept: HTMLElement, name: HTMLElement, take: Take}>} */
  const made = new Map();
  let shown = "";

  /**
   * @param {Cast} cast
   * @param {Take} take
   */
  function pictureOf(cast, take) {
    const files = picturesOf(cast, take);
    const image = make(document, "img", { alt: "", loading: "lazy", decoding: "async", draggable: "false" });
    const next = () => {
      const file = files.shift();
      if (file) image.src = url(file, take.sha256);
      else image.remove(); // its number stands on an empty field
    };
    image.addEventListener("error", next);
    const [x, y] = middleOf(cast, take);
    image.style.objectPosition = `${x}% ${y}%`;
    next();
    return image;
  }

  /**
   * @param {Cast} cast
   * @param {Take} take
   */
  function build(cast, take) {
    const [name, mark, kept] = ["name", "mark", "kept"].map((part) => make(document, "span", { class: part }));
    const button = make(document, "button", { type: "button", class: "take", role: "radio", tabindex: -1 }, pictureOf(cast, take), name, mark, kept);
    if (!isOffered(take)) button.setAttribute("aria-disabled", "true");
    button.addEventListener("click", () => choose(take.number));
    made.set(take.number, { button, mark, kept, name, take });
    return button;
  }

  return {
    element,
    /**
     * @param {Cast} cast
     * @param {State} state
     * @param {string} locked hash of the locked take, or ""
     */
    show(cast, state, locked) {
      const rows = rowsOf(cast, state);
      const now = JSON.stringify([rows, cast.compare?.sha, cast.compare_takes]);
      if (now !== shown) {
        shown = now;
        made.clear();
        element.replaceChildren(...rows.map((row) => {
          const pictures = make(document, "div", { class: "pictures" }, ...row.takes.map((take) => build(cast, take)));
          const one = make(document, "div", { class: row.model ? `row${row.rejected.length > 0 ? " refused" : ""}` : "row mixed", role: "group", "aria-label": row.model || "In blind order" }, pictures);
          if (row.model) one.prepend(make(document, "div", { class: "model", title: row.model, text: row.model }));
          if (row.rejected.length > 0) one.append(make(document, "div", { class: "why", text: rejectedText(row.rejected) }));
          return one;
        }));
      }
      const hidden = isHidden(state);
      const holder = state.chosen ?? rows.flatMap(({ takes }) => takes).find(isOffered)?.number;
      for (const [number, { button, mark, kept, name, take }] of made) {
        setText(name, nameOf(cast, state, number));
        setText(mark, hidden ? "" : !isOffered(take) ? "✕" : take.rank === 1 ? "★" : "");
        setText(kept, !hidden && take.sha256 === locked && locked ? "locked" : "");
        for (const part of [mark, kept]) part.hidden = part.textContent === "";
        button.classList.toggle("together", state.together.includes(number));
        setAttribute(button, "aria-checked", String(number === state.chosen));
        setAttribute(button, "tabindex", number === holder ? "0" : "-1"); // one stop for Tab, arrows from there
        const text = takeText(cast, state, take);
        setAttribute(button, "aria-label", kept.textContent ? `${text}, locked` : text);
        setAttribute(button, "title", text);
      }
    },
    /** @param {number | null} number */
    focus(number) {
      if (number !== null) made.get(number)?.button.focus({ preventScroll: true });
    },
    /** @param {number | null} number */
    reach(number) {
      const found = number === null ? undefined : made.get(number)?.button;
      if (!found) return;
      // no scrollIntoView: it would scroll the page under the graph
      const [box, own] = [element.getBoundingClientRect(), found.getBoundingClientRect()];
      const scale = element.offsetHeight > 0 ? box.height / element.offsetHeight : 1;
      if (own.top < box.top) element.scrollTop -= (box.top - own.top) / scale;
      else if (own.bottom > box.bottom) element.scrollTop += (own.bottom - box.bottom) / scale;
    },
  };
}

/**
 * Where a square part of a picture has to lie so that the region is in it.
 * @param {Cast} cast
 * @param {Take} take
 * @returns {[number, number]} per cent, as object-position takes them
 */
function middleOf(cast, take) {
  const panel = panelOf(cast, take.number);
  if (!panel) return [50, 30];
  const [w, h] = panel.size;
  const side = Math.min(w, h);
  const share = (/** @type {number} */ at, /** @type {number} */ length) => (length > side ? Math.round(Math.min(100, Math.max(0, (100 * (at - side / 2)) / (length - side)))) : 50);
  return [share(panel.centre[0], w), share(panel.centre[1], h)];
}
