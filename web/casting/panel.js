// @ts-check
/** Owns the DOM of one casting panel: what is shown, and what every wish does to the state. The loupe is the comparer. */
import { make, setAttribute, setText } from "../comparer/dom.js";
import { mount as mountComparer } from "../comparer/draw.js";
import { cellsOf, holds } from "../comparer/layout.js";
import { NAME as COMPARER } from "../comparer/style.js";
import { isOurKey } from "../comparer/view.js";
import { isOffered, lockFor, takeOf } from "./cast.js";
import { BLIND_PICK, PICK } from "./constants.js";
import { Keys } from "./keys.js";
import { anySeed, carried, choose, drop, flip, isHidden, loupeOf, nameOf, orderOf, reveal, setBlind, step, takeTyped, viewFor } from "./state.js";
import { dress, NAME } from "./style.js";
import { createTakes } from "./takes.js";
import { costText, factLines, lockText, NO_LOUPE, NONE_OFFERED, NOT_RUN, takeText, titleText, trustText } from "./words.js";

/** @typedef {import("./cast.js").Cast} Cast */
/** @typedef {import("./cast.js").File} File */
/** @typedef {import("./cast.js").Lock} Lock */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("../comparer/geometry.js").View} View */
/**
 * @typedef {object} Options
 * @property {(file: File, sha: string) => string} url where a file is read
 * @property {() => import("./words.js").Held} held what stands in the node's widgets
 * @property {() => string} castName
 * @property {(lock: Lock, queue: boolean) => void} lock
 * @property {() => void} unlock
 * @property {(state: State, look: View | null) => void} [onChange]
 * @property {(event: WheelEvent) => void} [forwardWheel] gets the wheel while the panel has no focus
 * @property {(hidden: boolean) => void} [onHidden] whether names may be read elsewhere on the node
 * @property {() => number} [seed] of a new blind order
 */

const NEAR = 4; // CSS px that a click may move

/**
 * A panel in `root`, which gives it its size.
 * @param {HTMLElement} root
 * @param {Options} options
 */
export function mount(root, options) {
  const panel = new Panel(root, options);
  return {
    /**
     * @param {Cast | null} cast null: nothing has run yet
     * @param {{state?: unknown, look?: unknown, from?: Cast | null}} [stored] what was stored, and what it was of
     */
    set: (cast, stored = {}) => panel.set(cast, stored),
    /** The node's widgets have changed. */
    refresh: () => panel.show(),
    /** @returns {State | null} plain JSON */
    state: () => panel.state && JSON.parse(JSON.stringify(panel.state)),
    destroy: () => panel.destroy(),
  };
}

class Panel {
  /**
   * @param {HTMLElement} root
   * @param {Options} options
   */
  constructor(root, options) {
    const { ownerDocument: document } = root;
    this.root = root;
    this.options = options;
    /** @type {Cast | null} */
    this.cast = null;
    /** @type {State | null} */
    this.state = null;
    /** @type {View | null} where the loupe looks */
    this.look = null;
    this.loupeShown = "";
    /** @type {number[]} takes of the loupe's panels */
    this.numbers = [];
    this.keys = new Keys();
    /** @type {State | null} before the first digit of a number */
    this.typedFrom = null;
    this.seed = options.seed ?? anySeed;
    this.ended = new AbortController();

    dress(document);
    root.classList.add(`${NAME}-root`);
    this.title = make(document, "span", { class: "title" });
    this.region = make(document, "span", { class: "region" });
    this.blind = make(document, "input", { type: "checkbox" });
    this.reveal = this.button("Reveal", "Reveal the names (R); a pick is not blind after it", () => this.change((state) => reveal(state)));
    const blindLabel = make(document, "label", { class: "blind", title: "Hide names, ranks and figures, and mix the order (B)" }, this.blind, "blind");
    const head = make(document, "div", { class: "head" }, this.title, this.region, this.reveal, blindLabel);
    this.takes = createTakes(document, { url: options.url, choose: (number) => this.choose(number) });
    this.chips = make(document, "div", { class: "chips", role: "group", "aria-label": "In the loupe" });
    this.stage = make(document, "div");
    this.noLoupe = make(document, "div", { class: "note", text: NO_LOUPE });
    this.loupe = make(document, "div", { class: "loupe" }, this.stage, this.noLoupe);
    this.message = make(document, "div", { class: "note" });
    this.facts = make(document, "div", { class: "about" });
    this.locked = make(document, "div", { class: "locked" });
    this.trust = make(document, "div", { class: "trust" });
    this.cost = make(document, "div", { class: "cost" });
    this.warnings = make(document, "div", { class: "warnings" });
    this.lock = this.button("Lock", "Lock this take (Enter)", () => this.pick(false));
    this.lock.classList.add("main");
    this.queue = this.button("Lock and queue", "Lock this take and run what follows it", () => this.pick(true));
    this.unlock = this.button("Unlock", "Empty the lock: the next run offers takes again", () => this.free());
    this.actions = make(document, "div", { class: "actions" }, this.lock, this.queue, this.unlock);
    this.live = make(document, "div", { class: "told", role: "status", "aria-live": "polite" });
    const named = { role: "group", "aria-roledescription": "casting panel", "aria-label": "Casting" };
    this.shell = make(document, "div", { class: NAME, tabindex: 0, ...named, "data-capture-wheel": "true" },
      head, this.takes.element, this.message, this.chips, this.loupe, this.facts, this.locked, this.trust, this.cost, this.warnings, this.actions, this.live);
    root.append(this.shell);
    this.comparer = mountComparer(this.stage, {
      url: options.url,
      onChange: (view) => this.looked(view),
      forwardWheel: options.forwardWheel,
      save: () => `${options.castName() || "cast"} ${this.numbers.map((number) => this.name(number)).join(" ")}`,
    });
    // in full screen it stands elsewhere on the page, and keys there are ours too
    this.viewer = /** @type {HTMLElement} */ (this.stage.querySelector(`.${COMPARER}`));
    this.listen();
    this.show();
  }

