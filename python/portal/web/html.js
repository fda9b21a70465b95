// The text of the Portal, taken apart by hand: no HTML of anybody's is ever given to the browser.
//
// The Portal escapes what players and games write, and puts colours into
// `<span class="underline bgcolor-001 color-009">`. A game may send HTML of its own. What comes out
// here is text, numbers of colours, known words and addresses in either case, whatever comes in:
// the page makes its elements from that. A mistake in this file can show wrong text; it cannot run
// anything. Every function takes time in proportion to the length of the text.

import { isSafe } from "./links.js";

/**
 * How text looks and what a click on it does. A colour is a number of the xterm palette, RGB and
 * more for any other, or -1 for the usual one. `marks` are MARKS, with spaces between. `command`
 * is what a click sends, `href` where it leads; "" is nothing.
 * @typedef {{color: number, ground: number, marks: string, command: string, href: string}} Style
 */

/** A piece of text in one style. @typedef {Style & {text: string}} Run */

/** The first number that is no colour of the palette: from here on it is red, green and blue. */
export const RGB = 256;
/** The classes of text that have nothing to do with colours. */
const MARKS = ["underline", "blink", "italic", "strikethrough", "inverse"];

// Elements whose content is no text for a reader.
const DROPPED = new Set(
  "script style template iframe noscript object svg math title textarea select".split(" "),
);
/** @type {Record<string, string>} */
const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'", nbsp: "\u00a0" };
const ENTITY = /&(?:(lt|gt|amp|quot|apos|nbsp)|#x([0-9a-f]{1,6})|#([0-9]{1,7}));/gi;
const ATTRIBUTES = {
  class: /(?:^|\s)class\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))/i,
  style: /(?:^|\s)style\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))/i,
  href: /(?:^|\s)href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))/i,
  onclick: /(?:^|\s)onclick\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))/i,
};
const COLOR = /^(bg)?color-([0-2][0-9]{2})$/;
const EXACT = /(?:^|;)\s*(background-)?color\s*:\s*#([0-9a-f]{6})\s*(?=;|$)/gi;
// How the Portal writes a command to click, for Evennia's client to run; here it is only read.
const COMMAND = /^Evennia\.msg\("text",(\["(?:[^"\\]|\\.)*"\]),\{\}\);return false;$/;
// Control characters show nothing sensible; tabs and line ends are text.
// eslint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g;
/** @type {Style} */
const USUAL = { color: -1, ground: -1, marks: "", command: "", href: "" };

/**
 * Turn what `text` and `prompt` carry into lines of runs.
 *
 * There is at least one line, and one more for each line end but the last character: a text ends
 * its line itself. A line without text has no runs. `<br>` is a line end; all other elements but
 * `span` leave only their text, some (a script) not even that.
 * @param {string} html
 * @returns {Run[][]}
 */
export function parseLines(html) {
  const page = new Page();
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf("<", at);
    if (open < 0) break;
    page.addText(html.slice(at, open));
    const end = endOfTag(html, open);
    if (end < 0) {
      // Nothing that begins here or later is looked at again: a text of `<<<<` costs one pass.
      at = open;
      break;
    }
    at = end === open ? open + 1 : end;
    if (end === open) page.addText("<");
    else at = takeTag(page, html, open, end);
  }
  page.addText(html.slice(at));
  return page.finish();
}

/**
 * Replace the entities of a text by what they stand for; unknown ones stay as they are.
 * @param {string} text
 * @returns {string}
 */
export function decodeEntities(text) {
  if (!text.includes("&")) return text;
  return text.replace(ENTITY, (_whole, name, hexadecimal, decimal) => {
    if (name) return ENTITIES[name.toLowerCase()] ?? "";
    const code = hexadecimal ? parseInt(hexadecimal, 16) : parseInt(decimal, 10);
    const valid = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return valid ? String.fromCodePoint(code) : "\ufffd";
  });
}

/** The lines in the making, and the spans that are open. */
class Page {
  /** @type {Run[][]} */
  lines = [[]];
  /** @type {Style[]} */
  spans = [];
  style = USUAL;

  /** @param {string} source text with entities */
  addText(source) {
    if (!source) return;
    const parts = decodeEntities(source).replace(CONTROL, "").split("\n");
    parts.forEach((text, index) => {
      if (index) this.lines.push([]);
      if (text) this.addRun(text);
    });
  }

  /** @param {string} text */
  addRun(text) {
    const line = this.lines[this.lines.length - 1] ?? [];
    const last = line[line.length - 1];
    if (last && isSame(last, this.style)) last.text += text;
    else line.push({ ...this.style, text });
  }

  /** @param {Style} style */
  open(style) {
    this.spans.push(this.style);
    this.style = style;
  }

  close() {
    this.style = this.spans.pop() ?? USUAL;
  }

