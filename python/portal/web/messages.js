// The form of a message on the websocket: `["name", [args], {kwargs}]`, as JSON, both ways.

/** The subprotocol that says so. */
export const SUBPROTOCOL = "v1.evennia.com";

/** What the Portal takes as one line (`limits.line_bytes`), in bytes of UTF-8. */
export const LONGEST_LINE = 8192;

/**
 * @typedef {object} Message
 * @property {string} name
 * @property {unknown[]} args
 * @property {Record<string, any>} kwargs
 */

/**
 * Whether a line is longer than the Portal takes: it would throw it away.
 * @param {string} line
 * @returns {boolean}
 */
export function isTooLong(line) {
  // A UTF-16 unit is 1 to 3 bytes of UTF-8: most lines need no second look.
  return line.length * 3 > LONGEST_LINE && new TextEncoder().encode(line).length > LONGEST_LINE;
}

/**
 * Read a message; null where the data has another form. Arguments that are left out are empty.
 * @param {unknown} data
 * @returns {Message | null}
 */
export function decodeMessage(data) {
  if (typeof data !== "string") return null;
  let value;
  try {
    value = JSON.parse(data);
  } catch {
    return null;
  }
  if (!Array.isArray(value) || typeof value[0] !== "string") return null;
  const [name, args = [], kwargs = {}] = value;
  if (!Array.isArray(args) || typeof kwargs !== "object" || kwargs === null) return null;
  return { name, args, kwargs };
}

/**
 * Where the websocket is: an address (of any of the schemes http, https, ws, wss; relative ones
 * are resolved against the page), asking for the state of the game.
 * @param {string} address
 * @param {string} page
 * @returns {string}
 */
export function websocketAddress(address, page) {
  const url = new URL(address || "websocket", page);
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  url.searchParams.set("status", "1");
  url.hash = "";
  return url.href;
}