  /**
   * @param {string} text
   * @param {string} hint
   * @param {() => void} pressed
   */
  button(text, hint, pressed) {
    const made = make(this.root.ownerDocument, "button", { type: "button", class: "press", title: hint, text });
    made.addEventListener("click", () => made.getAttribute("aria-disabled") !== "true" && pressed());
    return made;
  }

  /* ---- what is shown ---------------------------------------------------------------------------------------- */

  /**
   * @param {Cast | null} cast
   * @param {{state?: unknown, look?: unknown, from?: Cast | null}} stored
   */
  set(cast, { state, look, from = null }) {
    this.cast = cast;
    this.keys = new Keys();
    this.typedFrom = null;
    const wish = { seed: this.seed(), locked: (this.options.held().lock ?? cast?.locked)?.take_sha256 };
    this.state = cast && carried(state, from, cast, wish);
    if (look !== undefined) this.look = /** @type {View | null} */ (look); // the comparer checks it
    this.loupeShown = "";
    this.show();
    this.tell();
  }

  destroy() {
    this.ended.abort();
    this.comparer.destroy();
    this.shell.remove();
    this.root.classList.remove(`${NAME}-root`);
  }

  /** @param {number} number */
  name(number) {
    return this.cast && this.state ? nameOf(this.cast, this.state, number) : String(number);
  }

  show() {
    const { cast, state, options } = this;
    const held = options.held();
    const offered = cast?.takes.some(isOffered) ?? false;
    const hidden = state !== null && isHidden(state);
    setText(this.title, titleText(cast, options.castName()));
    setText(this.region, cast?.region ? `region ${cast.region}` : "");
    this.blind.checked = state?.blind ?? false;
    /** @type {HTMLElement} */ (this.blind.parentElement).hidden = !offered;
    this.reveal.hidden = !hidden;
    this.message.hidden = offered;
    setText(this.message, !cast || cast.takes.length === 0 ? (held.lock ? "" : NOT_RUN) : NONE_OFFERED);
    this.takes.element.hidden = !cast || cast.takes.length === 0;
    for (const part of [this.chips, this.loupe, this.facts]) part.hidden = !offered;
    setText(this.locked, lockText(cast, held, hidden));
    this.locked.hidden = this.locked.textContent === "";
    setText(this.trust, cast ? trustText(cast.trust) : "");
    setText(this.cost, cast && state ? costText(cast, state) : "");
    this.trust.hidden = !cast;
    this.cost.hidden = this.cost.textContent === "";
    setText(this.warnings, cast?.warnings.join("\n") ?? "");
    this.warnings.hidden = this.warnings.textContent === "";
    if (cast && state) {
      this.takes.show(cast, state, (held.lock ?? cast.locked)?.take_sha256 ?? "");
      this.showChips(cast, state);
      const lines = factLines(cast, state);
      if (this.facts.textContent !== lines.join("")) this.facts.replaceChildren(...lines.map((text) => make(this.root.ownerDocument, "div", { text })));
      this.showLoupe(cast, state);
    } else {
      this.comparer.set(null);
      this.loupeShown = "";
    }
    this.showActions(held);
    options.onHidden?.(hidden);
  }

