// The console: asks the gateway how everything is, once a second while somebody looks, and shows it in one of its views.

import { h, list, mark, write } from "./dom.js";
import { map } from "./map.js";
import { quarantine } from "./quarantine.js";
import { services } from "./services.js";
import { History, spark } from "./spark.js";
import { task } from "./task.js";
import { tasks } from "./tasks.js";
import { count, publicBase, rate, several, share, span } from "./words.js";

/** How often the gateway is asked, in milliseconds. It asks the services no more often than that. */
const EVERY = 1000;

const VIEWS = { tasks, services, map, quarantine };

const byId = (id) => document.getElementById(id);
const [content, find, pause, docs, trouble, quarantined] = [
  "content",
  "find",
  "pause",
  "docs",
  "trouble",
  "quarantined",
].map(byId);

const history = new History();
let view;
let data;
let timer;
/** What was asked last; earlier questions are given up. */
let question = new AbortController();

/** What a view is given beside the data. */
const surroundings = {
  history,
  ask: (path, options) => fetch(new URL(`_console/${path}`, document.baseURI), options),
};

function route() {
  // Without a view in the address this is the first one; `#content` is where the skip link leads.
  const [, name, ...rest] = location.hash.split("/");
  if (view && location.hash === "#content") return;
  const subject = decoded(rest.join("/"));
  const kind = name in VIEWS ? name : "tasks";
  const isFirst = !view;
  view = kind === "tasks" && subject ? task(subject, surroundings) : VIEWS[kind](surroundings);
  content.replaceChildren(view.node);
  document.title = `${view.title} · Metropolis`;
  for (const link of document.querySelectorAll("nav a")) {
    mark(link, "aria-current", link.hash === `#/${kind}` ? "page" : null);
  }
  if (!isFirst) content.querySelector("h1")?.focus();
  if (data) view.show(data);
  look();
}

/** An address somebody typed may be no such thing. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function look() {
  clearTimeout(timer);
  question.abort();
  if (document.hidden || pause.getAttribute("aria-pressed") === "true") return;
  question = new AbortController();
  const { signal } = question;
  const begun = performance.now();
  const heard = await hear(signal);
  // Something else was asked meanwhile.
  if (signal.aborted) return;
  if (heard instanceof Error)
    write(trouble, `The gateway cannot be reached: ${heard.message}. What is shown may be old.`);
  else show(heard);
  timer = setTimeout(look, Math.max(100, EVERY - (performance.now() - begun)));
}

/** What the gateway says, or why it says nothing. */
async function hear(signal) {
  const query = new URLSearchParams({ find: find.value.trim(), subject: view.subject ?? "" });
  try {
    const response = await surroundings.ask(`data?${query}`, { signal });
    return response.ok ? await response.json() : new Error(`it answers ${response.status}`);
  } catch (error) {
    return error;
  }
}

function show(heard) {
  data = heard;
  history.add([["", data.totals.numbers.rate], ...data.tasks.map((task) => [task.subject, task.numbers?.rate])]);
  write(trouble, complaint());
  mark(quarantined, "hidden", data.totals.quarantined === 0);
  write(quarantined, String(data.totals.quarantined));
  mark(docs, "hidden", !data.gateway.has_docs);
  docs.href = new URL("docs", publicBase(data)).href;
  showStrip(strip());
  view.show(data);
}

function complaint() {
  if (!data.bus.is_connected) return "The gateway has lost its connection to NATS.";
  if (data.trouble) return `${data.trouble[0].toUpperCase()}${data.trouble.slice(1)}.`;
  const { tasks, services, instances, calls, endpoints } = data.left_out;
  const more = [
    tasks && several(tasks, "task"),
    services && several(services, "service"),
    instances && several(instances, "instance"),
    calls && several(calls, "call"),
  ].filter(Boolean);
  if (more.length > 0) return `${more.join(", ")} more than are shown. Find them by name.`;
  return endpoints > 0 ? `The numbers of ${several(endpoints, "endpoint")} are left out: there are too many.` : "";
}

function strip() {
  const { totals, bus, gateway } = data;
  const { numbers } = totals;
  const silent = totals.silent > 0 ? `${totals.silent} silent` : "all answer";
  return [
    {
      name: "Requests",
      value: rate(numbers.rate),
      unit: "/s",
      note: `${count(numbers.requests)} in all`,
      spark: true,
    },
    {
      name: "Faults",
      value: rate(numbers.fault_rate),
      unit: "/s",
      note: `${share(numbers.fault_rate, numbers.rate)} of requests`,
      tone: numbers.fault_rate > 0 ? "bad" : "",
    },
    { name: "Tasks", value: count(totals.tasks), note: several(totals.routes, "route") },
    {
      name: "Services",
      value: count(totals.services),
      note: totals.quarantined > 0 ? `${totals.quarantined} quarantined` : "none quarantined",
      tone: totals.quarantined > 0 ? "warn" : "",
    },
    {
      name: "Instances",
      value: count(totals.instances),
      note: totals.instances > 0 ? silent : "",
      tone: totals.silent > 0 ? "warn" : "",
    },
    {
      name: "Bus",
      value: bus.kind,
      note: bus.is_connected ? several(bus.reconnects, "reconnect") : "not connected",
      tone: bus.is_connected ? "" : "bad",
    },
    {
      name: "Gateway",
      value: gateway.is_ready ? "ready" : "not ready",
      note: `${gateway.version}, up ${span(gateway.uptime_s)}`,
      tone: gateway.is_ready ? "" : "bad",
    },
  ];
}

const showStripOf = list(byId("strip"), (figure) => {
  const value = h("span", { class: "value" });
  const note = h("span", { class: "note" });
  const line = figure.spark ? spark() : undefined;
  const node = h(
    "div",
    { class: "figure" },
    h("span", { class: "name" }, figure.name),
    h("span", { class: "row" }, value, figure.unit && h("span", { class: "unit" }, figure.unit), line?.node),
    note,
  );
  return {
    node,
    show(figure) {
      write(value, figure.value);
      write(note, figure.note);
      mark(node, "data-tone", figure.tone || null);
      line?.show(history.of(""));
    },
  };
});
const showStrip = (figures) => showStripOf(figures, (figure) => figure.name);

addEventListener("hashchange", route);
document.addEventListener("visibilitychange", look);
find.addEventListener("input", () => {
  // Who looks for something wants to see what is found.
  if (view.subject) location.hash = "#/tasks";
  else look();
});
pause.addEventListener("click", () => {
  const isPaused = pause.getAttribute("aria-pressed") !== "true";
  mark(pause, "aria-pressed", isPaused);
  if (!isPaused) look();
});
addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    find.focus();
  }
});

route();
