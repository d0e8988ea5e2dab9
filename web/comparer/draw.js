// @ts-check
/** Owns the DOM of one viewer: what is where on the stage, when it is drawn, and what every wish does to the view. */
import { ratioText, rulerOf } from "./captions.js";
import { MOST_FLICKER_HZ, RATIOS } from "./constants.js";
import { createControls, LOCK_WORDS, MODE_WORDS } from "./controls.js";
import { createFull } from "./dialog.js";
import { createDivider } from "./divider.js";
import { make, setAttribute } from "./dom.js";
import { devicePxPerSourcePx, levelScale, screenTransform, seenCorners, snapped, sourceToFace } from "./geometry.js";
import { attachInput } from "./input.js";
import { CAPTION, cellsOf, holds, NARROW, rectsOf } from "./layout.js";
import { shared } from "./loader.js";
import { createLocator } from "./locator.js";
import { createOverlay } from "./overlay.js";
import { paintDifference, paintPanel } from "./paint.js";
import { compose, offer } from "./save.js";
import { Stage } from "./stage.js";
import { dress, FIELD, NAME, STAGE } from "./style.js";
import { neededTiles, RING_PRIORITY } from "./tiles.js";
import { apply, fit, labelOf, limited, pan, previousOf, ratioOf, refusal, reveal, sanitise, setDivider, setLock, setMode, setPair, zoomAt, zoomTo } from "./view.js";

/** @typedef {import("./geometry.js").Payload} Payload */
/** @typedef {import("./geometry.js").Panel} Panel */
/** @typedef {import("./geometry.js").Tile} Tile */
/** @typedef {import("./geometry.js").View} View */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Rect} Rect */
/** @typedef {import("./layout.js").Cell} Cell */
/**
 * @typedef {object} Options
 * @property {(tile: Tile, sha: string) => string} url where a tile is read
 * @property {(view: View) => void} [onChange] a moment after the last change, and when a gesture ends
 * @property {(text: string) => void} [announce] what the live region says
 * @property {(event: WheelEvent) => void} [forwardWheel] gets the wheel while the viewer has no focus
 * @property {string | (() => string)} [save] the saved file's name, without its ending
 */

const SMALL = 460; // CSS px: a narrower viewer has a shorter toolbar
const FLICKER_MS = Math.max(500, Math.ceil(1000 / MOST_FLICKER_HZ));
const SETTLE_MS = 150; // after which a change is told
const SPEAK_MS = 400; // after which a zoom is announced
export const EMPTY = "Queue to compare.";

/**
 * A viewer in `root`, which gives it its size.
 * @param {HTMLElement} root
 * @param {Options} options
 */
export function mount(root, options) {
  const viewer = new Viewer(root, options);
  return {
    /**
     * @param {Payload | null} payload null: nothing to compare yet
     * @param {View | null} [view] null: the region fits the panels
     */
    set: (payload, view = null) => viewer.set(payload, view),
    /** @returns {View | null} plain JSON */
    view: () => viewer.stored(),
    /** The host has moved or scaled the element without a change of its layout. */
    resize: () => viewer.invalidate(),
    destroy: () => viewer.destroy(),
  };
}

