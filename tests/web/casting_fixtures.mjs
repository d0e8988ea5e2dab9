/** A cast as Cast Lock sends it: twelve takes of three models; 3 is the best, 8 and 11 are not offered. */

export const MODELS = ["Recraft V4", "GPT Image 2", "Nano Banana Pro"];
export const ODD = [undefined, null, true, NaN, Infinity, -1, 0, 1e300, 2 ** 60, "", "x", "../../etc/passwd", [], [1], [1, 2, 3], {}, { toString: null }, () => 1];
const RANKS = { 3: 1, 5: 2, 9: 3, 1: 4 };

export const sha = (number) => String(number).padStart(64, "0");

export function take(number, more = {}) {
  return {
    number,
    model: MODELS[Math.floor((number - 1) / 4)],
    sha256: sha(number),
    seed: 100 + number,
    prompt_sha: "00112233aabbccdd",
    rank: RANKS[number] ?? null,
    score: 0.5 + number / 10,
    reason: "within the corridor",
    rejected: null,
    width: 640,
    height: 480,
    view: { filename: `${sha(number)}.png`, subfolder: "loupe_cast/Marta/takes", type: "output" },
    figures: [["mid band", 0.41]],
    ...more,
  };
}

export function panel(number) {
  const tile = { x: 0, y: 0, w: 640, h: 480, filename: `loupe_${number}_0_0_0.png`, subfolder: "loupe", type: "temp" };
  return {
    label: `take ${number}`,
    subline: `seed ${100 + number}`,
    name: `take ${number}`,
    size: [640, 480],
    centre: [300.5, 200.25],
    unit: 82.5,
    turn: -3.5,
    px_per_mm: 1.31,
    levels: [{ scale: 1, size: [640, 480], tiles: [tile] }],
  };
}

export function compare(numbers, more = {}) {
  const panels = numbers.map(panel);
  return { version: 1, sha: "ab12", region: "cheek", shape: [1.6, 0.8], mm_measured: true, panels, blind: false, registered: panels.map(() => null), ...more };
}

export function payload(more = {}) {
  const takes = Array.from({ length: 12 }, (_, at) => take(at + 1));
  Object.assign(takes[7], { rejected: "duplicate of 5" });
  Object.assign(takes[10], { rejected: "the provider sent no image" });
  return {
    schema: 1,
    cast_name: "Marta",
    mode: "ask",
    locked: null,
    region: "cheek",
    takes,
    compare: compare([1, 2, 3, 4, 5, 6, 7, 9, 10, 12]),
    cost: "12 takes = 4 Recraft V4 + 4 GPT Image 2 + 4 Nano Banana Pro; locked: 0",
    trust: { agrees: 31, of: 40, low: 0.63, high: 0.88, earned: true },
    warnings: [],
    ...more,
  };
}

export const output = (value) => ({ loupe_cast: [value] });
