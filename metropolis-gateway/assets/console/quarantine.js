// Services that are on the bus and not served, each with the reason.

import { h, list, mark, write } from "./dom.js";
import { table } from "./frames.js";
import { writeProse } from "./prose.js";
import { several } from "./words.js";

const LEAD =
  "A service is served as a whole or not at all. These are on the bus, and no request reaches them through this " +
  "gateway; it looks again as soon as they say something new.";

export function quarantine() {
  const body = h("tbody");
  const frame = table("quarantine", "quarantine", [["Service"], ["Reason"], ["Instances", "wide"]], body);
  const empty = h("p", { class: "empty" });
  const unread = h("p", { class: "note" });
  const node = h(
    "div",
    {},
    h("h1", { tabindex: "-1" }, "Quarantine"),
    h("p", { class: "lead" }, LEAD),
    frame,
    empty,
    unread,
  );
  const showRows = list(body, row);

  function show(data) {
    const services = data.services.filter((service) => service.state === "quarantined");
    showRows(services, (service) => `${service.service} ${service.version} ${service.reason}`);
    mark(frame, "hidden", services.length === 0);
    mark(empty, "hidden", services.length > 0);
    write(empty, data.totals.quarantined > 0 ? "No such service is quarantined." : "Nobody is quarantined.");
    const many = data.totals.unread_answers;
    write(
      unread,
      many > 0
        ? `${several(many, "answer")} could not be read since the gateway was started, and nobody knows whose.`
        : "",
    );
  }

  return { title: "Quarantine", node, show };
}

function row() {
  const [name, version, reason, many, ids] = Array.from({ length: 5 }, () => h("span", {}));
  [version.className, ids.className] = ["version", "ids"];
  const node = h(
    "tr",
    {},
    h("th", { scope: "row" }, name, " ", version),
    h("td", { class: "reason" }, reason),
    h("td", { class: "wide" }, many, ids),
  );

  function show(service) {
    write(name, service.service);
    write(version, service.version);
    writeProse(reason, service.reason);
    write(many, several(service.instances.length, "instance"));
    write(
      ids,
      service.instances
        .map((one) => one.id)
        .slice(0, 5)
        .join(" "),
    );
  }

  return { node, show };
}
