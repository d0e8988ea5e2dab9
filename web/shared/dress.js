// @ts-check

/**
 * What puts a style sheet on a document, once for each. A sheet made by script, for a server that forbids inline styles.
 * @param {string} css
 * @returns {(document: Document) => void}
 */
export function dresser(css) {
  /** @type {WeakSet<Document>} */
  const dressed = new WeakSet();
  return (document) => {
    if (dressed.has(document)) return;
    dressed.add(document);
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  };
}
