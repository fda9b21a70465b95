// One line of the game's text as elements of the page.

import { RGB } from "./html.js";
import { splitLinks } from "./links.js";
import { className, exactColor, lettersOn } from "./palette.js";

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
    const plain = run.color < 0 && run.ground < 0 && !run.marks;
    const place = plain ? parent : parent.appendChild(makeSpan(run));
    if (run.command) place.append(makeCommand(run.text, run.command));
    else if (run.href) place.append(makeLink(run.text, run.href));
    else {
      for (const { text, href } of splitLinks(run.text)) {
        place.append(href ? makeLink(text, href) : text);
      }
    }
  }
}

/** @param {Run} run */
function makeSpan({ color, ground, marks }) {
  const span = document.createElement("span");
  if (marks) span.className = marks;
  if (ground >= 0) span.classList.add("filled");
  if (ground >= RGB) {
    span.style.backgroundColor = exactColor(ground - RGB, true);
    if (color < 0) span.style.color = lettersOn(ground - RGB);
  } else if (ground >= 0) span.classList.add(`bg${className(ground)}`);
  if (color >= RGB) span.style.color = exactColor(color - RGB, ground >= 0);
  else if (color >= 0) span.classList.add(className(color));
  return span;
}

/**
 * Text that sends a command when it is clicked; the page listens for that. What would be sent can
 * be seen before.
 * @param {string} text
 * @param {string} command
 */
function makeCommand(text, command) {
  const link = document.createElement("a");
  link.href = "#";
  link.role = "button";
  link.dataset.command = command;
  link.title = command;
  link.textContent = text;
  return link;
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
