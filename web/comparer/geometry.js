// @ts-check
/**
 * Where a point of the face lies in a picture and on the screen. Pure: no DOM.
 *
 * Four frames:
 * - face: [u, v] in units (1 = the distance between the eyes) from the region's centre, u right and v down
 *   in the panel's own turned frame; the same in all panels
 * - source: px of the picture, pixel-edge coordinates (the first pixel is 0..1)
 * - CSS: px of the viewer's layout, before the host's canvas scales it
 * - device: px of the viewer's backing store; `dpr * cssScale` of them for each CSS px
 *
 * Everything on the way is a similarity: one scale, one turn, one shift.
 */

/** @typedef {[number, number]} Point */
/** @typedef {{x: number, y: number, w: number, h: number}} Rect */
/** @typedef {{a: number, b: number, c: number, d: number, e: number, f: number}} Affine as canvas setTransform takes it: X = a x + c y + e, Y = b x + d y + f */
/** @typedef {{x: number, y: number, w: number, h: number, filename: string, subfolder: string, type: string}} Tile x, y, w, h in px of its level */
/** @typedef {{scale: number, size: Point, tiles: Tile[]}} Level */
/**
 * @typedef {object} Panel
 * @property {string} label what stands under it: a letter where the comparison is blind
 * @property {string} subline
 * @property {string} name the true name
 * @property {Point} size source px
 * @property {Point} centre of the region, source px
 * @property {number} unit source px per unit
 * @property {number} turn degrees, clockwise as seen, from the picture's axes to the face's
 * @property {number | null} px_per_mm
 * @property {Level[]} levels from the source itself to the most reduced one
 */
/**
 * @typedef {object} Payload
 * @property {number} version
 * @property {string} sha
 * @property {string} region
 * @property {Point} shape the region's size, units
 * @property {boolean} mm_measured
 * @property {Panel[]} panels
 * @property {boolean} blind
 * @property {({ncc: number | null, reason: string | null} | null)[]} registered each panel against the first
 */
/**
 * @typedef {object} View
 * @property {"face" | "pixel" | "level" | "free"} lock
 * @property {Point} centre the face point in the middle of every panel, units
 * @property {number} zoom CSS px per unit; in the lock `pixel` device px per source px
 * @property {"grid" | "divider" | "flicker" | "difference"} mode
 * @property {number | null} solo the only panel that is shown
 * @property {number} divider 0..1 of the width
 * @property {Point} pair the two panels of divider, flicker and difference
 * @property {Point[]} offsets of each panel's middle from `centre`, units; they count in the lock `free` alone
 * @property {boolean} revealed whether the names of a blind comparison are shown
 */

/**
 * @param {number} degrees
 * @returns {Point} cosine and sine, exact at the quarter turns
 */
function turned(degrees) {
  const quarters = degrees / 90;
  if (Number.isInteger(quarters)) {
    return /** @type {Point[]} */ ([[1, 0], [0, 1], [-1, 0], [0, -1]])[((quarters % 4) + 4) % 4];
  }
  const radians = (degrees * Math.PI) / 180;
  return [Math.cos(radians), Math.sin(radians)];
}

/**
 * @param {Panel} panel
 * @param {Point} face units
 * @returns {Point} source px
 */
export function faceToSource(panel, [u, v]) {
  const [c, s] = turned(panel.turn);
  return [panel.centre[0] + panel.unit * (u * c - v * s), panel.centre[1] + panel.unit * (u * s + v * c)];
}

/**
 * @param {Panel} panel
 * @param {Point} source px
 * @returns {Point} units
 */
export function sourceToFace(panel, [x, y]) {
  const [c, s] = turned(panel.turn);
  const [dx, dy] = [(x - panel.centre[0]) / panel.unit, (y - panel.centre[1]) / panel.unit];
  return [dx * c + dy * s, dy * c - dx * s];
}

/**
 * The face point in the middle of one panel.
 * @param {View} view
 * @param {number} index
 * @returns {Point} units
 */
export function middle(view, index) {
  const [du, dv] = (view.lock === "free" && view.offsets[index]) || [0, 0];
  return [view.centre[0] + du, view.centre[1] + dv];
}

/**
 * How large a panel shows its pixels: 1 is true pixels.
 * @param {Panel} panel
 * @param {View} view
 * @param {number} [dpr] the window's devicePixelRatio
 * @param {number} [cssScale] what the host's canvas scales the element by; 1 in a dialog
 */
export function devicePxPerSourcePx(panel, view, dpr = 1, cssScale = 1) {
  return view.lock === "pixel" ? view.zoom : (view.zoom * dpr * cssScale) / panel.unit;
}

/**
 * @param {Panel} panel
 * @param {View} view
 * @param {number} [dpr]
 * @param {number} [cssScale]
 */
export function cssPxPerUnit(panel, view, dpr = 1, cssScale = 1) {
  return view.lock === "pixel" ? (view.zoom * panel.unit) / (dpr * cssScale) : view.zoom;
}

/**
 * From source px to device px of the canvas that holds the panels.
 * @param {Panel} panel
 * @param {View} view
 * @param {number} index of the panel
 * @param {Rect} rect of the panel, CSS px
 * @param {number} [dpr]
 * @param {number} [cssScale]
 * @returns {Affine}
 */
export function screenTransform(panel, view, index, rect, dpr = 1, cssScale = 1) {
  const scale = devicePxPerSourcePx(panel, view, dpr, cssScale);
  const [c, s] = turned(panel.turn);
  const [x, y] = faceToSource(panel, middle(view, index));
  const device = dpr * cssScale;
  // the face's frame stands upright on the screen, so the picture is turned back by the panel's turn
  const [a, b] = [scale * c, -scale * s];
  return {
    a,
    b,
    c: -b,
    d: a,
    e: (rect.x + rect.w / 2) * device - (a * x - b * y),
    f: (rect.y + rect.h / 2) * device - (b * x + a * y),
  };
}

