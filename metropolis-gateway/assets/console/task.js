// One task in full: how it is doing on each instance, what it promises, and a form to try it.

import { attempt } from "./attempt.js";
import { h, list, mark, scrolling, write } from "./dom.js";
import { prose } from "./prose.js";
import { described } from "./schema.js";
import { badge } from "./services.js";
import { spark } from "./spark.js";
import { flagOf, loadMeter } from "./tasks.js";
import { NONE, address, count, measured, ms, publicBase, rate, share, span } from "./words.js";

export function task(subject, { history, ask }) {
  const name = h("h1", { tabindex: "-1" }, subject);
  const flag = h("span", { class: "flag" });
  const where = h("p", { class: "subject" }, subject);
  const figures = h("dl", { class: "figures" });
  const promise = h("div", { class: "promise" });
  const trial = h("section", { class: "panel", "aria-label": "Try it" });
  const calls = h("section", { class: "panel", "aria-label": "Calls" });
  const body = h("tbody");
  const instances = h("section", { class: "panel", "aria-label": "Instances" },
    h("h2", {}, "Instances"),
    scrolling("Table of instances", h("table", {},
      h("thead", {}, h("tr", {}, COLUMNS.map(([title, kind]) => h("th", { scope: "col", class: kind }, title)))), body)));
  const node = h("article", { class: "task" },
    h("p", { class: "back" }, h("a", { href: "#/tasks" }, "All tasks")),
    h("header", {}, h("div", { class: "heading" }, name, flag), where),
    figures,
    h("div", { class: "columns" }, h("div", {}, promise, calls, instances), trial));
  const showFigures = list(figures, figure);
  const showInstances = list(body, row);
  let isRead = false;

  function show(data) {
    const found = data.tasks.find((task) => task.subject === subject) ?? known;
    if (!found) {
      write(where, `${subject}: there is no such task now.`);
      return;
    }
    known = found;
    write(name, found.name);
    write(where, [found.subject, ...found.routes.map((route) => `${route.method} ${route.path}`)].join("  ·  "));
    write(flag, flagOf(found));
    mark(flag, "hidden", flagOf(found) === "");
    showFigures(figuresOf(found, history), (figure) => figure.name);
    showInstances(data.instances, (one) => `${one.service} ${one.instance}`);
    mark(instances, "hidden", data.instances.length === 0);
    showCalls(calls, subject, data);
    if (!isRead) {
      isRead = true;
      read(found, data);
    }
  }

  /** What a task promises does not change while it is looked at; whoever wants the newest loads the page again. */
  async function read(found, data) {
    const response = await ask(`task?${new URLSearchParams({ subject })}`);
    const told = response.ok ? await response.json() : null;
    promise.replaceChildren(...promised(told, found));
    trial.replaceChildren(h("h2", {}, "Try it"), found.routes.length > 0
      ? attempt(found, told, ask, () => publicBase(data))
      : h("p", {}, "It has no route on this gateway, so no HTTP request reaches it."));
  }

  let known;
  return { title: subject, node, show, subject };
}

const COLUMNS = [
  ["Instance"], ["State"], ["Rate /s", "number"], ["p95 ms", "number"], ["Faults", "number"], ["Load", "wide"],
];

function figuresOf({ numbers, ...task }, history) {
  const times = numbers?.latency_ms;
  const age = numbers?.queue_age_ms;
  const codes = Object.entries(numbers?.codes ?? {}).sort(([, a], [, b]) => b - a);
  return [
    { name: "Rate", value: measured(rate(numbers?.rate), "/s"), note: `${count(numbers?.requests)} in all`, line: history.of(task.subject) },
    { name: "Average", value: measured(ms(numbers?.average_ms), "ms"), note: task.timeout_ms ? `time limit ${limit(numbers?.timeout_ms ?? task.timeout_ms)}` : "" },
    { name: "p50, p95, p99", value: times ? `${ms(times.p50)}, ${ms(times.p95)}, ${ms(times.p99)} ms` : NONE, note: "of the slowest instance" },
    { name: "Waiting time p95", value: measured(ms(age?.p95), "ms"), note: "from arrival to start" },
    { name: "Faults", value: measured(rate(numbers?.fault_rate), "/s"), note: numbers?.faults > 0 ? `${count(numbers.faults)} in all, ${share(numbers.faults, numbers.requests)}` : "none so far", tone: numbers?.fault_rate > 0 ? "bad" : "" },
    { name: "Not started", value: count(numbers?.busy == null ? null : numbers.busy + (numbers.expired ?? 0) + (numbers.refused ?? 0)), note: numbers?.busy == null ? "" : `${count(numbers.busy)} busy, ${count(numbers.expired)} too late, ${count(numbers.refused)} refused` },
    codes.length > 0 && { name: "Fault codes", value: codes.slice(0, 3).map(([code, many]) => `${code} ${count(many)}`).join(", "), note: numbers.last_error && `last: ${numbers.last_error}`, isLong: true },
    codes.length === 0 && numbers?.last_error && { name: "Last fault", value: numbers.last_error, note: "", isLong: true },
  ].filter(Boolean);
}

