// The map of who calls whom: the gateway, the tasks it has routes to, and the tasks they call in turn.

import { h, list, mark, s, write } from "./dom.js";
import { panel, scrolling, table } from "./frames.js";
import { NODE_WIDTH, ROW_HEIGHT, layout } from "./layout.js";
import { address, count, rate } from "./words.js";

export function map() {
  const edges = s("g", { class: "edges" });
  const cards = s("g", { class: "cards" });
  const drawing = s(
    "svg",
    { role: "group", "aria-label": "Services with their tasks, and lines from each caller to what it calls" },
    edges,
    cards,
  );
  const frame = scrolling("Drawing of the map", drawing);
  frame.classList.add("map");
  const note = h("p", { class: "lead" });
  const body = h("tbody");
  const heads = [["Caller"], ["Called"], ["Rate /s", "number"], ["In all", "number"]];
  const calls = panel("Calls between tasks", table("calls", null, heads, body));
  const node = h("div", {}, h("h1", { tabindex: "-1" }, "Map"), note, frame, calls);
  const showCards = list(cards, card);
  const showEdges = list(edges, edge);
  const showCalls = list(body, call);

  function show(data) {
    const picture = layout(data);
    mark(drawing, "viewBox", `0 0 ${picture.width} ${picture.height}`);
    mark(drawing, "width", picture.width);
    mark(drawing, "height", picture.height);
    showCards(picture.cards, (one) => one.key);
    showEdges(picture.edges, (one) => one.key);
    showCalls(data.calls, (one) => `${one.from} ${one.to}`);
    mark(calls, "hidden", data.calls.length === 0);
    write(note, explanation(data, picture));
  }

  /** Lines of what is pointed at, or has the focus, stand out. */
  function point(event) {
    const key = event.type.endsWith("out")
      ? undefined
      : event.target.closest?.("[data-row]")?.getAttribute("data-row");
    for (const line of edges.children) {
      const ends = line.getAttribute("data-ends")?.split("\n");
      mark(line, "data-lit", key != null && ends?.includes(key) ? "" : null);
    }
    mark(edges, "data-dim", key == null ? null : "");
  }
  for (const kind of ["pointerover", "pointerout", "focusin", "focusout"]) cards.addEventListener(kind, point);

  return { title: "Map", node, show };
}

function explanation(data, picture) {
  if (data.tasks.length === 0) return "There are no tasks to be drawn.";
  const left =
    picture.leftOut > 0 ? ` ${count(picture.leftOut)} services more than fit are left out; find them by name.` : "";
  if (data.calls.length > 0)
    return `Lines lead from the caller to what it calls, and are as thick as it calls often.${left}`;
  return `Lines lead from the gateway to the tasks it has routes to. No worker has told of calls between tasks.${left}`;
}

function card() {
  const title = s("text", { class: "title", x: 12, y: 20 });
  const detail = s("text", { class: "detail", x: NODE_WIDTH - 12, y: 20, "text-anchor": "end" });
  const box = s("rect", { class: "box", rx: 8 });
  const line = s("line", { class: "rule", x1: 0, y1: 30, x2: NODE_WIDTH, y2: 30 });
  const rows = s("g", {});
  const node = s("g", {}, box, line, title, detail, rows);
  const showRows = list(rows, row);

  function show(one) {
    mark(node, "transform", `translate(${one.x} ${one.y})`);
    mark(node, "class", `card ${one.kind}`);
    mark(box, "width", NODE_WIDTH);
    mark(box, "height", one.height);
    mark(line, "visibility", one.rows.length > 0 ? null : "hidden");
    write(title, clipped(one.title, 26 - one.detail.length));
    write(detail, one.detail);
    showRows(one.rows, (entry) => entry.key);
  }

  return { node, show };
}

function row(entry) {
  const name = s("text", { x: 12, y: 16 });
  const number = s("text", { class: "number", x: NODE_WIDTH - 12, y: 16, "text-anchor": "end" });
  const full = s("title", {});
  const back = s("rect", { class: "back", x: 4, y: 1, width: NODE_WIDTH - 8, height: ROW_HEIGHT - 2, rx: 4 });
  const inner = [full, back, name, number];
  const node = entry.task
    ? s("a", { href: address(entry.task), "data-row": entry.key }, inner)
    : s("g", { "data-row": entry.key }, inner);

  function show(entry) {
    mark(node, "transform", `translate(0 ${entry.y})`);
    mark(node, "data-tone", entry.tone || null);
    write(full, entry.full);
    write(name, clipped(entry.name, 21));
    write(number, entry.number);
  }

  return { node, show };
}

function edge() {
  const node = s("path", {});
  const show = (one) => {
    mark(node, "d", one.path);
    mark(node, "class", one.kind);
    mark(node, "data-ends", `${one.from}\n${one.to}`);
    mark(node, "stroke-width", one.thickness.toFixed(1));
  };
  return { node, show };
}

function call() {
  const [from, to] = [h("span", { class: "subject" }), h("span", { class: "subject" })];
  const [often, all] = [h("span", {}), h("span", {})];
  const node = h(
    "tr",
    {},
    h("th", { scope: "row" }, from),
    h("td", {}, to),
    h("td", { class: "number" }, often),
    h("td", { class: "number" }, all),
  );
  const show = (one) => {
    write(from, one.from);
    write(to, one.to);
    write(often, rate(one.rate));
    write(all, count(one.count));
  };
  return { node, show };
}

function clipped(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
