// @ts-check
/** Full screen: the viewer moves into a dialog on the page's body, where no canvas scales it. */
import { make } from "./dom.js";
import { NAME } from "./style.js";

/**
 * @param {HTMLElement} root where the viewer lives
 * @param {HTMLElement} shell the viewer
 * @param {() => void} moved
 */
export function createFull(root, shell, moved) {
  const { ownerDocument: document } = root;
  const away = make(document, "div", { class: `${NAME}-away`, text: "Open in full screen" });
  /** @type {HTMLDialogElement | null} */
  let dialog = null;

  const close = () => {
    if (!dialog) return;
    const closing = dialog;
    dialog = null;
    const holder = shell.contains(document.activeElement) ? document.activeElement : null;
    root.append(shell);
    away.remove();
    if (closing.open) closing.close();
    closing.remove();
    moved();
    // moving took the focus away
    if (holder instanceof HTMLElement && holder.isConnected) holder.focus({ preventScroll: true });
    else shell.focus({ preventScroll: true });
  };

  return {
    get isOpen() {
      return dialog !== null;
    },
    open() {
      if (dialog) return;
      const holder = shell.contains(document.activeElement) ? document.activeElement : null;
      dialog = make(document, "dialog", { class: `${NAME}-full`, "aria-label": "Image comparer in full screen" });
      dialog.addEventListener("cancel", (event) => {
        event.preventDefault();
        close();
      });
      dialog.addEventListener("close", close);
      dialog.addEventListener("wheel", (event) => event.stopPropagation());
      document.body.append(dialog);
      root.append(away);
      dialog.append(shell);
      dialog.showModal();
      moved();
      if (holder instanceof HTMLElement && holder !== document.body) holder.focus({ preventScroll: true });
      else shell.focus({ preventScroll: true });
    },
    close,
  };
}
