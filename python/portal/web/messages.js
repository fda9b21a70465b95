// The form of a message on the websocket: `["name", [args], {kwargs}]`, as JSON, both ways.

/** The subprotocol that says so. */
export const SUBPROTOCOL = "v1.evennia.com";

/** What the Portal takes as one message, in bytes of UTF-8; it refuses longer ones. */
export const LONGEST_MESSAGE = 8192;

/**
 * @typedef {object} Message
 * @property {string} name
 * @property {unknown[]} args
 * @property {Record<string, any>} kwargs
 */

/**
 * Write a message.
 *
 * Throws RangeError where it is longer than the Portal takes.
 * @param {string} name
 * @param {unknown[]} args
 * @param {Record<string, unknown>} kwargs
 * @returns {string}
 */
export function encodeMessage(name, args, kwargs) {
  const text = JSON.stringify([name, args, kwargs]);
  // A UTF-16 unit is 1 to 3 bytes of UTF-8: most texts need no second look.
  if (text.length * 3 > LONGEST_MESSAGE) {
    const size = new TextEncoder().encode(text).length;
    if (size > LONGEST_MESSAGE) throw new RangeError(`${size} bytes are too many`);
  }
  return text;
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
