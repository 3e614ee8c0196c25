// Where things stand on the map. Pure: from the data to positions and lines.
//
// Services are cards with their tasks as rows. Who is called by others stands to the right of them; the gateway stands at
// the left. A column that is too high goes on beside itself.

import { rate } from "./words.js";

export const NODE_WIDTH = 214;
export const ROW_HEIGHT = 24;

const HEAD_HEIGHT = 32;
const FOOT_HEIGHT = 6;
const COLUMN_GAP = 84;
const WRAP_GAP = 28;
const CARD_GAP = 20;
const MARGIN = 16;
const COLUMN_HEIGHT_MAX = 900;

/** Rows of one card, and cards together; the table below has them all. */
const ROWS_MAX = 12;
const CARDS_MAX = 60;

const GATEWAY = "gateway";

export function layout(data) {
  const services = grouped(data);
  const shown = services.slice(0, CARDS_MAX);
  const rowOf = rows(shown, entering(data));
  const calls = linked(data.calls, rowOf);
  const columns = arranged(shown, calls);
  const cards = placed(columns, data);
  const byRow = new Map(cards.flatMap((card) => card.rows.map((row) => [row.key, { card, row }])));
  return {
    cards,
    edges: [...entries(shown, byRow, cards[0]), ...between(calls, byRow)],
    width: Math.max(...cards.map((card) => card.x + NODE_WIDTH)) + MARGIN,
    height: Math.max(...cards.map((card) => card.y + card.height)) + MARGIN,
    leftOut: services.length - shown.length,
  };
}

/** Tasks by the service that serves them; whom nobody knows comes last. */
function grouped(data) {
  const services = new Map();
  const put = (name, task) => services.set(name, [...(services.get(name) ?? []), task]);
  for (const task of data.tasks) put(task.services[0] ?? "", task);
  const unknown = new Set(data.calls.filter((call) => !call.is_known).map((call) => call.to));
  for (const subject of unknown)
    put("elsewhere", { subject, name: subject, routes: [], numbers: null, isElsewhere: true });
  return [...services].map(([name, tasks]) => ({ name, tasks }));
}

/** Gives each service its rows, and tells in which row each task is. */
function rows(services, entering) {
  const rowOf = new Map();
  for (const service of services) {
    // The busiest are shown, in the order they are listed in.
    const busiest = [...service.tasks].sort((a, b) => (b.numbers?.rate ?? 0) - (a.numbers?.rate ?? 0));
    const shown = new Set(service.tasks.length > ROWS_MAX ? busiest.slice(0, ROWS_MAX - 1) : service.tasks);
    service.rows = service.tasks
      .filter((task) => shown.has(task))
      .map((task) => ({
        key: task.subject,
        task: task.isElsewhere ? null : task.subject,
        name: task.name,
        full: [task.subject, ...task.routes.map((route) => `${route.method} ${route.path}`)].join("\n"),
        number: task.numbers ? rate(task.numbers.rate) : "",
        tone: task.numbers?.fault_rate > 0 ? "bad" : "",
        hasRoute: task.routes.length > 0,
        entering: entering.get(task) ?? 0,
      }));
    const hidden = service.tasks.filter((task) => !shown.has(task));
    const rest = {
      key: `${service.name}\n…`,
      task: null,
      name: `${hidden.length} more`,
      full: "Tasks that are less busy",
      number: "",
      hasRoute: hidden.some((task) => task.routes.length > 0),
      entering: 0,
    };
    if (hidden.length > 0) service.rows.push(rest);
    for (const task of service.tasks)
      rowOf.set(task.subject, { row: shown.has(task) ? task.subject : rest.key, service });
  }
  return rowOf;
}

/** Calls between rows that are shown. */
function linked(calls, rowOf) {
  return calls.flatMap((call) => {
    const [from, to] = [rowOf.get(call.from), rowOf.get(call.to)];
    return from && to
      ? [{ from: from.row, to: to.row, caller: from.service, called: to.service, rate: call.rate ?? 0 }]
      : [];
  });
}

/** Services in columns: each to the right of those that call it, as far as they do not call in a circle. */
function arranged(services, calls) {
  const callers = new Map(services.map((service) => [service, new Set()]));
  for (const { caller, called } of calls) if (caller !== called) callers.get(called).add(caller);
  const depth = new Map();
  const visit = (service, above) => {
    if (depth.has(service)) return depth.get(service);
    if (above.has(service)) return -1;
    const next = new Set([...above, service]);
    const deepest = Math.max(-1, ...[...callers.get(service)].map((caller) => visit(caller, next)));
    depth.set(service, deepest + 1);
    return deepest + 1;
  };
  for (const service of services) visit(service, new Set());
  const columns = [];
  for (const service of services) (columns[depth.get(service)] ??= []).push(service);
  // Near those that call it, so that lines are short and cross seldom.
  const place = new Map();
  for (const column of columns) {
    const middle = (service) => {
      const above = [...callers.get(service)].map((caller) => place.get(caller)).filter((at) => at != null);
      return above.length > 0 ? above.reduce((sum, at) => sum + at, 0) / above.length : 0.5;
    };
    const middles = new Map(column.map((service) => [service, middle(service)]));
    column.sort((a, b) => middles.get(a) - middles.get(b) || a.name.localeCompare(b.name));
    column.forEach((service, at) => place.set(service, (at + 0.5) / column.length));
  }
  return columns;
}

