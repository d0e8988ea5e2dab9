// @ts-check
/**
 * What a panel on a node needs of ComfyUI's page, whatever it shows: its widget, the calls that bring outputs back, and
 * its place on the page after an undo. The app is given: only the files that register import it.
 */

const KEPT_MS = 5000; // longer than an undo takes
const LOOKS_MS = [0, 100, 500, 1500]; // after which it is seen to that a panel is on the page
/** @type {Map<string, HTMLElement>} where panels of removed nodes stood */
const left = new Map();

/** @typedef {{restore: (output?: unknown) => void, configured?: () => void}} Shown what a panel does when told to */

export class Place {
  /** @type {string} of the node, once `look` was called */
  key = "";

  /**
   * @param {any} app
   * @param {any} node
   * @param {string} name of the panel, lower case; its classes and its widget are named after it
   * @param {number} minHeight CSS px
   */
  constructor(app, node, name, minHeight) {
    this.app = app;
    this.node = node;
    this.name = name;
    this.minHeight = minHeight;
    this.root = document.createElement("div");
    this.root.className = `portraitloupe-${name}-root`;
    // Nodes 2.0 gives a row the height that it asks for
    Object.assign(this.root.style, { minHeight: `${minHeight}px`, height: "100%" });
  }

  /**
   * Puts the root on the node, until the node is removed.
   * @param {() => void} removed what the panel does then
   */
  join(removed) {
    const { node, root, name, minHeight } = this;
    const widget = node.addDOMWidget(`loupe_${name}`, `LOUPE_${name.toUpperCase()}`, root, {
      serialize: false, // not in the prompt: it would change the cache key
      hideOnZoom: false,
      getMinHeight: () => minHeight,
    });
    widget.serialize = false; // nor among the saved widgets' values

    const called = node.onRemoved;
    const leave = () => {
      removed();
      const stood = this.#stood();
      left.set(stood, root);
      setTimeout(() => left.get(stood) === root && left.delete(stood), KEPT_MS);
    };
    node.onRemoved = function () {
      called?.apply(this, arguments);
      leave();
    };
  }

  /** Notices under which key the node stands now, and sees to it that the root is on the page. */
  look() {
    const key = `${(this.node.graph ?? this.app.graph)?.id}:${this.node.id}`;
    if (key === this.key) return;
    this.key = key;
    for (const delay of LOOKS_MS) setTimeout(() => this.#seeTo(), delay);
  }

  /**
   * The canvas zooms where the panel does not take the wheel.
   * @param {WheelEvent} event
   */
  forwardWheel = (event) => {
    event.preventDefault();
    event.stopPropagation();
    this.app.canvas.canvas.dispatchEvent(new WheelEvent(event.type, event));
  };

  /** After an undo Nodes 2.0 keeps on its page the element of the node that was removed: the new one is put into it. */
  #seeTo() {
    const place = left.get(this.#stood());
    if (!this.root.isConnected && place?.isConnected && !this.root.contains(place)) place.replaceChildren(this.root);
  }

  #stood() {
    return `${this.name} ${this.key}`;
  }
}

/**
 * What an extension listens to, for a panel on every node of one kind.
 * @param {any} app
 * @param {string} nodeId
 * @param {(node: any) => Shown} attach puts a panel on a node
 * @param {(output: unknown) => unknown} isOurs whether a node's output holds what the panel shows
 */
export function listening(app, nodeId, attach, isOurs) {
  /** @type {WeakMap<object, Shown>} the panel of a node */
  const panels = new WeakMap();
  return {
    /** @param {any} node */
    nodeCreated(node) {
      if (node.constructor.comfyClass !== nodeId) return;
      const panel = attach(node);
      panels.set(node, panel);

      const executed = node.onExecuted;
      node.onExecuted = function (/** @type {unknown} */ output) {
        executed?.apply(this, arguments);
        panel.restore(output);
      };
      const configured = node.onConfigure;
      node.onConfigure = function () {
        configured?.apply(this, arguments);
        panel.configured?.();
        panel.restore();
      };
    },

    /**
     * After a tab switch or an undo the outputs come back without onExecuted.
     * @param {Record<string, unknown>} outputs
     */
    onNodeOutputsUpdated(outputs) {
      for (const [id, output] of Object.entries(outputs)) {
        const node = app.graph?.getNodeById(id) ?? app.graph?.getNodeById(Number(id));
        if (node && isOurs(output)) panels.get(node)?.restore(output);
      }
    },
  };
}

/** @returns {Storage | null} the browser's, of this session */
export function storage() {
  try {
    return window.sessionStorage;
  } catch {
    return null; // forbidden by the browser
  }
}