  /** @param {import("./words.js").Held} held */
  showActions(held) {
    const chosen = this.chosen();
    const name = chosen ? `${this.state?.blind ? "" : "#"}${this.name(chosen.number)}` : "";
    const done = chosen !== null && held.lock?.take_sha256 === chosen.sha256;
    setText(this.lock, name ? `Lock ${name}` : "Lock");
    const why = !chosen ? "Choose a take first" : null;
    this.able(this.lock, why ?? (done && !this.isHidden() ? "This take is locked" : null), "Lock this take (Enter)");
    this.able(this.queue, why, "Lock this take and run what follows it");
    this.able(this.unlock, held.value.trim() || held.lock ? null : "Nothing is locked", "Empty the lock: the next run offers takes again");
  }

  /**
   * @param {HTMLElement} button
   * @param {string | null} why it does nothing
   * @param {string} hint
   */
  able(button, why, hint) {
    setAttribute(button, "aria-disabled", why ? "true" : null);
    setAttribute(button, "title", why ?? hint);
  }

  /**
   * @param {Cast} cast
   * @param {State} state
   */
  showChips(cast, state) {
    const { ownerDocument: document } = this.root;
    const shown = orderOf(cast, state).filter((number) => state.together.includes(number));
    const now = JSON.stringify([shown.map((number) => [number, this.name(number)]), state.chosen, state.alone]);
    if (this.chips.dataset.shown === now) return;
    this.chips.dataset.shown = now;
    const focused = this.chips.contains(document.activeElement);
    /** @type {(Node | string)[]} */
    const parts = ["loupe:"];
    shown.forEach((number, at) => {
      if (at > 0) parts.push("⇄");
      const chip = make(document, "button", { type: "button", class: "chip", "aria-pressed": String(number === state.chosen), title: "Take it out of the loupe", "aria-label": `Take ${this.name(number)} out of the loupe`, text: `${this.name(number)} ✕` });
      chip.addEventListener("click", () => this.change((old) => drop(old, number)));
      parts.push(chip);
    });
    if (shown.length > 1) {
      const all = make(document, "button", { type: "button", class: "chip", "aria-pressed": String(state.alone), title: "The chosen take alone, or all of them (Escape: all)", text: state.alone ? "show all" : "show one" });
      all.addEventListener("click", () => this.change((old) => ({ ...old, alone: !old.alone && old.chosen !== null })));
      parts.push(all);
    }
    this.chips.replaceChildren(...parts);
    if (focused) this.shell.focus({ preventScroll: true });
  }

  /**
   * @param {Cast} cast
   * @param {State} state
   */
  showLoupe(cast, state) {
    const found = loupeOf(cast, state);
    this.stage.hidden = !found;
    this.noLoupe.hidden = found !== null;
    const now = JSON.stringify([found?.payload.sha, found?.payload.panels.map(({ label }) => label), found?.numbers, state.chosen, state.before, state.alone]);
    if (now === this.loupeShown) return;
    this.loupeShown = now;
    const last = this.comparer.view() ?? this.look;
    const same = JSON.stringify(found?.numbers) === JSON.stringify(this.numbers);
    this.numbers = found?.numbers ?? [];
    if (!found) return this.comparer.set(null);
    const offsets = same && Array.isArray(last?.offsets) ? last.offsets : []; // they belong to places
    const view = last && typeof last === "object" && Array.isArray(last.pair) ? viewFor({ ...last, offsets }, found.numbers, state) : null;
    this.comparer.set(found.payload, view);
    if (!view && state.alone) {
      const first = this.comparer.view();
      if (first) this.comparer.set(found.payload, viewFor(first, found.numbers, state));
    }
  }

  /** @param {View} view what the comparer shows now */
  looked(view) {
    this.look = view;
    const { state } = this;
    if (state) {
      const alone = view.solo !== null;
      if (alone !== state.alone) {
        this.state = { ...state, alone, chosen: alone ? (this.numbers[view.solo ?? 0] ?? state.chosen) : state.chosen };
        this.show();
      }
    }
    this.tell();
  }