function limit(milliseconds) {
  return milliseconds < 1000 ? `${milliseconds} ms` : span(milliseconds / 1000);
}

function figure({ line, isLong }) {
  const [value, note] = [h("span", { class: "value" }), h("span", { class: "note" })];
  const drawn = line && spark();
  const name = h("dt", {});
  const node = h("div", { class: isLong ? "figure long" : "figure" }, name, h("dd", {}, h("span", { class: "row" }, value, drawn?.node), note));
  const show = (figure) => {
    write(name, figure.name);
    write(value, figure.value);
    write(note, figure.note ?? "");
    mark(node, "data-tone", figure.tone || null);
    drawn?.show(figure.line);
  };
  return { node, show };
}

function row() {
  const [id, requests, p95, faults] = Array.from({ length: 4 }, () => h("span", {}));
  id.className = "id";
  const state = badge();
  const meter = loadMeter();
  const node = h("tr", {},
    h("th", { scope: "row" }, id), h("td", {}, state.node), h("td", { class: "number" }, requests),
    h("td", { class: "number" }, p95), h("td", { class: "number" }, faults), h("td", { class: "wide" }, meter.node));
  const show = ({ service, instance, is_silent, numbers }) => {
    write(id, `${service} ${instance}`);
    state.show(is_silent ? ["silent", "bad"] : numbers.paused > 0 ? ["paused", "warn"] : ["answers", "good"]);
    write(requests, rate(numbers.rate));
    write(p95, ms(numbers.latency_ms?.p95));
    write(faults, rate(numbers.fault_rate));
    mark(faults, "data-tone", numbers.fault_rate > 0 ? "bad" : null);
    meter.show(numbers);
  };
  return { node, show };
}

/** Whom it calls and who calls it, as links. */
function showCalls(section, subject, data) {
  const links = (calls, end) => calls.map((call) => {
    const name = end === "from" || call.is_known ? h("a", { href: address(call[end]) }, call[end]) : call[end];
    return h("li", {}, h("span", { class: "subject" }, name), ` ${measured(rate(call.rate), "/s")}`);
  });
  const to = data.calls.filter((call) => call.from === subject);
  const from = data.calls.filter((call) => call.to === subject);
  mark(section, "hidden", to.length + from.length === 0);
  // Links keep their focus as long as nothing but the rates changes.
  const key = JSON.stringify([to, from].map((calls) => calls.map((call) => [call.from, call.to])));
  if (section.dataset.key === key && section.contains(document.activeElement)) return;
  section.dataset.key = key;
  section.replaceChildren(
    h("h2", {}, "Calls"),
    ...(to.length > 0 ? [h("h3", {}, "It calls"), h("ul", {}, links(to, "to"))] : []),
    ...(from.length > 0 ? [h("h3", {}, "It is called by"), h("ul", {}, links(from, "from"))] : []));
}

function promised(promise, task) {
  if (!promise) {
    return [h("section", { class: "panel", "aria-label": "Documentation" },
      h("p", {}, `The gateway has no contract of this task. It is known from what ${task.services.join(", ") || "a service"} says on the bus.`))];
  }
  const faults = promise.faults.map(({ status, code, message }) =>
    h("tr", {}, h("td", {}, String(status)), h("th", { scope: "row" }, h("code", {}, code)), h("td", {}, message ?? "")));
  return [
    h("section", { class: "panel prose", "aria-label": "Documentation" },
      promise.docs ? prose(promise.docs) : h("p", { class: "note" }, "Its author has written nothing about it."),
      h("p", { class: "note" }, `Queue ${task.queue || NONE}, ${task.source} here.`)),
    h("section", { class: "panel", "aria-label": "Input" }, h("h2", {}, "Input"), described(promise.input, "Any bytes, of any media type.")),
    h("section", { class: "panel", "aria-label": "Output" }, h("h2", {}, `Output, ${promise.status}`),
      promise.empty ? h("p", {}, "Nothing: the body is empty.") : described(promise.output, "Any bytes, with a media type or without.")),
    faults.length > 0 && h("section", { class: "panel", "aria-label": "Faults" }, h("h2", {}, "Faults"),
      scrolling("Table of faults", h("table", {},
        h("thead", {}, h("tr", {}, ["Status", "Code", "Message"].map((title) => h("th", { scope: "col" }, title)))),
        h("tbody", {}, faults)))),
  ].filter(Boolean);
}
