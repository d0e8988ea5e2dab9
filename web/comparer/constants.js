// @ts-check
/** Ids and limits that the Python repeats (tests/web/test_contract.py pins them), and those that several modules share. */

// the same in Python
export const NODE_ID = "LoupeCompare";
export const UI_KEY = "loupe_compare";
export const VERSION = 1;
export const MOST_PANELS = 16;
export const TILE = 2048; // px, longest side of a file
export const SMALLEST_LEVEL = 1024; // px: no level below the first one whose longer side is as short
export const LEAST_NCC = 0.9; // above it two panels are registered, and their difference means something

// the viewer's own
export const PROPERTY = "loupe_compare"; // of node.properties
export const LOCKS = /** @type {const} */ (["face", "pixel", "level", "free"]);
export const MODES = /** @type {const} */ (["grid", "divider", "flicker", "difference"]);
export const RATIOS = [1, 2, 4]; // device px per source px, in the order of the key Z
export const MOST_RATIO = 64; // device px per source px
export const LEAST_SHARE = 1 / 3; // of a panel, that the whole picture fills at the lowest zoom
export const DECODED_BYTES = 512 * 2 ** 20; // of pictures kept decoded
export const MOST_FLICKER_HZ = 3; // faster can harm people who are sensitive to light