class Viewer {
  /**
   * @param {HTMLElement} root
   * @param {Options} options
   */
  constructor(root, options) {
    const { ownerDocument: document } = root;
    this.root = root;
    this.options = options;
    this.window = /** @type {Window & typeof globalThis} */ (document.defaultView);
    /** @type {Payload | null} */
    this.payload = null;
    /** @type {View | null} */
    this.view = null;
    /** @type {number | undefined} */
    this.hovered = undefined;
    /** @type {Point | null} */
    this.pointer = null;
    this.held = false; // Space is down
    this.flipped = false; // the flicker's second half
    this.playing = 0;
    this.help = false;
    this.visible = true;
    this.frame = 0; // 0: none is asked for
    this.missing = ""; // why pictures cannot be shown, as it was said last
    /** @type {WeakMap<Tile, string>} */
    this.keys = new WeakMap();
    this.timers = { tell: 0, speak: 0 };
    /** @type {{w: number, h: number} | null} of the panels at the last look */
    this.panelSize = null;
    this.ended = new AbortController();
    const { signal } = this.ended;

    dress(document);
    this.root.classList.add(`${NAME}-root`);
    this.stage = new Stage(document, () => this.invalidate());
    this.overlay = createOverlay(document, (text) => options.announce?.(text));
    /** @type {HTMLCanvasElement[]} */
    this.scratches = [];
    this.controls = createControls(document, (name, value) => this.wish(name, value));
    this.locator = createLocator(document, (source) => this.goTo(source));
    this.divider = createDivider(document, {
      share: () => this.view?.divider ?? 0.5,
      move: (share) => this.change((view) => setDivider(view, share)),
      place: (event) => {
        const { rect } = this.cells()[0];
        return (this.stage.place(event)[0] - rect.x) / rect.w;
      },
      settle: () => this.tell(),
    });
    this.stage.element.append(...this.overlay.elements, this.divider.element, this.locator.element, this.controls.keys);
    const named = { role: "group", "aria-roledescription": "image comparer", "aria-label": "Comparer" };
    this.shell = make(document, "div", { class: NAME, tabindex: 0, ...named, "data-capture-wheel": "true" }, this.controls.bar, this.stage.element, this.overlay.live);
    this.root.append(this.shell);
    this.full = createFull(this.root, this.shell, () => this.moved());
    this.client = shared.client(() => this.invalidate());

    attachInput(this.shell, this.stage.canvas, {
      busy: () => this.ready(),
      modal: () => this.full.isOpen,
      place: (event) => this.stage.place(event),
      hover: (point) => this.hover(point),
      pan: (dx, dy, alone) => this.change((view, now) => pan(view, dx, dy, now, alone)),
      zoom: (factor, point) => this.zoom(factor, point),
      act: (action) => this.act(action),
      escape: () => this.escape(),
      settle: () => this.tell(),
      forward: (event) => this.forward(event),
    }, signal);
    this.still = this.window.matchMedia("(prefers-reduced-motion: reduce)");
    this.still.addEventListener("change", () => {
      if (this.still.matches) this.play(false);
      this.invalidate();
    }, { signal });
    // the host's canvas scales us by a wheel that is turned anywhere, and no observer tells
    document.addEventListener("wheel", () => this.invalidate(), { signal, passive: true, capture: true });
    this.window.addEventListener("resize", () => this.invalidate(), { signal });
    this.window.addEventListener("blur", () => this.act("flicker end"), { signal });
    this.seer = new IntersectionObserver((entries) => {
      // the last: an element that was moved in the page has gone and come back in one call
      this.visible = entries[entries.length - 1].isIntersecting;
      this.invalidate();
    });
    this.seer.observe(this.shell);
    this.invalidate();
  }

  /* ---- what is shown ---------------------------------------------------------------------------------------- */

  /**
   * @param {Payload | null} payload
   * @param {View | null} view
   */
  set(payload, view) {
    clearTimeout(this.timers.tell); // a change of the last one must not be told as one of this
    this.timers.tell = 0;
    this.play(false);
    this.payload = payload;
    this.view = payload && view ? sanitise(view, payload) : null;
    this.panelSize = null;
    [this.held, this.flipped, this.hovered] = [false, false, undefined];
    if (!payload) this.client.want([]);
    this.client.retry();
    this.measure();
    this.arrange();
    this.invalidate();
  }

  /** @returns {View | null} */
  stored() {
    return this.view && JSON.parse(JSON.stringify(this.view));
  }

  ready() {
    return this.payload !== null && this.view !== null;
  }

  destroy() {
    this.tell();
    this.play(false);
    this.full.close();
    this.ended.abort();
    this.stage.destroy();
    this.overlay.destroy();
    this.seer.disconnect();
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    cancelAnimationFrame(this.frame);
    this.client.release();
    this.shell.remove();
    this.root.classList.remove(`${NAME}-root`);
    this.frame = -1; // nothing is drawn any more
  }

  /* ---- sizes ------------------------------------------------------------------------------------------------ */

  measure() {
    this.stage.measure(this.full.isOpen);
  }

  /** @returns {Rect[]} one for each place, CSS px */
  rects() {
    return this.payload ? rectsOf(this.payload, this.view, this.stage.size) : [];
  }

