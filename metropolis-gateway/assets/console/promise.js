// What a task promises its callers: documentation, input, output and faults.

import { h } from "./dom.js";
import { panel, table } from "./frames.js";
import { prose } from "./prose.js";
import { described } from "./schema.js";
import { NONE } from "./words.js";

/** Elements for a promise, or for a task whose promise the gateway does not know. */
export function promised(promise, task) {
  if (!promise) return [documentation(h("p", {}, unknown(task)))];
  const words = promise.docs
    ? prose(promise.docs)
    : h("p", { class: "note" }, "Its author has written nothing about it.");
  const output = promise.empty
    ? h("p", {}, "Nothing: the body is empty.")
    : described("output", promise.output, "Any bytes, with a media type or without.");
  return [
    documentation(words, h("p", { class: "note" }, `Queue ${task.queue || NONE}, ${task.source} here.`)),
    panel("Input", described("input", promise.input, "Any bytes, of any media type.")),
    panel(`Output, ${promise.status}`, output),
    ...(promise.faults.length > 0 ? [panel("Faults", faults(promise.faults))] : []),
  ];
}

function documentation(...content) {
  return h("section", { class: "panel prose", "aria-label": "Documentation" }, content.flat());
}

function unknown({ services }) {
  const who = services.length > 0 ? services.join(", ") : "a service";
  return `The gateway has no contract of this task. It is known from what ${who} says on the bus.`;
}

function faults(faults) {
  const row = ({ status, code, message }) =>
    h(
      "tr",
      {},
      h("td", {}, String(status)),
      h("th", { scope: "row" }, h("code", {}, code)),
      h("td", {}, message ?? ""),
    );
  return table("faults", null, [["Status"], ["Code"], ["Message"]], h("tbody", {}, faults.map(row)));
}
