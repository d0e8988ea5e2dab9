// @ts-check
/** What is shown, with what stands under it, as a PNG file. */
import { FONT, INK, SOFT_INK } from "./style.js";

/** @typedef {import("./geometry.js").Rect} Rect */
/** @typedef {{title: string, facts: string, ruler: {text: string, width: number} | null, rect: Rect}} Line CSS px */

const PADDING = 6; // CSS px
const BETWEEN = 8;

/**
 * @param {HTMLCanvasElement} source the panels
 * @param {Line[]} lines
 * @param {number} device device px per CSS px
 * @returns {HTMLCanvasElement}
 */
export function compose(source, lines, device) {
  const canvas = source.ownerDocument.createElement("canvas");
  [canvas.width, canvas.height] = [source.width, source.height];
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  context.drawImage(source, 0, 0);
  context.setTransform(device, 0, 0, device, 0, 0);
  context.textBaseline = "middle";
  for (const { title, facts, ruler, rect } of lines) {
    context.save();
    context.beginPath();
    context.rect(rect.x, rect.y, rect.w, rect.h);
    context.clip();
    const two = rect.h >= 30;
    const [upper, lower] = two ? [rect.y + rect.h / 2 - 8, rect.y + rect.h / 2 + 8] : [rect.y + rect.h / 2, rect.y + rect.h / 2];
    let right = rect.x + rect.w - PADDING;
    context.font = `11px ${FONT}`;
    if (ruler) {
      context.fillStyle = SOFT_INK;
      right -= context.measureText(ruler.text).width;
      context.fillText(ruler.text, right, upper);
      right -= 5 + ruler.width;
      context.fillStyle = INK;
      context.fillRect(right, upper + 2, ruler.width, 1);
      context.fillRect(right, upper - 3, 1, 6);
      context.fillRect(right + ruler.width - 1, upper - 3, 1, 6);
      right -= BETWEEN;
    }
    context.font = `600 12px ${FONT}`;
    context.fillStyle = INK;
    const left = rect.x + PADDING;
    const name = cut(context, title, right - left);
    context.fillText(name, left, upper);
    const start = two ? left : left + context.measureText(name).width + BETWEEN;
    context.font = `11px ${FONT}`;
    context.fillStyle = SOFT_INK;
    context.fillText(cut(context, facts, (two ? rect.x + rect.w - PADDING : right) - start), start, lower);
    context.restore();
  }
  return canvas;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} room CSS px
 */
function cut(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  const letters = [...new Intl.Segmenter().segment(text)].map(({ segment }) => segment);
  while (letters.length > 0 && context.measureText(`${letters.join("")}…`).width > room) letters.pop();
  return letters.length > 0 ? `${letters.join("")}…` : "";
}

/**
 * Offers a file to be kept.
 * @param {HTMLCanvasElement} canvas
 * @param {string} name with its ending
 * @param {(reason: string | null) => void} done null where all is well
 */
export function offer(canvas, name, done) {
  canvas.toBlob((blob) => {
    if (!blob) return done("The browser cannot make a picture of this size: make the window smaller.");
    const { ownerDocument: document } = canvas;
    const address = URL.createObjectURL(blob);
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.hidden = true;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60000); // the browser may ask where to first
    done(null);
  }, "image/png");
}