  /** @returns {Cell[]} in their order on the stage */
  cells() {
    const { payload, view, stage, hovered } = this;
    return payload && view ? cellsOf(payload, view, stage.size, stage.device, { held: this.held !== this.flipped, hovered }) : [];
  }

  /** Makes the first view, keeps one that fits its panel fitting, and the zoom within its limits. */
  arrange() {
    const { payload, stage, panelSize } = this;
    if (!payload || stage.size.w < 2 || stage.size.h < 2) return;
    const [{ w, h }] = this.rects();
    if (panelSize && panelSize.w === w && panelSize.h === h) return;
    const before = this.view;
    if (!this.view) this.view = sanitise(null, payload, { x: 0, y: 0, w, h });
    else if (panelSize && this.fits(panelSize)) this.view = fit(this.view, this.now({ x: 0, y: 0, w, h }));
    this.panelSize = { w, h };
    this.view = limited(this.view, this.now());
    if (before && this.view !== before) this.tellSoon();
  }

  /**
   * @param {{w: number, h: number}} size of the panels
   */
  fits({ w, h }) {
    const view = /** @type {View} */ (this.view);
    const fitting = fit(view, this.now({ x: 0, y: 0, w, h }));
    return view.centre[0] === 0 && view.centre[1] === 0 && Math.abs(view.zoom / fitting.zoom - 1) < 1e-6;
  }

  /**
   * Into the dialog and back: a true ratio stays true, else what is seen stays seen, larger or smaller.
   */
  moved() {
    const { view, panelSize } = this;
    if (!view || !panelSize) {
      this.measure();
      return this.invalidate();
    }
    const ratio = ratioOf(view, this.now());
    const fitting = fit(view, this.now({ x: 0, y: 0, ...panelSize })).zoom;
    this.measure();
    const [rect] = this.rects();
    if (rect.w < 2 || rect.h < 2) return this.invalidate();
    const whole = RATIOS.some((one) => Math.abs(ratio / one - 1) < 1e-6);
    this.panelSize = { w: rect.w, h: rect.h };
    const now = this.now();
    this.view = whole ? zoomTo(view, ratio, now) : { ...view, zoom: (view.zoom * fit(view, now).zoom) / fitting };
    this.invalidate();
  }

  /**
   * Where the view is seen, for view.js.
   * @param {Rect} [rect]
   * @param {Point} [point] CSS px of the stage
   */
  now(rect, point) {
    const payload = /** @type {Payload} */ (this.payload);
    const { hovered, stage: { dpr, cssScale } } = this;
    const rects = rect ? [rect] : this.rects();
    return { payload, rect: rects[hovered ?? 0] ?? rects[0], dpr, cssScale, hovered, point };
  }

  /* ---- wishes ----------------------------------------------------------------------------------------------- */

  /**
   * @param {(view: View, now: ReturnType<Viewer["now"]>) => View} step
   * @param {Point | null} [point]
   */
  change(step, point = null) {
    if (!this.view || !this.payload) return;
    const before = this.view;
    const ratio = ratioOf(before, this.now());
    const after = step(before, this.now(undefined, point ?? undefined));
    if (after === before) return;
    this.view = after;
    if (after.lock !== before.lock) this.say(`Lock ${LOCK_WORDS[after.lock].join(": ")}.`);
    if (after.mode !== before.mode) {
      this.say(`Mode ${MODE_WORDS[after.mode].join(": ")}.`);
      this.play(false);
    }
    if (after.solo !== before.solo) this.say(after.solo === null ? "All panels." : `Only ${labelOf(after, this.payload, after.solo)}.`);
    if (after.revealed !== before.revealed) this.say(after.revealed ? "The names are shown." : "The names are hidden.");
    if (after.mode !== before.mode || after.solo !== before.solo) this.hover(this.pointer);
    this.arrange();
    const is = ratioOf(this.view, this.now());
    if (Math.abs(is / ratio - 1) > 1e-9 && after.lock === before.lock) {
      clearTimeout(this.timers.speak);
      this.timers.speak = this.window.setTimeout(() => this.say(`${ratioText(is)} device px per source px${is < 0.9999 ? ", reduced view" : ""}.`), SPEAK_MS);
    }
    this.tellSoon();
    this.invalidate();
  }

