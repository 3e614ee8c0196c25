// The form that sends a task its real HTTP request. The gateway sends it for this page, on the public way, so that it
// works wherever the page is served.

import { h, mark, write } from "./dom.js";
import { pretty } from "./json.js";
import { note, resolved, sample, typeOf } from "./schema.js";
import { bytes, ms } from "./words.js";

/** Names the form's fields apart from those of another one. */
let forms = 0;

/**
 * A form for one task: its routes, its schema, and how to ask the gateway. `base` gives the address the public routes
 * are at.
 */
export function attempt(task, promise, ask, base) {
  const form = new Form(task, promise, ask, base);
  return form.node;
}

class Form {
  #id = `try-${++forms}`;
  #promise;
  #ask;
  #base;
  #route;
  #fields = h("div", { class: "fields" });
  #values = new Map();
  #body;
  #curl = h("code", {});
  #button = h("button", { type: "submit", class: "primary" }, "Send");
  #answer = h("div", { class: "answer", role: "status" });

  constructor(task, promise, ask, base) {
    [this.#promise, this.#ask, this.#base] = [promise, ask, base];
    const routes = h(
      "select",
      { id: `${this.#id}-route`, onchange: () => this.#choose(task.routes[routes.selectedIndex]) },
      task.routes.map((route) => h("option", {}, `${route.method} ${route.path}`)),
    );
    const copy = h("button", { type: "button", onclick: () => this.#copy(copy) }, "Copy as curl");
    this.node = h(
      "form",
      { class: "try", onsubmit: (event) => this.#send(event), oninput: () => this.#describe() },
      h("div", { class: "field" }, h("label", { for: routes.id }, "Route"), routes),
      this.#fields,
      h("div", { class: "actions" }, this.#button, copy),
      h("pre", { class: "curl", tabindex: "0", "aria-label": "The same request with curl" }, this.#curl),
      this.#answer,
    );
    this.#choose(task.routes[0]);
  }

  #choose(route) {
    this.#route = route;
    this.#values.clear();
    this.#body = undefined;
    const schema = this.#promise?.input;
    const properties = (schema && resolved(schema, schema).properties) ?? {};
    const inPath = [...route.path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
    const fields = inPath.map((name) => this.#field(name, properties[name], { place: "path", isRequired: true }));
    if (route.has_body) fields.push(this.#bodyField(schema, inPath));
    else fields.push(...this.#queryFields(schema, properties, inPath));
    this.#fields.replaceChildren(...fields);
    this.#describe();
  }

  /** What a request without a body says beside its path; without a schema whatever somebody types. */
  #queryFields(schema, properties, inPath) {
    const names = Object.keys(properties);
    if (names.length === 0) {
      return [this.#field("query", { description: "As in a URL: a=1&b=2" }, { place: "raw" })];
    }
    const required = resolved(schema, schema).required ?? [];
    const rest = names.filter((name) => !inPath.includes(name));
    return rest.map((name) =>
      this.#field(name, properties[name], { place: "query", isRequired: required.includes(name) }),
    );
  }

  /** A field for one property. What is left empty is left out. */
  #field(name, raw, { place, isRequired = false }) {
    const root = this.#promise?.input ?? {};
    const schema = resolved(raw, root);
    const id = `${this.#id}-${place}-${name}`;
    const hint = [schema.description, note(schema), schema.type === "array" && "One value in each line."]
      .filter(Boolean)
      .join(" ");
    const options = { id, name, required: isRequired, "aria-describedby": hint ? `${id}-hint` : null };
    const input = this.#input(schema, options);
    this.#values.set(name, { place, input });
    const type = raw && place !== "raw" ? h("span", { class: "type" }, typeOf(schema, root)) : null;
    return h(
      "div",
      { class: "field" },
      h("label", { for: id }, name, isRequired && h("span", { class: "required" }, "required"), type),
      input,
      hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
    );
  }

  #input(schema, options) {
    const choices = schema.enum ?? (schema.type === "boolean" ? [true, false] : null);
    if (choices) {
      const option = (choice) => h("option", {}, String(choice));
      return h("select", options, ["", ...choices].map(option));
    }
    if ([schema.type].flat().includes("array")) return h("textarea", { ...options, rows: 2 });
    const isNumber = [schema.type].flat().some((type) => type === "integer" || type === "number");
    return h("input", {
      ...options,
      type: "text",
      inputmode: isNumber ? "decimal" : null,
      placeholder: schema.default ?? null,
      autocomplete: "off",
    });
  }

  #bodyField(schema, inPath) {
    const id = `${this.#id}-body`;
    const takesBytes = this.#promise && schema === null;
    this.#body = h("textarea", { id, rows: 8, spellcheck: "false", class: "code" });
    if (!takesBytes) {
      const value = schema ? sample(schema, schema) : {};
      if (value && typeof value === "object") for (const name of inPath) delete value[name];
      this.#body.value = JSON.stringify(value, null, 2);
    }
    return h("div", { class: "field" }, h("label", { for: id }, takesBytes ? "Body" : "Body, JSON"), this.#body);
  }

  /** The request as it stands in the form. */
  #request() {
    let { path } = this.#route;
    const query = [];
    for (const [name, { place, input }] of this.#values) {
      if (place === "path") path = path.replace(`{${name}}`, () => encodeURIComponent(input.value));
      else if (place === "raw") query.push(...[input.value.trim()].filter(Boolean));
      else if (input.value !== "")
        query.push(
          ...input.value.split("\n").map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
        );
    }
    const request = {
      method: this.#route.method,
      path: query.length > 0 ? `${path}?${query.join("&")}` : path,
    };
    if (this.#body && this.#body.value !== "") {
      request.body = this.#body.value;
      request.media_type =
        this.#promise && this.#promise.input === null ? "application/octet-stream" : "application/json";
    }
    return request;
  }

  #describe() {
    const { method, path, body, media_type } = this.#request();
    const parts = ["curl", "-X", method, quoted(new URL(path, this.#base()).href)];
    if (body) parts.push("-H", quoted(`content-type: ${media_type}`), "--data-binary", quoted(body));
    write(this.#curl, parts.join(" "));
  }

  /** A page that is not from this machine or has no TLS may not write to the clipboard, but select the text. */
  async #copy(button) {
    if (navigator.clipboard) await navigator.clipboard.writeText(this.#curl.textContent);
    else getSelection().selectAllChildren(this.#curl);
    write(button, navigator.clipboard ? "Copied" : "Selected");
    setTimeout(() => write(button, "Copy as curl"), 1500);
  }

  async #send(event) {
    event.preventDefault();
    mark(this.#button, "disabled", true);
    try {
      const response = await this.#ask("try", {
        method: "POST",
        headers: { "content-type": "application/json", "metropolis-console": "1" },
        body: JSON.stringify(this.#request()),
      });
      const told = await response.json();
      if (!response.ok) throw new Error(told.detail);
      this.#answer.replaceChildren(...answered(told));
    } catch (error) {
      this.#answer.replaceChildren(h("p", { class: "problem" }, `It was not sent: ${error.message}.`));
    }
    mark(this.#button, "disabled", null);
  }
}

function answered({ status, took_ms, headers, body, bytes: size, is_cut }) {
  const tone = status < 300 ? "good" : status < 500 ? "warn" : "bad";
  const facts = h(
    "p",
    { class: "facts" },
    h("span", { class: "status", "data-tone": tone }, String(status)),
    ` ${ms(took_ms)} ms, ${bytes(size)}${is_cut ? ", cut" : ""}`,
  );
  const lines = headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  return [
    facts,
    body === null
      ? h("p", {}, "The body is no text.")
      : body !== "" && h("pre", { tabindex: "0", "aria-label": "Body of the answer" }, h("code", {}, pretty(body))),
    h("details", {}, h("summary", {}, "Headers"), h("pre", { tabindex: "0" }, h("code", {}, lines))),
  ].filter(Boolean);
}

/** As a shell takes it. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
