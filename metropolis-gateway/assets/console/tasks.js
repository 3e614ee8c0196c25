// All tasks: how often each is called, how long that takes, what goes wrong, and how full its instances are.

import { h, list, mark, scrolling, write } from "./dom.js";
import { spark } from "./spark.js";
import { NONE, address, count, ms, rate, several, share } from "./words.js";

/** The columns, and by what each is sorted. */
const COLUMNS = [
  { title: "Task", key: "subject", by: (task) => task.subject },
  { title: "Route", key: "route", class: "wide", by: (task) => task.routes[0]?.path ?? "~" },
  { title: "Rate /s", key: "rate", class: "number", by: (task) => -(task.numbers?.rate ?? -1) },
  { title: "avg", key: "avg", class: "number wide", by: (task) => -(task.numbers?.average_ms ?? -1), long: "Average time in milliseconds" },
  { title: "p50", key: "p50", class: "number wide", by: (task) => -(task.numbers?.latency_ms?.p50 ?? -1), long: "Half of the requests take less, in milliseconds" },
  { title: "p95 ms", key: "p95", class: "number", by: (task) => -(task.numbers?.latency_ms?.p95 ?? -1), long: "95 % of the requests take less, in milliseconds" },
  { title: "p99", key: "p99", class: "number wide", by: (task) => -(task.numbers?.latency_ms?.p99 ?? -1), long: "99 % of the requests take less, in milliseconds" },
  { title: "Faults", key: "faults", class: "number", by: (task) => -(task.numbers?.fault_rate ?? -1) },
  { title: "Load", key: "load", class: "wide", by: (task) => -(load(task.numbers) ?? -1), long: "Calls in flight, of as many as there may be" },
  { title: "Instances", key: "instances", class: "number wide", by: (task) => -(task.numbers?.endpoints ?? 0) },
];

/** Stays as it is when the view is left and comes back. */
let sorted = "subject";

export function tasks({ history }) {
  const body = h("tbody");
  const headers = COLUMNS.map((column) => header(column, () => sort(column.key)));
  const empty = h("p", { class: "empty" });
  const node = h("div", {},
    h("h1", { tabindex: "-1" }, "Tasks"),
    scrolling("Table of tasks", h("table", { class: "tasks" }, h("thead", {}, h("tr", {}, headers.map(({ node }) => node))), body)),
    empty);
  const showRows = list(body, () => row(history));
  let last;

  function sort(key) {
    sorted = key;
    show(last);
  }

  function show(data) {
    last = data;
    const column = COLUMNS.find(({ key }) => key === sorted);
    const values = new Map(data.tasks.map((task) => [task, column.by(task)]));
    const order = (a, b) => (values.get(a) < values.get(b) ? -1 : values.get(a) > values.get(b) ? 1 : 0);
    showRows([...data.tasks].sort(order), (task) => task.filter);
    headers.forEach(({ show }) => show());
    mark(empty, "hidden", data.tasks.length > 0);
    write(empty, data.totals.tasks > 0 ? "No task has such a name." : nobody(data));
  }

  return { title: "Tasks", node, show };
}

function nobody(data) {
  if (data.gateway.is_discovering) return "Nobody serves anything yet. Start a worker on the same bus, and it appears here.";
  return "This gateway has no tasks linked in and does not look for services on the bus.";
}

function header(column, sort) {
  const button = h("button", { type: "button", onclick: sort, title: column.long }, column.title);
  const node = h("th", { scope: "col", class: column.class }, button);
  return { node, show: () => mark(node, "aria-sort", sorted === column.key ? "ascending" : null) };
}

function row(history) {
  const link = h("a", {});
  const subject = h("span", { class: "subject" });
  const flag = h("span", { class: "flag" });
  const route = h("span", { class: "route" });
  const line = spark();
  const cells = Object.fromEntries(["rate", "avg", "p50", "p95", "p99", "faults", "instances"].map((key) => [key, h("span", {})]));
  const meter = loadMeter();
  const number = (key, ...more) => h("td", { class: COLUMNS.find((column) => column.key === key).class }, ...more, cells[key]);
  const node = h("tr", {},
    h("th", { scope: "row" }, h("span", { class: "title" }, link, flag), subject),
    h("td", { class: "wide" }, route),
    number("rate", line.node),
    number("avg"), number("p50"), number("p95"), number("p99"), number("faults"),
    h("td", { class: "wide" }, meter.node),
    number("instances"));

  function show(task) {
    const numbers = task.numbers;
    mark(link, "href", address(task.subject));
    write(link, task.name);
    write(subject, task.subject);
    write(flag, flagOf(task));
    mark(flag, "hidden", flagOf(task) === "");
    write(route, routesOf(task));
    write(cells.rate, rate(numbers?.rate));
    line.show(history.of(task.subject));
    write(cells.avg, ms(numbers?.average_ms));
    for (const key of ["p50", "p95", "p99"]) write(cells[key], ms(numbers?.latency_ms?.[key]));
    write(cells.faults, numbers?.fault_rate > 0 && numbers.rate > 0 ? share(numbers.fault_rate, numbers.rate) : rate(numbers?.fault_rate));
    mark(cells.faults, "data-tone", numbers?.fault_rate > 0 ? "bad" : null);
    meter.show(numbers);
    write(cells.instances, count(numbers?.endpoints ?? 0));
  }

  return { node, show };
}

/** What is unusual about a task. */
export function flagOf(task) {
  if (task.numbers?.paused > 0) return task.numbers.paused === task.numbers.endpoints ? "paused" : "partly paused";
  if (task.is_deprecated) return "deprecated";
  if (task.source === "unrouted") return "not routed here";
  return "";
}

function routesOf(task) {
  const [first, ...rest] = task.routes;
  if (!first) return NONE;
  const more = rest.length > 0 ? ` +${rest.length}` : "";
  return `${first.method} ${first.path}${more}`;
}

function load(numbers) {
  return numbers?.concurrency > 0 ? numbers.in_flight / numbers.concurrency : null;
}

/** A bar that fills as calls fill the places there are. */
export function loadMeter() {
  const bar = h("span", { class: "bar" });
  const text = h("span", {});
  const track = h("span", { class: "track", "aria-hidden": "true" }, bar);
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