  /**
   * @param {number} factor
   * @param {Point | null} point
   */
  zoom(factor, point) {
    if (point) this.hover(point);
    this.change((view, now) => zoomAt(view, factor, now), point);
  }

  /**
   * What a key asks for.
   * @param {string} action
   */
  act(action) {
    if (!this.view || !this.payload) return;
    if (action === "flicker" || action === "flicker end") {
      const held = action === "flicker";
      const why = held ? refusal(this.view, action, this.now()) : null;
      if (why) return this.overlay.refuse(why);
      if (this.held === held) return;
      this.held = held;
      return this.invalidate();
    }
    if (action === "save" || action === "help") return this.wish(action);
    const why = refusal(this.view, action, this.now());
    if (why) return this.overlay.refuse(why);
    const far = /^(left|right|up|down|zoom)/.test(action) ? this.pointer : null;
    this.change((view, now) => apply(view, action, now), action.startsWith("zoom") ? far : null);
  }

  /**
   * What the toolbar asks for.
   * @param {string} name
   * @param {any} [value]
   */
  wish(name, value) {
    const { payload, view } = this;
    if (!payload || !view) return;
    if (name === "help") this.help = !this.help;
    else if (name === "full") this.full.isOpen ? this.full.close() : this.full.open();
    else if (name === "save") this.save();
    else if (name === "play") this.play(!this.playing);
    else if (name === "fit") this.change(fit);
    else if (name === "ratio") this.change((now, context) => zoomTo(now, value, context));
    else if (name === "lock") this.change((now, context) => setLock(now, value, context));
    else if (name === "reveal") this.change((now) => reveal(now, !now.revealed));
    else if (name === "mode" || name === "pair") {
      const { view: next, reason } = name === "mode" ? setMode(view, value, payload, this.hovered) : setPair(view, value[0], value[1], payload);
      if (reason) this.overlay.refuse(reason);
      this.change(() => next);
      if (name === "mode" && next.mode === "flicker") this.play(true);
    }
    this.invalidate();
  }

  /** Closes what lies on the panels. */
  escape() {
    if (!this.help) return false;
    this.help = false;
    if (this.controls.keys.contains(this.root.ownerDocument.activeElement)) this.shell.focus({ preventScroll: true });
    this.invalidate();
    return true;
  }

  /** @param {Point | null} point CSS px of the stage */
  hover(point) {
    this.pointer = point;
    const { view, payload } = this;
    if (!view || !payload || !point) return;
    const { hovered } = this;
    if (view.solo !== null) this.hovered = view.solo;
    else if (view.mode === "grid") {
      const at = this.rects().findIndex((rect) => holds(rect, point));
      if (at >= 0) this.hovered = at;
    } else {
      const under = this.cells().find(({ clip }) => holds(clip, point));
      if (under) this.hovered = view.mode === "difference" ? view.pair[1] : under.index;
    }
    if (this.hovered !== hovered) this.invalidate();
  }

  /** @param {Point} source px of the panel that the locator shows */
  goTo(source) {
    this.change((view, now) => {
      const index = this.located();
      const panel = now.payload.panels[index];
      const [u, v] = sourceToFace(panel, source);
      const [du, dv] = (view.lock === "free" && view.offsets[index]) || [0, 0];
      return pan({ ...view, centre: [u - du, v - dv] }, 0, 0, now);
    });
  }

  /** @returns {number} the panel of the locator */
  located() {
    const shown = this.cells().map(({ index }) => index);
    return this.hovered !== undefined && shown.includes(this.hovered) ? this.hovered : (shown[0] ?? 0);
  }

  /** @param {WheelEvent} event */
  forward(event) {
    this.options.forwardWheel?.(event);
    this.invalidate();
  }

  /** @param {boolean} on */
  play(on) {
    clearInterval(this.playing);
    this.playing = 0;
    this.flipped = false;
    if (on && this.view?.mode === "flicker" && !this.still.matches) {
      this.playing = this.window.setInterval(() => {
        this.flipped = !this.flipped;
        this.invalidate();
      }, FLICKER_MS);
    }
    this.invalidate();
  }