  tell() {
    if (this.state) this.options.onChange?.(this.state, this.look);
  }

  /** @param {string} text */
  say(text) {
    setText(this.live, text);
  }

  /* ---- wishes ----------------------------------------------------------------------------------------------- */

  isHidden() {
    return this.state !== null && isHidden(this.state);
  }

  chosen() {
    return this.cast && this.state ? takeOf(this.cast, this.state.chosen) : null;
  }

  /** @param {(state: State, cast: Cast) => State} next */
  change(next) {
    const { cast, state } = this;
    if (!cast || !state) return;
    const after = next(state, cast);
    if (after === state) return;
    this.state = after;
    const inside = this.takes.element.contains(this.root.ownerDocument.activeElement);
    this.show();
    if (inside) {
      this.takes.focus(after.chosen);
      if (!this.takes.element.contains(this.root.ownerDocument.activeElement)) this.shell.focus({ preventScroll: true });
    }
    this.takes.reach(after.chosen);
    if (after.blind !== state.blind) this.say(after.blind ? "Blind: names are hidden, the order is new." : "Not blind any more.");
    else if (after.revealed !== state.revealed) this.say("The names are shown.");
    else if (after.chosen !== state.chosen || after.alone !== state.alone) this.speak();
    this.tell();
  }

  speak() {
    const take = this.chosen();
    if (this.cast && this.state && take) this.say(`${takeText(this.cast, this.state, take)}${this.state.alone ? ", alone" : ""}.`);
  }

  /** @param {number} number */
  choose(number) {
    const take = this.cast && takeOf(this.cast, number);
    if (take && !isOffered(take)) return this.say(`Take ${number} is not offered: ${take.rejected}.`);
    this.change((state, cast) => choose(state, cast, number));
  }

  /** @param {boolean} queue */
  pick(queue) {
    const take = this.chosen();
    if (!take || !this.state) return this.say("Choose a take first.");
    const { lock } = this.options.held();
    const blind = this.isHidden();
    // a take that is locked already keeps how it was picked
    const kept = lock && lock.take_sha256 === take.sha256 && !blind ? lock : lockFor(take, blind ? BLIND_PICK : PICK, new Date());
    this.options.lock(kept, queue);
    if (blind) this.change((state) => reveal(state)); // the pick is made
    this.show();
    this.say(`${lockText(this.cast, this.options.held(), false)}${queue ? " Queued." : ""}`);
  }

  free() {
    this.options.unlock();
    this.show();
    this.say("Unlocked: the next run offers takes again.");
  }

  /** @param {import("./keys.js").Wish} wish @returns {boolean} whether there was something to do */
  act(wish) {
    const { state, cast } = this;
    if (!state || !cast) return false;
    switch (wish.name) {
      case "type":
        // the 1 of 12 was not meant: as if it had not been typed
        if (wish.more && this.typedFrom) this.state = this.typedFrom;
        else this.typedFrom = state;
        return this.typed(wish.value);
      case "step":
        this.change((now) => step(now, cast, ...wish.value));
        return true;
      case "flip":
        if (state.before === null) this.say("Choose a second take: Space flips between the last two.");
        this.change((now) => flip(now, cast));
        return true;
      case "lock":
        this.pick(false);
        return true;
      case "blind":
        this.change((now) => setBlind(now, cast, !now.blind, this.seed()));
        return true;
      case "reveal":
        if (!state.blind) this.say("Nothing is hidden: B hides the names.");
        this.change((now) => reveal(now));
        return true;
      case "back":
        if (!state.alone) return false;
        this.change((now) => ({ ...now, alone: false }));
        return true;
    }
  }

  /** @param {number} value a number, or the first digits of one */
  typed(value) {
    const { state, cast } = this;
    if (!state || !cast) return false;
    // of 12 where there is no take 12, the 2 counts
    for (const one of [value, value % 100, value % 10]) {
      const number = takeTyped(cast, state, one);
      if (number === null) continue;
      this.choose(number);
      return true;
    }
    const take = state.blind ? null : takeOf(cast, value);
    this.say(take ? `Take ${value} is not offered: ${take.rejected}.` : `There is no take ${value}.`);
    return true;
  }

  /* ---- events ----------------------------------------------------------------------------------------------- */

