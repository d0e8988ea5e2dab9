// @ts-check
/** The text that lies on the stage: captions, messages, a toast; and the live region that says it. */
import { createCaption } from "./captions.js";
import { make, putAt, setText } from "./dom.js";

/** @typedef {import("./geometry.js").Rect} Rect */

const TOAST_MS = 5000;

/**
 * @param {Document} document
 * @param {(text: string) => void} announce
 */
export function createOverlay(document, announce) {
  const captions = make(document, "div");
  const messages = make(document, "div");
  const words = make(document, "span");
  const toast = make(document, "div", { class: "toast", "aria-hidden": "true", hidden: "" }, words);
  const live = make(document, "div", { class: "told", role: "status", "aria-live": "polite" });
  /** @type {ReturnType<typeof createCaption>[]} */
  const made = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let fading;

  return {
    elements: [captions, messages, toast],
    live,
    /** @param {string} text */
    say(text) {
      setText(live, text);
      announce(text);
    },
    /** @param {string} why a wish is not granted */
    refuse(why) {
      this.say(why);
      setText(words, why);
      toast.hidden = false;
      clearTimeout(fading);
      fading = setTimeout(() => (toast.hidden = true), TOAST_MS);
    },
    /** @param {{caption: import("./captions.js").Caption, rect: Rect}[]} list */
    showCaptions(list) {
      while (made.length < list.length) {
        made.push(createCaption(document));
        captions.append(made[made.length - 1].element);
      }
      made.forEach(({ element, show }, at) => {
        element.hidden = at >= list.length;
        if (at < list.length) show(list[at].caption, list[at].rect);
      });
    },
    /** @param {{text: string, rect: Rect}[]} list */
    showMessages(list) {
      while (messages.children.length > list.length) messages.lastChild?.remove();
      list.forEach(({ text, rect }, at) => {
        const element = messages.children[at] ?? messages.appendChild(make(document, "div", { class: "message" }, make(document, "span")));
        setText(/** @type {Element} */ (element.firstChild), text);
        putAt(/** @type {HTMLElement} */ (element), rect);
      });
    },
    destroy: () => clearTimeout(fading),
  };
}