  save() {
    const { save = "comparison" } = this.options;
    this.draw();
    const cells = this.cells();
    const lines = cells.map((cell) => {
      const caption = this.captionOf(cell, cells);
      const facts = [`${ratioText(caption.ratio)} device px per source px`, caption.note, caption.pxPerMm && `${caption.pxPerMm.toPrecision(3)} px/mm`, caption.subline];
      return { title: caption.title, facts: facts.filter(Boolean).join(" · "), ruler: caption.ruler, rect: cell.caption };
    });
    const name = (typeof save === "function" ? save() : save).replace(/[^\p{L}\p{N}._ -]+/gu, "_").slice(0, 100) || "comparison";
    offer(compose(this.stage.canvas, lines, this.stage.device), `${name}.png`, (reason) => (reason ? this.overlay.refuse(reason) : this.say(`Saved as ${name}.png.`)));
  }

  /* ---- telling ---------------------------------------------------------------------------------------------- */

  tellSoon() {
    clearTimeout(this.timers.tell);
    this.timers.tell = this.window.setTimeout(() => this.tell(), SETTLE_MS);
  }

  tell() {
    if (!this.timers.tell) return;
    clearTimeout(this.timers.tell);
    this.timers.tell = 0;
    const view = this.stored();
    if (view) this.options.onChange?.(view);
  }

  /** @param {string} text */
  say(text) {
    this.overlay.say(text);
  }

  /* ---- drawing ---------------------------------------------------------------------------------------------- */

