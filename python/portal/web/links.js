// Addresses within a text that may be clicked.

/** @typedef {{text: string, href?: string}} Piece */

const ADDRESS = /(?:https?:\/\/|mailto:)[^\s<>"`]+/gi;
const SCHEMES = new Set(["http:", "https:", "mailto:"]);
// What ends a sentence does not belong to the address before it.
const SENTENCE_ENDS = ".,;:!?'";
const BRACKETS = new Map([[")", "("], ["]", "["], ["}", "{"]]);
// Longer ones are no help to anybody, and browsers begin to refuse them.
export const LONGEST_ADDRESS = 2048;

/**
 * Cut a text into pieces, some of them addresses; put together they are the text again.
 *
 * Only http, https and mailto become addresses, and only where the browser's own parser agrees.
 * @param {string} text
 * @returns {Piece[]}
 */
export function splitLinks(text) {
  // Most text has none, and this is asked for every piece of every line.
  if (!text.includes("://") && !/mailto:/i.test(text)) return [{ text }];
  /** @type {Piece[]} */
  const pieces = [];
  let shown = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = withoutEnd(match[0]);
    if (!isSafe(address)) continue;
    if (match.index > shown) pieces.push({ text: text.slice(shown, match.index) });
    pieces.push({ text: address, href: address });
    shown = match.index + address.length;
  }
  if (shown < text.length) pieces.push({ text: text.slice(shown) });
  return pieces;
}

/**
 * @param {string} address
 * @returns {string}
 */
function withoutEnd(address) {
  let end = address.length;
  while (end > 0) {
    const last = address[end - 1] ?? "";
    const opening = BRACKETS.get(last);
    if (opening ? address.includes(opening) : !SENTENCE_ENDS.includes(last)) break;
    end -= 1;
  }
  return address.slice(0, end);
}

/**
 * Whether a click may lead to an address.
 * @param {string} address
 * @returns {boolean}
 */
export function isSafe(address) {
  if (address.length > LONGEST_ADDRESS) return false;
  try {
    const url = new URL(address);
    return SCHEMES.has(url.protocol) && Boolean(url.hostname || url.pathname.includes("@"));
  } catch {
    return false;
  }
}
