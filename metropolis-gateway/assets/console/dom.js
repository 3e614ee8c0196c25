// Elements, made and kept up to date. Texts from outside only ever become text nodes and attributes, never markup.

/** Makes an element: properties by name, listeners by `on…`, then children. */
export function h(name, properties = {}, ...children) {
  return furnish(document.createElement(name), properties, children);
}

/** The same for a part of a drawing. */
export function s(name, properties = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", name), properties, children);
}

function furnish(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

/** Changes a text only if it is another one, so that what is selected stays selected. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets or removes a class, an attribute or `hidden` only if that changes something. */
export function mark(node, name, value) {
  if (name === "hidden") {
    if (node.hidden !== value) node.hidden = value;
  } else if (value == null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

/**
 * Keeps the children of an element in step with a list, after those it has already. Who stays keeps its element, and with
 * it focus and selection.
 * `create` gives `{ node, show }`, where `show(item)` writes what may change.
 */
export function list(parent, create) {
  const fixed = parent.lastChild;
  let known = new Map();
  return (items, keyOf) => {
    const next = new Map();
    for (const item of items) {
      const key = keyOf(item);
      const entry = known.get(key) ?? create(item);
      entry.show(item);
      next.set(key, entry);
    }
    for (const [key, entry] of known) if (!next.has(key)) entry.node.remove();
    let place = fixed ? fixed.nextSibling : parent.firstChild;
    for (const { node } of next.values()) {
      if (node === place) place = place.nextSibling;
      else parent.insertBefore(node, place);
    }
    known = next;
  };
}