  /** @returns {Run[][]} */
  finish() {
    if (this.lines.length > 1 && !this.lines[this.lines.length - 1]?.length) this.lines.pop();
    return this.lines;
  }
}

/**
 * @param {Style} one
 * @param {Style} other
 * @returns {boolean}
 */
function isSame(one, other) {
  const { color, ground, marks, command, href } = one;
  return (
    color === other.color &&
    ground === other.ground &&
    marks === other.marks &&
    command === other.command &&
    href === other.href
  );
}

/**
 * Carry out the tag between two places; the answer is where the text goes on.
 * @param {Page} page
 * @param {string} html
 * @param {number} open
 * @param {number} end
 * @returns {number}
 */
function takeTag(page, html, open, end) {
  const closing = html[open + 1] === "/";
  const name = /^[a-z0-9]*/i.exec(html.slice(open + (closing ? 2 : 1), end))?.[0].toLowerCase();
  if ((name === "span" || name === "a") && closing) page.close();
  else if (name === "span") page.open(readStyle(page.style, html.slice(open + 5, end - 1)));
  else if (name === "a") page.open(readLink(page.style, html.slice(open + 2, end - 1)));
  else if (name === "br") page.addText("\n");
  else if (name && !closing && DROPPED.has(name)) return endOfElement(html, end, name);
  return end;
}

/**
 * The place behind the tag or comment that begins at `open`: `open` itself where none begins
 * there, -1 where it never ends.
 * @param {string} html
 * @param {number} open
 * @returns {number}
 */
function endOfTag(html, open) {
  const start = html.slice(open + 1, open + 4);
  if (start === "!--") return behind(html, "-->", open + 4);
  if (/^[!?]/.test(start)) return behind(html, ">", open + 2);
  return /^\/?[a-z]/i.test(start) ? endOfAttributes(html, open + 2) : open;
}

/**
 * The place behind the `>` that no quotes are around; -1 where there is none.
 * @param {string} html
 * @param {number} from
 * @returns {number}
 */
function endOfAttributes(html, from) {
  let quote = "";
  for (let at = from; at < html.length; at += 1) {
    const character = html[at] ?? "";
    if (quote) {
      if (character === quote) quote = "";
    } else if (character === '"' || character === "'") quote = character;
    else if (character === ">") return at + 1;
  }
  return -1;
}

/**
 * The place behind an element whose content is left out; the end of all text if it never ends.
 * @param {string} html
 * @param {number} from
 * @param {string} name
 * @returns {number}
 */
function endOfElement(html, from, name) {
  const tag = new RegExp(`</${name}\\b`, "gi");
  tag.lastIndex = from;
  const end = tag.exec(html) ? behind(html, ">", tag.lastIndex) : -1;
  return end < 0 ? html.length : end;
}

/**
 * @param {string} html
 * @param {string} mark
 * @param {number} from
 * @returns {number}
 */
function behind(html, mark, from) {
  const at = html.indexOf(mark, from);
  return at < 0 ? -1 : at + mark.length;
}

/**
 * The style within a span: what its classes do not say stays as it is around it.
 * @param {Style} around
 * @param {string} attributes
 * @returns {Style}
 */
function readStyle(around, attributes) {
  const style = { ...around };
  const words = readAttribute(attributes, "class").split(/\s+/);
  for (const word of words) {
    const color = COLOR.exec(word);
    const number = Number(color?.[2] ?? RGB);
    if (number >= RGB) continue;
    if (color?.[1]) style.ground = number;
    else style.color = number;
  }
  words.push(...around.marks.split(" "));
  style.marks = MARKS.filter((mark) => words.includes(mark)).join(" ");
  for (const [, ground, digits = ""] of readAttribute(attributes, "style").matchAll(EXACT)) {
    const number = RGB + parseInt(digits, 16);
    if (ground) style.ground = number;
    else style.color = number;
  }
  return style;
}

/**
 * The style within a link: what a click does, if that is known and harmless.
 * @param {Style} around
 * @param {string} attributes
 * @returns {Style}
 */
function readLink(around, attributes) {
  const found = COMMAND.exec(decodeEntities(readAttribute(attributes, "onclick")));
  if (found) return { ...around, command: readCommand(found[1] ?? ""), href: "" };
  const href = decodeEntities(readAttribute(attributes, "href"));
  return { ...around, command: "", href: isSafe(href) ? href : "" };
}

/**
 * @param {string} list a list of one text in JSON
 * @returns {string}
 */
function readCommand(list) {
  try {
    return String(JSON.parse(list)[0]);
  } catch {
    return "";
  }
}

/**
 * @param {string} attributes
 * @param {keyof typeof ATTRIBUTES} name
 * @returns {string} with its entities; "" where there is none
 */
function readAttribute(attributes, name) {
  const found = ATTRIBUTES[name].exec(attributes);
  return found?.[1] ?? found?.[2] ?? found?.[3] ?? "";
}
