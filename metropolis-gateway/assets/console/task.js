// One task in full: how it is doing on each instance, what it promises, and a form to try it.

import { attempt } from "./attempt.js";
import { h, list, mark, write } from "./dom.js";
import { panel, table } from "./frames.js";
import { parsed } from "./json.js";
import { alarm, badge, flag, meter } from "./marks.js";
import { promised } from "./promise.js";
import { spark } from "./spark.js";
import { NONE, address, count, measured, ms, publicBase, rate, share, span } from "./words.js";

const COLUMNS = [
  ["Instance"],
  ["State"],
  ["Rate /s", "number"],
  ["p95 ms", "number"],
  ["Faults /s", "number"],
  ["Load", "wide"],
];

export function task(subject, { history, ask }) {
  const name = h("h1", { tabindex: "-1" }, subject);
  const where = h("p", { class: "subject" }, subject);
  const sign = flag();
  const figures = h("dl", { class: "figures" });
  const promise = h("div");
  const trial = panel("Try it");
  const calls = panel("Calls");
  const body = h("tbody");
  const instances = panel("Instances", table("instances", null, COLUMNS, body));
  const node = h(
    "article",
    { class: "task" },
    h("p", { class: "back" }, h("a", { href: "#/tasks" }, "All tasks")),
    h("header", {}, h("div", { class: "heading" }, name, sign.node), where),
    figures,
    h("div", { class: "columns" }, h("div", {}, promise, calls, instances), trial),
  );
  const showFigures = list(figures, figure);
  const showInstances = list(body, row);
  /** As it was last; a task that is gone stays on the page. */
  let known;

  function show(data) {
    const found = data.tasks.find((task) => task.subject === subject) ?? known;
    if (!found) return write(where, `There is no task ${subject} now.`);
    if (!known) read(found, data);
    known = found;
    write(name, found.name);
    write(where, [found.subject, ...found.routes.map(({ method, path }) => `${method} ${path}`)].join("  ·  "));
    sign.show(found);
    showFigures(figuresOf(found, history), (figure) => figure.name);
    showInstances(data.instances, (one) => `${one.service} ${one.instance}`);
    mark(instances, "hidden", data.instances.length === 0);
    showCalls(calls, subject, data);
  }

  /** What a task promises does not change while it is looked at; whoever wants the newest loads the page again. */
  async function read(found, data) {
    const response = await ask(`task?${new URLSearchParams({ subject })}`);
    const told = response.ok ? parsed(await response.text()) : null;
    promise.replaceChildren(...promised(told, found));
    trial.append(
      found.routes.length > 0
        ? attempt(found, told, ask, () => publicBase(data))
        : h("p", {}, "It has no route on this gateway, so no HTTP request reaches it."),
    );
  }

  return { title: subject, node, show, subject };
}

function figuresOf({ numbers, subject, timeout_ms }, history) {
  const times = numbers?.latency_ms;
  const limit = numbers?.timeout_ms ?? timeout_ms;
  return [
    {
      name: "Rate",
      value: measured(rate(numbers?.rate), "/s"),
      note: `${count(numbers?.requests)} in all`,
      line: history.of(subject),
    },
    {
      name: "Average",
      value: measured(ms(numbers?.average_ms), "ms"),
      note: limit && `time limit ${limit < 1000 ? `${limit} ms` : span(limit / 1000)}`,
    },
    {
      name: "p50, p95, p99",
      value: times ? `${ms(times.p50)}, ${ms(times.p95)}, ${ms(times.p99)} ms` : NONE,
      note: "of the slowest instance",
    },
    {
      name: "Waiting time p95",
      value: measured(ms(numbers?.queue_age_ms?.p95), "ms"),
      note: "from arrival to start",
    },
    {
      name: "Faults",
      value: measured(rate(numbers?.fault_rate), "/s"),
      note:
        numbers?.faults > 0
          ? `${count(numbers.faults)} in all, ${share(numbers.faults, numbers.requests)}`
          : "none so far",
      tone: numbers?.fault_rate > 0 ? "bad" : null,
    },
    notStarted(numbers),
    ...lastFaults(numbers),
  ];
}

function notStarted(numbers) {
  const name = "Not started";
  if (numbers?.busy == null) return { name, value: NONE };
  const { busy, expired = 0, refused = 0 } = numbers;
  const note = `${count(busy)} busy, ${count(expired)} too late, ${count(refused)} refused`;
  return { name, value: count(busy + expired + refused), note };
}

function lastFaults(numbers) {
  const codes = Object.entries(numbers?.codes ?? {}).sort(([, a], [, b]) => b - a);
  const last = numbers?.last_error;
  if (codes.length === 0) return last ? [{ name: "Last fault", value: last, isLong: true }] : [];
  const most = codes.slice(0, 3).map(([code, many]) => `${code} ${count(many)}`);
  return [{ name: "Fault codes", value: most.join(", "), note: last && `last: ${last}`, isLong: true }];
}

function figure({ line, isLong }) {
  const [value, note] = ["value", "note"].map((kind) => h("span", { class: kind }));
  const name = h("dt");
  const drawn = line && spark();
  const row = h("span", { class: "row" }, value, drawn?.node);
  const node = h("div", { class: isLong ? "figure long" : "figure" }, name, h("dd", {}, row, note));
  const show = (figure) => {
    write(name, figure.name);
    write(value, figure.value);
    write(note, figure.note || "");
    mark(node, "data-tone", figure.tone);
    drawn?.show(figure.line);
  };
  return { node, show };
}

function row() {
  const id = h("span", { class: "id" });
  const [often, p95] = [h("span"), h("span")];
  const [state, faults, bar] = [badge(), alarm(), meter()];
  const node = h(
    "tr",
    {},
    h("th", { scope: "row" }, id),
    h("td", {}, state.node),
    h("td", { class: "number" }, often),
    h("td", { class: "number" }, p95),
    h("td", { class: "number" }, faults.node),
    h("td", { class: "wide" }, bar.node),
  );
  const show = ({ service, instance, is_silent, numbers }) => {
    write(id, `${service} ${instance}`);
    state.show(is_silent ? ["silent", "bad"] : numbers.paused > 0 ? ["paused", "warn"] : ["answers", "good"]);
    write(often, rate(numbers.rate));
    write(p95, ms(numbers.latency_ms?.p95));
    faults.show(rate(numbers.fault_rate), numbers.fault_rate);
    bar.show(numbers);
  };
  return { node, show };
}

/** Whom it calls and who calls it, as links. */
function showCalls(section, subject, data) {
  const to = data.calls.filter((call) => call.from === subject);
  const from = data.calls.filter((call) => call.to === subject);
  mark(section, "hidden", to.length + from.length === 0);
  // Links keep their focus as long as nothing but the rates changes.
  const key = JSON.stringify([to, from].map((calls) => calls.map((call) => [call.from, call.to])));
  if (section.dataset.key === key && section.contains(document.activeElement)) return;
  section.dataset.key = key;
  const [title] = section.children;
  section.replaceChildren(title, ...links("It calls", to, "to"), ...links("It is called by", from, "from"));
}

function links(title, calls, end) {
  if (calls.length === 0) return [];
  const item = (call) => {
    const hasPage = end === "from" || call.is_known;
    const name = hasPage ? h("a", { href: address(call[end]) }, call[end]) : call[end];
    return h("li", {}, h("span", { class: "subject" }, name), ` ${measured(rate(call.rate), "/s")}`);
  };
  return [h("h3", {}, title), h("ul", {}, calls.map(item))];
}
