// Sparklines: how a number went within the last minute. For the eye alone; the number itself stands beside.

import { s } from "./dom.js";

/** Values that are remembered of each number. */
export const POINTS = 60;

const WIDTH = 84;
const HEIGHT = 20;

/** The recent values of many numbers, by name. */
export class History {
  #values = new Map();

  /** Takes in the values of now; names that are missing are forgotten. */
  add(entries) {
    const next = new Map();
    for (const [name, value] of entries) {
      const values = this.#values.get(name) ?? [];
      if (value != null) values.push(value);
      if (values.length > POINTS) values.shift();
      next.set(name, values);
    }
    this.#values = next;
  }

  of(name) {
    return this.#values.get(name) ?? [];
  }
}

/** A line that is drawn anew with `show(values)`. */
export function spark() {
  const area = s("path", { class: "area" });
  const line = s("path", { class: "line" });
  const base = s("path", { class: "base", d: `M0 ${HEIGHT}H${WIDTH}` });
  const node = s(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
    base,
    area,
    line,
  );
  const show = (values) => {
    const path = points(values)
      .map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`)
      .join("");
    line.setAttribute("d", path);
    area.setAttribute("d", path && `${path}L${WIDTH} ${HEIGHT}L${left(values.length)} ${HEIGHT}Z`);
  };
  return { node, show };
}

/** The newest value is at the right edge, so that a short history does not look like a long one. */
function points(values) {
  if (values.length < 2) return [];
  const top = Math.max(...values, Number.MIN_VALUE);
  const step = WIDTH / (POINTS - 1);
  return values.map((value, at) => [left(values.length) + at * step, HEIGHT - 1.5 - (HEIGHT - 3) * (value / top)]);
}

function left(length) {
  return WIDTH - ((length - 1) * WIDTH) / (POINTS - 1);
}
