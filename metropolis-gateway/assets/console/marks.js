// Small signs that several views have in common.

import { h, mark, write } from "./dom.js";
import { NONE, count, several } from "./words.js";

/** A word with a dot of its colour: `show([word, tone])`. */
export function badge() {
  const text = h("span", {});
  const node = h("span", { class: "state" }, text);
  const show = ([word, tone]) => {
    write(text, word);
    mark(node, "data-tone", tone);
  };
  return { node, show };
}

/** What is unusual about a task, in a word or a few; hidden where nothing is. */
export function flag() {
  const node = h("span", { class: "flag" });
  const show = (task) => {
    const words = unusual(task);
    write(node, words);
    mark(node, "hidden", words === "");
  };
  return { node, show };
}

function unusual({ numbers, is_deprecated, source }) {
  if (numbers?.paused > 0) return numbers.paused === numbers.endpoints ? "paused" : "partly paused";
  if (is_deprecated) return "deprecated";
  return source === "unrouted" ? "not routed here" : "";
}

/** A number that is bad news unless it is zero: `show(text, number)`. */
export function alarm() {
  const node = h("span", {});
  const show = (text, number) => {
    write(node, text);
    mark(node, "data-tone", number > 0 ? "bad" : null);
  };
  return { node, show };
}

/** How many of the calls there may be are in flight; `null` when nobody says. */
export function load(numbers) {
  return numbers?.concurrency > 0 ? numbers.in_flight / numbers.concurrency : null;
}

/** A bar that fills as calls fill the places there are. */
export function meter() {
  const bar = h("span", { class: "bar" });
  const track = h("span", { class: "track", "aria-hidden": "true" }, bar);
  const text = h("span", {});
  const node = h("span", { class: "load" }, track, text);
  const show = (numbers) => {
    const part = load(numbers);
    mark(track, "hidden", part == null);
    bar.style.inlineSize = `${Math.min(100, 100 * (part ?? 0))}%`;
    mark(node, "data-tone", part > 0.8 ? "bad" : part > 0.5 ? "warn" : null);
    const waiting = numbers?.waiting > 0 ? `, ${several(numbers.waiting, "waits", "wait")}` : "";
    write(text, part == null ? NONE : `${count(numbers.in_flight)} of ${count(numbers.concurrency)}${waiting}`);
  };
  return { node, show };
}
