// Frames around what views show: panels with a title, and tables that may be wider than the page.

import { h, mark } from "./dom.js";

/** A part of a view, with its title. */
export function panel(title, ...children) {
  return h("section", { class: "panel", "aria-label": title }, h("h2", {}, title), children);
}

/** A table in a frame. A head is an element, or its text with its class; the bodies are filled by whoever made them. */
export function table(name, kind, heads, ...bodies) {
  const head = (one) => (one instanceof Element ? one : h("th", { scope: "col", class: one[1] }, one[0]));
  const row = h("tr", {}, heads.map(head));
  return scrolling(`Table of ${name}`, h("table", { class: kind }, h("thead", {}, row), bodies));
}

/** A frame for what may be wider than the page. Only while it is, the keyboard stops there, to scroll it. */
export function scrolling(label, content) {
  const frame = h("div", { class: "scroll" }, content);
  const look = () => {
    const isTooSmall = frame.scrollWidth > frame.clientWidth || frame.scrollHeight > frame.clientHeight;
    mark(frame, "tabindex", isTooSmall ? "0" : null);
    mark(frame, "role", isTooSmall ? "region" : null);
    mark(frame, "aria-label", isTooSmall ? label : null);
  };
  const observer = new ResizeObserver(look);
  observer.observe(frame);
  observer.observe(content);
  return frame;
}
