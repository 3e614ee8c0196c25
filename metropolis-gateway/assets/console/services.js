// Services with their instances: who is there, in which version, since when, and whether it answers.

import { h, list, mark, write } from "./dom.js";
import { table } from "./frames.js";
import { alarm, badge } from "./marks.js";
import { writeProse } from "./prose.js";
import { count, rate, since } from "./words.js";

const STATES = {
  answers: ["answers", "good"],
  silent: ["silent", "bad"],
  unheard: ["no statistics", "quiet"],
};

const SERVICE_STATES = {
  served: ["served", "good"],
  quarantined: ["quarantined", "warn"],
  unrouted: ["not routed here", "quiet"],
};

const COLUMNS = [
  ["Service and instance"],
  ["State"],
  ["Up", "wide"],
  ["Rate /s", "number"],
  ["Faults /s", "number"],
  ["Requests", "number wide"],
  ["In flight", "number wide"],
];

export function services() {
  const frame = table("services", "services", COLUMNS);
  const groups = frame.firstChild;
  const empty = h("p", { class: "empty" });
  const node = h("div", {}, h("h1", { tabindex: "-1" }, "Services"), frame, empty);
  const showGroups = list(groups, group);

  function show(data) {
    showGroups(data.services, (service) => `${service.service} ${service.version} ${service.state}`);
    mark(frame, "hidden", data.services.length === 0);
    mark(empty, "hidden", data.services.length > 0);
    write(empty, data.totals.services > 0 ? "No service has such a name." : nobody(data));
  }

  return { title: "Services", node, show };
}

function nobody(data) {
  if (data.bus.kind !== "NATS") return "No worker runs in this process.";
  return (
    "No service has answered on $SRV.STATS. Where NATS permissions are in use, the gateway must be allowed to ask " +
    "there: see `metropolis-gateway permissions`."
  );
}

/** A service and the rows of its instances. */
function group() {
  const [name, version] = ["name", "version"].map((kind) => h("span", { class: kind }));
  const head = line("service", "rowgroup", name, version);
  const reason = h("td", { colspan: COLUMNS.length });
  const why = h("tr", { class: "reason" }, reason);
  const node = h("tbody", {}, head.node, why);
  const showRows = list(node, instance);

  function show(service) {
    write(name, service.service);
    write(version, service.version);
    mark(why, "hidden", !service.reason);
    writeProse(reason, service.reason ?? "");
    head.show(SERVICE_STATES[service.state], "", service.numbers);
    showRows(service.instances, (one) => one.id);
  }

  return { node, show };
}

function instance() {
  const id = h("span", { class: "id" });
  const { node, show } = line("instance", "row", id);
  return {
    node,
    show(one) {
      write(id, one.id);
      show(STATES[one.state], since(one.started), one.numbers);
    },
  };
}

/** A row of the table: who, and the numbers. */
function line(kind, scope, ...who) {
  const state = badge();
  const faults = alarm();
  const [up, requests, all, inFlight] = Array.from({ length: 4 }, () => h("span", {}));
  const node = h(
    "tr",
    { class: kind },
    h("th", { scope }, who),
    h("td", {}, state.node),
    h("td", { class: "wide" }, up),
    h("td", { class: "number" }, requests),
    h("td", { class: "number" }, faults.node),
    h("td", { class: "number wide" }, all),
    h("td", { class: "number wide" }, inFlight),
  );

  function show(word, since, numbers) {
    state.show(word);
    write(up, since);
    write(requests, rate(numbers.rate));
    faults.show(rate(numbers.fault_rate), numbers.fault_rate);
    write(all, count(numbers.endpoints > 0 ? numbers.requests : null));
    write(inFlight, count(numbers.in_flight));
  }

  return { node, show };
}
