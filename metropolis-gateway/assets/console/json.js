// JSON as it was written: numbers here are 64 bits wide, JavaScript's are not, and what is shown must be true.

/** Reads a text. An integer that JavaScript would change stays a text of its own, which is written as it was read. */
export function parsed(text) {
  if (!JSON.rawJSON) return JSON.parse(text);
  return JSON.parse(text, (_, value, { source }) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) ? JSON.rawJSON(source) : value,
  );
}

/** A value of such a text, to be put into a sentence. */
export function shown(value) {
  return value?.rawJSON ?? value;
}

/** A text with line breaks and indentation, and nothing else changed; as it is when it is no JSON. */
export function pretty(text) {
  try {
    return JSON.stringify(parsed(text), null, 2);
  } catch {
    return text;
  }
}
