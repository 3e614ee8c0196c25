// Numbers and times as people read them. What is not known is a dash, which is not the same as zero.

export const NONE = "–";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A count, such as `12,345` or `1.2 M`. */
export function count(number) {
  if (number == null) return NONE;
  if (number >= 1e9) return `${(number / 1e9).toFixed(1)} G`;
  if (number >= 1e6) return `${(number / 1e6).toFixed(1)} M`;
  return whole.format(number);
}

/** So many per second, without a unit. */
export function rate(number) {
  if (number == null) return NONE;
  if (number === 0) return "0";
  if (number < 0.01) return "< 0.01";
  if (number < 0.1) return number.toFixed(2);
  if (number < 100) return number.toFixed(1);
  return whole.format(number);
}

/** A number with its unit; a dash has none. */
export function measured(text, unit) {
  return text === NONE ? text : `${text} ${unit}`;
}

/** Milliseconds, without a unit. */
export function ms(number) {
  if (number == null) return NONE;
  if (number === 0) return "0";
  if (number < 1) return number.toFixed(2);
  if (number < 100) return number.toFixed(1);
  return whole.format(number);
}

/** A part of a whole, such as `0.4 %`. */
export function share(part, all) {
  if (part == null || !all) return NONE;
  const percent = (100 * part) / all;
  if (percent === 0) return "0 %";
  return percent < 0.1 ? "< 0.1 %" : `${percent.toFixed(percent < 10 ? 1 : 0)} %`;
}

/** How long something took or has lasted, in its two largest units. */
export function span(seconds) {
  if (seconds == null || Number.isNaN(seconds)) return NONE;
  let rest = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [unit, size] of [
    ["d", 86400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ]) {
    const units = Math.floor(rest / size);
    rest -= units * size;
    if (units > 0 || parts.length > 0) parts.push(`${units} ${unit}`);
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "0 s";
}

/** How long ago a moment was that somebody wrote down. */
export function since(moment) {
  return moment ? span((Date.now() - Date.parse(moment)) / 1000) : NONE;
}

/** Bytes, such as `1.2 KiB`. */
export function bytes(number) {
  if (number < 1024) return `${number} B`;
  if (number < 1024 * 1024) return `${(number / 1024).toFixed(1)} KiB`;
  return `${(number / 1024 / 1024).toFixed(1)} MiB`;
}

/** One or several of something. */
export function several(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** Where a task is shown in full. */
export function address(subject) {
  return `#/tasks/${encodeURIComponent(subject)}`;
}

/** Where routes are answered: here, or at another listener of the same gateway. */
export function publicBase({ gateway }) {
  if (!gateway.public) return document.baseURI;
  // An address that stands for all addresses is none a browser could go to.
  const address = gateway.public.replace(/^(0\.0\.0\.0|\[::\])(?=:\d+$)/, location.hostname);
  return `${location.protocol}//${address}/`;
}
