// JSON Schema as people read it: a table of properties, and a value to begin with.

import { h } from "./dom.js";
import { table } from "./frames.js";
import { shown } from "./json.js";

/** Levels of nesting that are drawn; what is deeper is in the schema itself. */
const DEPTH_MAX = 5;

/** An element that describes the schema of something, or says what comes in its place. */
export function described(name, schema, whenBytes) {
  if (schema === null) return h("p", {}, whenBytes);
  const rows = [];
  const top = resolved(schema, schema);
  collect(rows, top, schema, 0);
  const heads = [["Property"], ["Type"], ["Description"]];
  const text = h("pre", { tabindex: "0" }, h("code", {}, JSON.stringify(schema, null, 2)));
  return h(
    "div",
    {},
    rows.length > 0
      ? table(`properties of the ${name}`, "schema", heads, h("tbody", {}, rows))
      : h("p", {}, h("span", { class: "type" }, typeOf(top, schema)), ` ${note(top)}`),
    h("details", {}, h("summary", {}, "JSON Schema"), text),
  );
}

function collect(rows, schema, root, depth) {
  const inner = innermost(schema, root);
  for (const [name, raw] of Object.entries(inner.properties ?? {})) {
    const property = resolved(raw, root);
    const isRequired = inner.required?.includes(name);
    const title = h(
      "th",
      { scope: "row", class: `depth-${depth}` },
      name,
      isRequired && h("span", { class: "required" }, "required"),
    );
    const type = h("td", {}, h("span", { class: "type" }, typeOf(property, root)));
    rows.push(
      h(
        "tr",
        {},
        title,
        type,
        h("td", {}, [property.description ?? raw.description, note(property)].filter(Boolean).join(" ")),
      ),
    );
    if (depth < DEPTH_MAX) collect(rows, property, root, depth + 1);
  }
}

/** Follows a reference, once or more, as long as it leads somewhere. */
export function resolved(schema, root, steps = 8) {
  if (schema === true || schema === false || schema == null) return {};
  const name = schema.$ref?.match(/^#\/\$defs\/(.+)$/)?.[1];
  const target = name && root.$defs?.[name.replaceAll("~1", "/").replaceAll("~0", "~")];
  return target && steps > 0 ? { ...resolved(target, root, steps - 1), ...without(schema, "$ref") } : schema;
}

function without(object, key) {
  const { [key]: _, ...rest } = object;
  return rest;
}

/** What is in a list, or in an option: that is where properties are. */
function innermost(schema, root) {
  const option = alternatives(schema, root).find((one) => one.type !== "null");
  if (option && !schema.properties) return innermost(option, root);
  if (schema.items) return innermost(resolved(schema.items, root), root);
  return schema;
}

function alternatives(schema, root) {
  return (schema.anyOf ?? schema.oneOf ?? []).map((one) => resolved(one, root));
}

/** The type in a word or a few. */
export function typeOf(schema, root) {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const several = alternatives(schema, root);
  if (several.length > 0) return [...new Set(several.map((one) => typeOf(one, root)))].join(" | ");
  const types = [schema.type ?? (schema.properties ? "object" : "any")].flat();
  const names = types.map((type) => {
    if (type === "array") return `${schema.items ? typeOf(resolved(schema.items, root), root) : "any"}[]`;
    return schema.format && type !== "null" ? `${type} (${schema.format})` : type;
  });
  return names.join(" | ");
}

/** The limits of a value, as words. */
export function note(schema) {
  const words = [];
  const range = (first, last, of) => {
    const [least, most] = [shown(first), shown(last)];
    if (least != null && most != null) words.push(`${least} to ${most}${of}`);
    else if (least != null) words.push(`at least ${least}${of}`);
    else if (most != null) words.push(`at most ${most}${of}`);
  };
  range(schema.minLength, schema.maxLength, " characters");
  range(schema.minimum, schema.maximum, "");
  range(schema.minItems, schema.maxItems, " items");
  if (schema.pattern) words.push(`matches ${schema.pattern}`);
  if (schema.default !== undefined) words.push(`${JSON.stringify(schema.default)} otherwise`);
  const text = words.join(", ");
  return text && `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/** A value that looks like what is wanted, to begin with. */
export function sample(schema, root, depth = 0) {
  const at = resolved(schema, root);
  if (at.default !== undefined) return at.default;
  if (at.examples?.length > 0) return at.examples[0];
  if (at.const !== undefined) return at.const;
  if (at.enum) return at.enum[0];
  const several = alternatives(at, root);
  if (several.length > 0)
    return several.some((one) => one.type === "null") ? null : sample(several[0], root, depth + 1);
  if (at.allOf) return Object.assign({}, ...at.allOf.map((one) => sample(one, root, depth + 1)));
  const type = [at.type ?? (at.properties ? "object" : "any")].flat()[0];
  if (type === "object") return sampleObject(at, root, depth);
  if (type === "array") return depth > DEPTH_MAX || !at.minItems ? [] : [sample(at.items ?? true, root, depth + 1)];
  if (type === "integer" || type === "number") return at.minimum ?? 0;
  if (type === "boolean") return false;
  if (type === "string") return sampleText(at);
  return null;
}

function sampleObject(schema, root, depth) {
  if (depth > DEPTH_MAX) return {};
  const wanted = Object.entries(schema.properties ?? {}).filter(([name]) => schema.required?.includes(name) ?? false);
  return Object.fromEntries(wanted.map(([name, property]) => [name, sample(property, root, depth + 1)]));
}

function sampleText({ format, minLength }) {
  if (format === "uuid") return "00000000-0000-4000-8000-000000000000";
  if (format === "date-time") return new Date().toISOString();
  if (format === "date") return new Date().toISOString().slice(0, 10);
  return "text".padEnd(Math.min(minLength ?? 0, 100), "t");
}
