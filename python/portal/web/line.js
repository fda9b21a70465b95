// One line of the game's text as elements of the page.

import { splitLinks } from "./links.js";
import { className } from "./palette.js";

/** @typedef {import("./html.js").Run} Run */

/**
 * What kind of line: the game's, what the player typed, what this page or the Portal says.
 * @typedef {"text" | "echo" | "notice" | "error"} Kind
 */

/**
 * Make the element of a line. Its text can be copied as it is: an empty line is one, too.
 *
 * A screen reader is not to read out what the player has just typed, nor what the state of the
 * connection says anyway: such lines are quiet.
 * @param {Run[]} runs
 * @param {Kind} kind
 * @param {boolean} [quiet]
 * @returns {HTMLElement}
 */
export function makeLine(runs, kind, quiet = false) {
  const line = document.createElement("div");
  line.className = `line ${kind}`;
  if (quiet) line.setAttribute("aria-live", "off");
  appendRuns(line, runs);
  if (!runs.length) line.append(document.createElement("br"));
  return line;
}

/**
 * Append runs to an element; nothing but text, `span` and `a` comes into being.
 * @param {HTMLElement} parent
 * @param {Run[]} runs
 */
export function appendRuns(parent, runs) {
  for (const run of runs) {
    const plain = run.color < 0 && run.ground < 0;
    const place = plain ? parent : parent.appendChild(makeSpan(run));
    for (const { text, href } of splitLinks(run.text)) {
      place.append(href ? makeLink(text, href) : text);
    }
  }
}

/** @param {Run} run */
function makeSpan({ color, ground }) {
  const span = document.createElement("span");
  if (color >= 0) span.classList.add(className(color));
  if (ground >= 0) span.classList.add(`bg${className(ground)}`, "filled");
  return span;
}

/**
 * @param {string} text
 * @param {string} href
 */
function makeLink(text, href) {
  const link = document.createElement("a");
  link.href = href;
  link.target = "_blank";
  // The game's page is not handed to strangers, nor is their rank raised by players.
  link.rel = "noopener noreferrer nofollow";
  link.textContent = text;
  return link;
}