  invalidate() {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.measure();
      this.arrange();
      this.draw();
    });
  }

  /** @param {Tile} tile */
  key(tile) {
    const known = this.keys.get(tile);
    if (known !== undefined) return known;
    const key = this.options.url(tile, this.payload?.sha ?? "");
    this.keys.set(tile, key);
    return key;
  }

  /** @param {number} number */
  scratch(number) {
    return (this.scratches[number] ??= this.root.ownerDocument.createElement("canvas"));
  }

  /** @param {Pick<Cell, "index" | "rect" | "clip">} cell */
  partOf({ index, rect, clip }) {
    const { stage } = this;
    const [payload, view] = [/** @type {Payload} */ (this.payload), /** @type {View} */ (this.view)];
    const panel = payload.panels[index];
    const transform = snapped(screenTransform(panel, view, index, rect, stage.dpr, stage.cssScale));
    return { panel, transform, clip: stage.toDevice(clip), most: view.lock === "level" ? levelScale(payload, panel) : Infinity };
  }

  draw() {
    const { payload, view, stage: { context, canvas, size } } = this;
    this.shell.classList.toggle("small", size.w < SMALL);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = STAGE;
    context.fillRect(0, 0, canvas.width, canvas.height);
    const cells = this.cells();
    const seen = this.visible && canvas.width > 1 && canvas.height > 1;
    this.client.want(seen ? this.wanted(cells) : []);
    if (seen && payload && view) {
      context.fillStyle = FIELD;
      for (const rect of this.rects()) {
        const field = this.stage.toDevice(rect);
        context.fillRect(field.x, field.y, field.w, field.h);
      }
      const bitmaps = (/** @type {Panel} */ panel, /** @type {number} */ level, /** @type {number} */ index) => this.client.get(this.key(panel.levels[level].tiles[index]));
      const scratch = (/** @type {number} */ number) => this.scratch(number);
      const parts = cells.map((cell) => this.partOf(cell));
      if (view.mode === "difference" && parts.length === 2) paintDifference(context, parts[0], parts[1], bitmaps, scratch);
      else for (const part of parts) paintPanel(context, part, bitmaps, scratch);
    }
    this.write(cells);
  }

  /**
   * The files of what is shown, and of what a key or the flicker may show in its place.
   * @param {Cell[]} cells
   */
  wanted(cells) {
    const { payload, view } = this;
    if (!payload || !view) return [];
    const shown = cells.map(({ index, rect }) => ({ index, rect, later: 0 }));
    const [first] = cells;
    const partners = view.mode === "flicker" ? view.pair : view.solo !== null ? [view.solo, previousOf(view, view.solo, payload.panels.length)] : [];
    for (const index of partners) {
      // not on the screen: after all that is, before any ring
      if (first && first.index !== index) shown.push({ index, rect: first.rect, later: RING_PRIORITY });
    }
    return shown.flatMap(({ index, rect, later }) => {
      const { panel, transform, clip, most } = this.partOf({ index, rect, clip: rect });
      return neededTiles(panel, transform, clip, { most }).map(({ tile, bytes, priority }) => ({ key: this.key(tile), priority: priority + later, bytes, w: tile.w, h: tile.h }));
    });
  }

  /**
   * @param {Cell} cell
   * @param {Cell[]} cells
   * @returns {import("./captions.js").Caption}
   */
  captionOf({ index, caption: rect }, cells) {
    const [payload, view] = [/** @type {Payload} */ (this.payload), /** @type {View} */ (this.view)];
    const panel = payload.panels[index];
    const ratio = devicePxPerSourcePx(panel, view, this.stage.dpr, this.stage.cssScale);
    const levelled = view.lock === "level" && levelScale(payload, panel) < Math.min(ratio, 0.999999);
    const label = labelOf(view, payload, index);
    const narrow = rect.h < CAPTION || rect.w < NARROW;
    const title = view.mode !== "difference" ? label : index === cells[0].index ? `${label} −` : `${label}, ×4`;
    return {
      title,
      subline: panel.subline,
      ratio,
      pxPerMm: panel.px_per_mm,
      // where there is little room the label goes first
      ruler: rect.w < NARROW ? null : rulerOf(panel.px_per_mm && (panel.px_per_mm * ratio) / this.stage.device, payload.mm_measured, Math.min(90, rect.w * 0.3)),
      note: levelled ? "reduced to the poorest" : ratio < 0.999999 ? "reduced view" : "",
      narrow,
    };
  }

  /**
   * Everything on the stage that is text.
   * @param {Cell[]} cells
   */
  write(cells) {
    const { payload, view } = this;
    const held = cells.length === 2 && view?.mode === "divider" && cells[0].index === cells[1].index;
    const captioned = held ? [{ ...cells[0], caption: { ...cells[0].caption, w: cells[0].rect.w } }] : cells;
    const captions = captioned.map((cell) => ({ caption: this.captionOf(cell, cells), rect: cell.caption }));
    this.overlay.showCaptions(captions);
    this.writeMessages(cells);

    const split = view?.mode === "divider" && cells.length === 2;
    this.divider.element.hidden = !split;
    if (split && payload && view) {
      const [first, second] = view.pair.map((index) => labelOf(view, payload, index));
      this.divider.show(cells[0].rect, view.divider, first, second);
    }
    const index = this.located();
    const here = cells.find((cell) => cell.index === index);
    this.locator.element.hidden = true;
    if (here && payload && view && this.client) {
      const panel = payload.panels[index];
      const corners = seenCorners(panel, view, index, here.rect, this.stage.dpr, this.stage.cssScale);
      this.locator.show(panel, here.rect, corners, this.stage.device, (level, tile) => this.client.get(this.key(panel.levels[level].tiles[tile])));
    }
    setAttribute(this.stage.canvas, "aria-label", captions.map(({ caption }) => caption.title).join(", ") || EMPTY);
    this.controls.update({
      payload,
      view,
      ratio: payload && view ? ratioOf(view, this.now()) : 1,
      full: this.full.isOpen,
      playing: this.playing !== 0,
      still: this.still.matches,
      help: this.help,
      labels: payload && view ? payload.panels.map((_, at) => labelOf(view, payload, at)) : [],
    });
  }

  /** @param {Cell[]} cells */
  writeMessages(cells) {
    const messages = this.payload ? [] : [{ text: EMPTY, rect: { x: 0, y: 0, ...this.stage.size } }];
    for (const cell of cells) {
      const { panel, transform, clip, most } = this.partOf(cell);
      const reasons = neededTiles(panel, transform, clip, { most, ring: false }).map(({ tile }) => this.client.failure(this.key(tile)));
      const text = reasons.find((one) => one !== null);
      if (text) messages.push({ text, rect: cell.clip });
    }
    this.overlay.showMessages(messages);
    const missing = (this.payload && messages[0]?.text) || "";
    if (missing && missing !== this.missing) this.say(missing);
    this.missing = missing;
  }
}