/** Cards with their places, the gateway's first. */
function placed(columns, data) {
  const cards = [];
  const through = [...entering(data).values()].reduce((sum, often) => sum + often, 0);
  let x = MARGIN + NODE_WIDTH + COLUMN_GAP;
  for (const column of columns) {
    let y = MARGIN;
    for (const service of column) {
      const height = HEAD_HEIGHT + service.rows.length * ROW_HEIGHT + FOOT_HEIGHT;
      if (y > MARGIN && y + height > COLUMN_HEIGHT_MAX) [x, y] = [x + NODE_WIDTH + WRAP_GAP, MARGIN];
      const known = data.services.filter((one) => one.service === service.name);
      const instances = known.reduce((sum, one) => sum + one.instances.length, 0);
      const isQuarantined = known.length > 0 && known.every((one) => one.state === "quarantined");
      cards.push({
        key: `service\n${service.name}`,
        kind: isQuarantined ? "quarantined" : known.length > 0 ? "service" : "absent",
        title: service.name || "no service",
        detail: isQuarantined ? "quarantined" : instances > 0 ? `×${instances}` : "",
        rows: service.rows.map((row, at) => ({ ...row, y: HEAD_HEIGHT + at * ROW_HEIGHT })),
        x,
        y,
        height,
      });
      y += height + CARD_GAP;
    }
    x += NODE_WIDTH + COLUMN_GAP;
  }
  centre(cards);
  const bottom = Math.max(0, ...cards.map((card) => card.y + card.height));
  const height = HEAD_HEIGHT;
  const gateway = {
    key: GATEWAY,
    kind: "gateway",
    title: "Gateway",
    detail: `${rate(through)} /s`,
    rows: [],
    x: MARGIN,
    y: Math.max(MARGIN, (bottom - height) / 2),
    height,
  };
  return [gateway, ...cards];
}

/** Lower columns stand in the middle of the highest. */
function centre(cards) {
  const columns = Map.groupBy(cards, (card) => card.x);
  const ends = [...columns.values()].map((column) => Math.max(...column.map((card) => card.y + card.height)));
  const highest = Math.max(0, ...ends);
  for (const [at, column] of [...columns.values()].entries()) {
    for (const card of column) card.y += (highest - ends[at]) / 2;
  }
}

/** How often each task with a route is called through the gateway: as far as it is not for other tasks that say so. */
function entering(data) {
  const called = new Map();
  for (const { to, rate } of data.calls) called.set(to, (called.get(to) ?? 0) + (rate ?? 0));
  const routed = data.tasks.filter((task) => task.routes.length > 0);
  return new Map(
    routed.map((task) => [task, Math.max(0, (task.numbers?.rate ?? 0) - (called.get(task.subject) ?? 0))]),
  );
}

/** Lines from the gateway to every row with a route. */
function entries(services, byRow, gateway) {
  return services
    .flatMap((service) => service.rows)
    .filter((row) => row.hasRoute)
    .map((row) => {
      const to = left(byRow.get(row.key));
      const from = { x: gateway.x + NODE_WIDTH, y: gateway.y + gateway.height / 2 };
      return {
        key: `${GATEWAY}\n${row.key}`,
        kind: "entry",
        from: GATEWAY,
        to: row.key,
        path: curve(from, to),
        thickness: thickness(row.entering),
      };
    });
}

function between(calls, byRow) {
  return calls.map((call) => {
    const [caller, called] = [byRow.get(call.from), byRow.get(call.to)];
    const isForward = caller.card.x < called.card.x;
    const path = isForward ? curve(right(caller), left(called)) : loop(right(caller), right(called));
    return {
      key: `${call.from}\n${call.to}`,
      kind: "call",
      from: call.from,
      to: call.to,
      path,
      thickness: thickness(call.rate),
    };
  });
}

function left({ card, row }) {
  return { x: card.x, y: card.y + row.y + ROW_HEIGHT / 2 };
}

function right({ card, row }) {
  return { x: card.x + NODE_WIDTH, y: card.y + row.y + ROW_HEIGHT / 2 };
}

function curve(from, to) {
  const bend = Math.max(40, (to.x - from.x) / 2);
  return `M${from.x} ${from.y}C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`;
}

/** Back to the left, or within a column: out at the right and in at the right again. */
function loop(from, to) {
  const out = Math.max(from.x, to.x) + 44;
  return `M${from.x} ${from.y}C${out} ${from.y} ${out} ${to.y} ${to.x} ${to.y}`;
}

/** From 1.2 for what hardly ever happens to 6 for thousands in a second. */
function thickness(often) {
  return Math.min(6, 1.2 + Math.log10(1 + often) * 1.3);
}
