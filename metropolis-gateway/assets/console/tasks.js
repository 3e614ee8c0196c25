// All tasks: how often each is called, how long that takes, what goes wrong, and how full its instances are.

import { h, list, mark, write } from "./dom.js";
import { table } from "./frames.js";
import { alarm, flag, load, meter } from "./marks.js";
import { spark } from "./spark.js";
import { NONE, address, count, ms, rate, share } from "./words.js";

const quantile = (name) => (task) => task.numbers?.latency_ms?.[name];

/** Titles, by what each column is sorted, and what a short title stands for. */
const COLUMNS = [
  { title: "Task", by: (task) => task.subject },
  { title: "Route", kind: "wide", by: (task) => task.routes[0]?.path },
  { title: "Rate /s", kind: "number", by: (task) => task.numbers?.rate },
  { title: "avg", kind: "number wide", by: (task) => task.numbers?.average_ms, long: "Average, in milliseconds" },
  { title: "p50", kind: "number wide", by: quantile("p50"), long: "Half takes less, in milliseconds" },
  { title: "p95 ms", kind: "number", by: quantile("p95"), long: "95 % take less, in milliseconds" },
  { title: "p99", kind: "number wide", by: quantile("p99"), long: "99 % take less, in milliseconds" },
  { title: "Faults", kind: "number", by: (task) => task.numbers?.fault_rate },
  { title: "Load", kind: "wide", by: (task) => load(task.numbers), long: "Calls in flight, of as many as may be" },
  { title: "Instances", kind: "number wide", by: (task) => task.numbers?.endpoints },
];

/** Stays as it is when the view is left and comes back. */
let sorted = COLUMNS[0];

export function tasks({ history }) {
  const body = h("tbody");
  const heads = COLUMNS.map((column) => head(column, sort));
  const empty = h("p", { class: "empty" });
  const frame = table(
    "tasks",
    "tasks",
    heads.map(({ node }) => node),
    body,
  );
  const node = h("div", {}, h("h1", { tabindex: "-1" }, "Tasks"), frame, empty);
  const showRows = list(body, () => row(history));
  let last;

  function sort(column) {
    sorted = column;
    if (last) show(last);
  }

  function show(data) {
    last = data;
    showRows(inOrder(data.tasks), (task) => task.filter);
    heads.forEach(({ show }) => show());
    mark(frame, "hidden", data.tasks.length === 0);
    mark(empty, "hidden", data.tasks.length > 0);
    write(empty, data.totals.tasks > 0 ? "No task has such a name." : nobody(data));
  }

  return { title: "Tasks", node, show };
}

/** Texts from the first, numbers from the largest, and what is not known at the end. */
function inOrder(tasks) {
  const values = new Map(tasks.map((task) => [task, sorted.by(task)]));
  const order = (a, b) => {
    const [left, right] = [values.get(a), values.get(b)];
    if (left == null || right == null) return (left == null) - (right == null);
    return typeof left === "number" ? right - left : left.localeCompare(right);
  };
  return [...tasks].sort(order);
}

function nobody(data) {
  if (!data.gateway.is_discovering) return "This gateway has no tasks linked in and does not look for services.";
  return "Nobody serves anything yet. Start a worker on the same bus, and it appears here.";
}

function head(column, sort) {
  const properties = { type: "button", onclick: () => sort(column), title: column.long };
  const node = h("th", { scope: "col", class: column.kind }, h("button", properties, column.title));
  const order = column.kind?.includes("number") || column.title === "Load" ? "descending" : "ascending";
  return { node, show: () => mark(node, "aria-sort", sorted === column ? order : null) };
}

function row(history) {
  const link = h("a", {});
  const [subject, route] = ["subject", "route"].map((kind) => h("span", { class: kind }));
  const [often, average, p50, p95, p99, instances] = Array.from({ length: 6 }, () => h("span", {}));
  const [sign, line, faults, bar] = [flag(), spark(), alarm(), meter()];
  const number = (kind, ...content) => h("td", { class: `number ${kind}` }, content);
  const node = h(
    "tr",
    {},
    h("th", { scope: "row" }, h("span", { class: "title" }, link, sign.node), subject),
    h("td", { class: "wide" }, route),
    number("", line.node, often),
    number("wide", average),
    number("wide", p50),
    number("", p95),
    number("wide", p99),
    number("", faults.node),
    h("td", { class: "wide" }, bar.node),
    number("wide", instances),
  );

  function show(task) {
    const { numbers } = task;
    mark(link, "href", address(task.subject));
    write(link, task.name);
    write(subject, task.subject);
    sign.show(task);
    write(route, routesOf(task));
    write(often, rate(numbers?.rate));
    line.show(history.of(task.subject));
    write(average, ms(numbers?.average_ms));
    write(p50, ms(numbers?.latency_ms?.p50));
    write(p95, ms(numbers?.latency_ms?.p95));
    write(p99, ms(numbers?.latency_ms?.p99));
    faults.show(faultsOf(numbers), numbers?.fault_rate);
    bar.show(numbers);
    write(instances, count(numbers?.endpoints ?? 0));
  }

  return { node, show };
}

function faultsOf(numbers) {
  const hasBoth = numbers?.fault_rate > 0 && numbers.rate > 0;
  return hasBoth ? share(numbers.fault_rate, numbers.rate) : rate(numbers?.fault_rate);
}

function routesOf({ routes: [first, ...rest] }) {
  if (!first) return NONE;
  return `${first.method} ${first.path}${rest.length > 0 ? ` +${rest.length}` : ""}`;
}
