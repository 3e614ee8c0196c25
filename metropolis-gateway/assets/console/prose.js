// Documentation as its author wrote it: paragraphs, code, lists. A small part of Markdown, enough for doc comments; all
// else stays as it was typed.

import { h } from "./dom.js";

/** Elements for a text. */
export function prose(text) {
  const blocks = [];
  const parts = text.split(/^ {0,3}```[^\n]*$/m);
  parts.forEach((part, at) => {
    if (at % 2 === 1) blocks.push(h("pre", { tabindex: "0" }, h("code", {}, part.replace(/^\n|\n$/g, ""))));
    else
      blocks.push(
        ...part
          .split(/\n\s*\n/)
          .map((lines) => lines.trim())
          .filter(Boolean)
          .map(block),
      );
  });
  return blocks;
}

function block(text) {
  const lines = text.split("\n");
  const heading = /^#{1,6} +(.*)$/.exec(text);
  if (heading && lines.length === 1) return h("p", { class: "heading" }, inline(heading[1]));
  if (lines.every((line) => /^\s*([-*]|  )/.test(line))) {
    const items = text.split(/^\s*[-*] +/m).filter((item) => item.trim());
    return h(
      "ul",
      {},
      items.map((item) => h("li", {}, inline(item))),
    );
  }
  return h("p", {}, inline(text));
}

/** Changes the text of an element, its code included, if it is another one. */
export function writeProse(node, text) {
  if (node.dataset.text === text) return;
  node.dataset.text = text;
  node.replaceChildren(...inline(text));
}

/** Code in backquotes, and links as their text: where they lead is known to the author's documentation alone. */
function inline(text) {
  const parts = text.replace(/\s*\n\s*/g, " ").split(/(`[^`]+`)/);
  return parts.map((part) =>
    part.startsWith("`") && part.length > 2
      ? h("code", {}, part.slice(1, -1))
      : part.replace(/\[`?([^\]`]+)`?\](\([^)]*\))?/g, "$1"),
  );
}