/**
 * The same with whole pixels on whole pixels, where the scale is a whole number and nothing is turned:
 * then every source pixel is a block of equal device pixels. It moves a panel by half a device pixel at most.
 * @param {Affine} transform
 * @returns {Affine}
 */
export function snapped(transform) {
  const whole = Math.round(transform.a);
  if (whole < 1 || Math.abs(transform.a - whole) > 1e-9 * whole || Math.abs(transform.b) > 1e-9) return transform;
  return { a: whole, b: 0, c: 0, d: whole, e: Math.round(transform.e), f: Math.round(transform.f) };
}

/**
 * @param {Affine} t
 * @param {Point} point
 * @returns {Point}
 */
export function mapped(t, [x, y]) {
  return [t.a * x + t.c * y + t.e, t.b * x + t.d * y + t.f];
}

/**
 * @param {Affine} t
 * @returns {Affine}
 */
export function inverse(t) {
  const det = t.a * t.d - t.b * t.c;
  const [a, b, c, d] = [t.d / det, -t.b / det, -t.c / det, t.a / det];
  return { a, b, c, d, e: -(a * t.e + c * t.f), f: -(b * t.e + d * t.f) };
}

/**
 * @param {Affine} t a similarity
 * @returns {number} its scale
 */
export function scaleOf(t) {
  return Math.hypot(t.a, t.b);
}

/**
 * @param {Panel} panel
 * @param {View} view
 * @param {number} index
 * @param {Rect} rect CSS px
 * @param {Point} point CSS px, in the frame of `rect`
 * @param {number} [dpr]
 * @param {number} [cssScale]
 * @returns {Point} units
 */
export function screenToFace(panel, view, index, rect, [x, y], dpr = 1, cssScale = 1) {
  const per = cssPxPerUnit(panel, view, dpr, cssScale);
  const [u, v] = middle(view, index);
  return [u + (x - rect.x - rect.w / 2) / per, v + (y - rect.y - rect.h / 2) / per];
}

/**
 * @param {Panel} panel
 * @param {View} view
 * @param {number} index
 * @param {Rect} rect CSS px
 * @param {Point} face units
 * @param {number} [dpr]
 * @param {number} [cssScale]
 * @returns {Point} CSS px, in the frame of `rect`
 */
export function faceToScreen(panel, view, index, rect, [u, v], dpr = 1, cssScale = 1) {
  const per = cssPxPerUnit(panel, view, dpr, cssScale);
  const [u0, v0] = middle(view, index);
  return [rect.x + rect.w / 2 + (u - u0) * per, rect.y + rect.h / 2 + (v - v0) * per];
}

/**
 * What a panel shows, for the locator's box.
 * @param {Panel} panel
 * @param {View} view
 * @param {number} index
 * @param {Rect} rect CSS px
 * @param {number} [dpr]
 * @param {number} [cssScale]
 * @returns {[Point, Point, Point, Point]} source px, from the top left clockwise as seen
 */
export function seenCorners(panel, view, index, rect, dpr = 1, cssScale = 1) {
  const per = cssPxPerUnit(panel, view, dpr, cssScale);
  const [u, v] = middle(view, index);
  const [w, h] = [rect.w / 2 / per, rect.h / 2 / per];
  const corner = (/** @type {number} */ x, /** @type {number} */ y) => faceToSource(panel, [u + x * w, v + y * h]);
  return [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)];
}

/**
 * What the poorest picture has of the face. In the lock `level` every panel is reduced to it before it is enlarged.
 * @param {Payload} payload
 * @returns {number} source px per unit
 */
export function levelUnit(payload) {
  return Math.min(...payload.panels.map((panel) => panel.unit));
}

/**
 * What a panel is reduced to in the lock `level`; 1 of the poorest.
 * @param {Payload} payload
 * @param {Panel} panel
 * @returns {number} reduced px per source px, at most 1
 */
export function levelScale(payload, panel) {
  return levelUnit(payload) / panel.unit;
}

/**
 * The size of a whole picture in the face's frame.
 * @param {Panel} panel
 * @returns {Point} units, of the box around it
 */
export function pictureExtent(panel) {
  const [c, s] = turned(panel.turn).map(Math.abs);
  const [w, h] = panel.size;
  return [(w * c + h * s) / panel.unit, (w * s + h * c) / panel.unit];
}

/**
 * Equal places for panels, in the number of columns that shows a region largest; the last row may be short.
 * @param {number} count
 * @param {Rect} box CSS px
 * @param {Point} shape of the region; only its aspect counts
 * @param {number} [gap] CSS px between panels
 * @param {number} [below] CSS px kept free under each panel, for its label
 * @returns {Rect[]} whole CSS px
 */
export function places(count, box, shape, gap = 2, below = 0) {
  let best = { scale: -1, columns: 1 };
  const size = (/** @type {number} */ columns) => {
    const rows = Math.ceil(count / columns);
    return {
      w: Math.max(1, Math.floor((box.w - gap * (columns - 1)) / columns)),
      h: Math.max(1, Math.floor((box.h - gap * (rows - 1)) / rows) - below),
    };
  };
  for (let columns = 1; columns <= count; columns++) {
    const { w, h } = size(columns);
    const scale = Math.min(w / shape[0], h / shape[1]);
    if (scale > best.scale) best = { scale, columns };
  }
  const { w, h } = size(best.columns);
  return Array.from({ length: count }, (_, index) => ({
    x: box.x + (index % best.columns) * (w + gap),
    y: box.y + Math.floor(index / best.columns) * (h + below + gap),
    w,
    h,
  }));
}