  listen() {
    const { signal } = this.ended;
    const { shell, viewer, blind } = this;
    blind.addEventListener("change", () => this.change((state, cast) => setBlind(state, cast, blind.checked, this.seed())), { signal });
    for (const part of [shell, viewer]) part.addEventListener("keydown", (event) => this.pressed(event), { signal, capture: true });
    shell.addEventListener("keyup", (event) => {
      if (isWidget(event.target)) return;
      if (event.key === " ") event.preventDefault(); // Firefox presses the button that has the focus
    }, { signal });
    shell.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return; // the middle button pans the graph, the right one has its menu
      event.stopPropagation(); // the node must not be dragged
      if (!(/** @type {Element} */ (event.target).closest("button, input, label, .about"))) shell.focus({ preventScroll: true });
    }, { signal });
    shell.addEventListener("dblclick", (event) => event.stopPropagation(), { signal }); // the graph would open its search
    shell.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    /** @type {{x: number, y: number} | null} */
    let down = null;
    viewer.addEventListener("pointerdown", (event) => {
      down = event.button === 0 && /** @type {Element} */ (event.target).matches("canvas.view") ? { x: event.clientX, y: event.clientY } : null;
    }, { signal, capture: true });
    viewer.addEventListener("pointerup", (event) => {
      if (down && Math.hypot(event.clientX - down.x, event.clientY - down.y) <= NEAR) this.pointed(event);
      down = null;
    }, { signal });
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.defaultPrevented || !this.cast || !this.state) return;
    if (event.currentTarget === this.viewer && this.shell.contains(this.viewer)) return; // the panel has read it
    const target = /** @type {Element} */ (event.target);
    const inLoupe = this.viewer.contains(target);
    if (target.closest("select, input:not([type=checkbox]), textarea, [role=slider]")) return;
    // buttons are pressed by them
    if ((event.key === " " && isWidget(target)) || (event.key === "Enter" && isButton(target))) return inLoupe ? undefined : event.stopPropagation();
    if (event.key === "Escape" && (inLoupe && this.viewer.querySelector(".help:not([hidden])") || this.viewer.closest("dialog"))) return;
    const { key, code, type, repeat, shiftKey, ctrlKey, metaKey, altKey, isComposing } = event;
    const plain = { key, code, type, repeat, shiftKey, ctrlKey, metaKey, altKey, isComposing };
    const wish = this.keys.read(plain, inLoupe, event.timeStamp);
    if (wish ? this.act(wish) : repeat && !inLoupe && isOurKey(plain)) {
      event.stopImmediatePropagation();
      event.preventDefault();
    } else if (!wish && !inLoupe && isOurKey(plain)) {
      // zoom, fit and the rest are the loupe's wherever the focus is
      event.stopImmediatePropagation();
      event.preventDefault();
      this.viewer.dispatchEvent(new KeyboardEvent("keydown", { ...plain, bubbles: false, cancelable: true }));
    }
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    const { shell, options } = this;
    const list = [this.takes.element, this.facts].find((one) => one.contains(/** @type {Node} */ (event.target)));
    const scrolls = list && list.scrollHeight > list.clientHeight;
    if (scrolls && shell.contains(shell.ownerDocument.activeElement) && !event.ctrlKey) return event.stopPropagation();
    options.forwardWheel?.(event);
  }

  /** @param {PointerEvent} event a click on the loupe chooses the take under it */
  pointed(event) {
    const found = this.cast && this.state && loupeOf(this.cast, this.state);
    const view = this.comparer.view();
    const stage = this.viewer.querySelector(".stage");
    if (!found || !view || !(stage instanceof HTMLElement) || view.solo !== null || view.mode !== "grid") return;
    const box = stage.getBoundingClientRect();
    const scale = stage.offsetWidth > 0 ? box.width / stage.offsetWidth : 1;
    const size = { w: stage.offsetWidth, h: stage.offsetHeight };
    const cell = cellsOf(found.payload, view, size, 1).find(({ rect }) => holds(rect, [(event.clientX - box.left) / scale, (event.clientY - box.top) / scale]));
    const number = cell && found.numbers[cell.index];
    if (number !== undefined && number !== this.state?.chosen) this.choose(number);
  }
}

/** @param {EventTarget | null} target */
function isButton(target) {
  return target instanceof Element && target.closest("button:not([role=radio]), select") !== null;
}

/** @param {EventTarget | null} target */
function isWidget(target) {
  return isButton(target) || (target instanceof Element && target.closest("input") !== null);
}
