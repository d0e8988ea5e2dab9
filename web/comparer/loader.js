// @ts-check
/**
 * From files to decoded pictures, for all viewers of the page together: one budget, nearest first, and what nobody
 * wants any more is not loaded to the end.
 */
import { DECODED_BYTES } from "./constants.js";
import { affordable, Cache } from "./tiles.js";

/**
 * @typedef {object} Wanted
 * @property {string} key the file's address
 * @property {number} priority the lowest first
 * @property {number} bytes decoded
 * @property {number} w px that the file must have
 * @property {number} h
 */
/** @typedef {(url: string, signal: AbortSignal) => Promise<ImageBitmap>} Read */

const MOST_JOBS = 4; // at once: the host has other things to ask for, and a browser opens six connections
export const GONE = "The pictures are gone: queue again.";

/**
 * @param {string} url
 * @param {AbortSignal} signal
 */
async function readBitmap(url, signal) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Refused(response.status);
  const blob = await response.blob();
  signal.throwIfAborted();
  // the codes as they stand in the file, not turned into the screen's
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

class Refused extends Error {
  /** @param {number} status */
  constructor(status) {
    super(status === 404 ? GONE : `The pictures cannot be read: the server answers ${status}. Queue again.`);
  }
}

/** One viewer's share. */
class Client {
  /**
   * @param {Loader} loader
   * @param {() => void} changed called when a picture has come, or cannot come
   */
  constructor(loader, changed) {
    this.loader = loader;
    this.changed = changed;
    /** @type {Wanted[]} */
    this.wanted = [];
  }

  /** @param {Wanted[]} wanted in place of what was wanted */
  want(wanted) {
    this.wanted = wanted;
    this.loader.update();
  }

  /** @param {string} key */
  get(key) {
    return this.loader.cache.get(key);
  }

  /** @param {string} key */
  has(key) {
    return this.loader.cache.has(key);
  }

  /**
   * @param {string} key
   * @returns {string | null} why it cannot be shown
   */
  failure(key) {
    return this.loader.failed.get(key) ?? null;
  }

  /** Asks again for what could not be had: the node has run since. */
  retry() {
    for (const { key } of this.wanted) this.loader.failed.delete(key);
    this.loader.update();
  }

  release() {
    this.wanted = [];
    this.loader.clients.delete(this);
    this.loader.update();
    if (this.loader.clients.size === 0) this.loader.empty();
  }
}

export class Loader {
  /** @param {{budget?: number, most?: number, read?: Read}} [options] */
  constructor({ budget = DECODED_BYTES, most = MOST_JOBS, read = readBitmap } = {}) {
    this.budget = budget;
    this.most = most;
    this.read = read;
    /** @type {Cache<ImageBitmap>} */
    this.cache = new Cache(budget, (bitmap) => bitmap.close());
    /** @type {Set<Client>} */
    this.clients = new Set();
    /** @type {Map<string, AbortController>} */
    this.jobs = new Map();
    /** @type {Map<string, string>} */
    this.failed = new Map();
    /** @type {Wanted[]} */
    this.queue = [];
    this.flying = 0; // bytes that are being decoded
    this.peak = 0; // most bytes decoded at any time
  }

  /** @param {() => void} changed */
  client(changed) {
    const client = new Client(this, changed);
    this.clients.add(client);
    return client;
  }

  /** @returns {number} bytes decoded now, with those on the way */
  get decoded() {
    return this.cache.bytes + this.flying;
  }

  update() {
    const wanted = [...this.clients].flatMap((client) => client.wanted);
    const { take } = affordable(wanted, this.budget, (need) => need.key);
    const keys = new Set(take.map((need) => need.key));
    this.cache.pin(keys);
    for (const [key, job] of this.jobs) if (!keys.has(key)) job.abort();
    this.queue = take;
    this.pump();
  }

  pump() {
    while (this.jobs.size < this.most && this.queue.length > 0) {
      const need = this.queue[0];
      if (!this.cache.has(need.key) && !this.jobs.has(need.key) && !this.failed.has(need.key)) {
        if (!this.room(need.bytes)) return; // a job's end asks again
        void this.load(need);
      }
      this.queue.shift();
    }
  }

  /**
   * Makes room before anything is decoded, so that the budget holds at every moment.
   * @param {number} bytes
   */
  room(bytes) {
    const most = this.budget - this.flying - bytes;
    for (const key of [...this.cache.kept.keys()]) {
      if (this.cache.bytes <= most) break;
      if (!this.cache.pinned.has(key)) this.cache.delete(key);
    }
    return this.cache.bytes <= most;
  }

  /** @param {Wanted} need */
  async load({ key, bytes, w, h }) {
    const job = new AbortController();
    this.jobs.set(key, job);
    this.flying += bytes;
    this.peak = Math.max(this.peak, this.decoded);
    /** @type {ImageBitmap | null} */
    let bitmap = null;
    try {
      bitmap = await this.read(key, job.signal);
      if (bitmap.width !== w || bitmap.height !== h) {
        bitmap.close();
        bitmap = null;
        throw new Error("The pictures are not those of this comparison: queue again.");
      }
    } catch (error) {
      if (!job.signal.aborted) this.failed.set(key, reasonOf(error));
    }
    this.jobs.delete(key);
    this.flying -= bytes;
    if (bitmap && this.clients.size > 0) this.cache.set(key, bitmap, bytes);
    else bitmap?.close();
    for (const client of this.clients) if (client.wanted.some((need) => need.key === key)) client.changed();
    this.update();
  }

  empty() {
    this.failed.clear();
    this.cache.clear();
  }
}

/** @param {unknown} error */
function reasonOf(error) {
  if (error instanceof Refused) return error.message;
  if (error instanceof TypeError) return "The server does not answer: is ComfyUI running?";
  if (error instanceof DOMException) return "The browser cannot decode these pictures: queue again.";
  return error instanceof Error ? error.message : String(error);
}

/** The one of the page: a budget for each viewer would let ten of them take ten times as much. */
export const shared = new Loader();
