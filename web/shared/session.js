// @ts-check
/**
 * What each panel of a kind last showed, kept for the browser's session: an undo brings a node back from before it ran, and
 * a reload from the page's last draft, both without what they showed. Pure but for the storage that it is given.
 */

export const MOST = 12; // panels that are remembered
const LONGEST = 2 ** 20; // characters: far below what a browser lets a page store

/** @typedef {object} Stored as it stands in a node's properties; whoever reads it checks every field */

export class Session {
  /**
   * @param {Pick<Storage, "getItem" | "setItem"> | null} storage sessionStorage, or null where there is none
   * @param {string} name under which they are stored
   */
  constructor(storage, name) {
    this.storage = storage;
    this.name = name;
    /** @type {Map<string, Stored>} the oldest first */
    this.entries = new Map(read(storage, name));
  }

  /**
   * @param {string} key of a node
   * @returns {Stored | undefined}
   */
  get(key) {
    return this.entries.get(key);
  }

  /**
   * @param {string} key
   * @param {Stored} stored plain JSON
   */
  put(key, stored) {
    this.entries.delete(key);
    this.entries.set(key, stored);
    for (const oldest of this.entries.keys()) {
      if (this.entries.size <= MOST) break;
      this.entries.delete(oldest);
    }
    try {
      const text = JSON.stringify([...this.entries]);
      if (text.length <= LONGEST) this.storage?.setItem(this.name, text);
    } catch {
      // full or forbidden: it is remembered until the page is left
    }
  }
}

/**
 * @param {Pick<Storage, "getItem"> | null} storage
 * @param {string} name
 * @returns {[string, Stored][]}
 */
function read(storage, name) {
  try {
    const told = JSON.parse(storage?.getItem(name) ?? "[]");
    if (!Array.isArray(told)) return [];
    const whole = told.filter((one) => Array.isArray(one) && one.length === 2 && typeof one[0] === "string" && one[1] && typeof one[1] === "object");
    return whole.slice(-MOST);
  } catch {
    return []; // forbidden, or not ours
  }
}
