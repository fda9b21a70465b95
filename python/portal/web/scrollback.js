// The game's text: thousands of lines that stay fast, and an end that is followed.
//
// Lines wait in a queue until the next frame, and a frame takes only as many as it has time for.
// They stand in chunks. A chunk that is full, and was laid out once, is settled: the browser knows
// how tall it is, and does no more for it while it is out of sight (`content-visibility` in the
// style sheet). The oldest chunk goes when there are too many lines.

import { parseLines } from "./html.js";
import { makeLine } from "./line.js";

/** @typedef {import("./line.js").Kind} Kind */
/** @typedef {{html: string, kind: Kind, quiet: boolean}} Entry */

/** An evening's reading, and as many elements as a phone of ten years ago still searches fast. */
export const MOST_LINES = 5000;
/** Lines may be long: so much text a page keeps at most, in characters. */
export const MOST_CHARACTERS = 4_000_000;
/** Few enough to lay out within a frame, many enough that there are few chunks. */
const CHUNK_LINES = 200;
/** A chunk of long lines is full with so many characters. */
const CHUNK_CHARACTERS = 100_000;
/** Of the 16 ms of a frame, the part for new lines; layout and painting take the rest. */
const FRAME_MILLISECONDS = 6;
/** The end counts as seen up to so many CSS pixels from it: sizes are fractions. */
const NEAR = 4;

/** The lines, in the element that scrolls. */
export class Scrollback {
  /**
   * @param {HTMLElement} log
   * @param {(unseen: number) => void} atUnseen how many lines came since the player scrolled up
   */
  constructor(log, atUnseen) {
    this.log = log;
    this.atUnseen = atUnseen;
    this.following = true;
    this.unseen = 0;
    this.lines = 0;
    this.characters = 0;
    /** @type {Entry[]} */
    this.queue = [];
    this.queued = 0; // characters
    this.scheduled = false;
    /** Where the page itself put the end: a scroll to there is not the player's. */
    this.placed = 0;
    log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.resized()).observe(log);
  }

  /**
   * Add a text, one line or many; it is shown with the next frames, in order.
   * @param {string} html as the Portal writes it
   * @param {Kind} kind
   * @param {boolean} [quiet] whether a screen reader leaves it out
   */
  add(html, kind, quiet = false) {
    this.queue.push({ html, kind, quiet });
    this.queued += html.length;
    if (this.queue.length > 2 * MOST_LINES || this.queued > 2 * MOST_CHARACTERS) this.#skip();
    if (!this.scheduled) this.#schedule();
  }

  /** Show the end, and follow it from here on. */
  toEnd() {
    this.#follow(true);
    this.#keepEnd();
  }

  /** Keep the end in sight, when the element or its letters have another size. */
  resized() {
    this.#keepEnd();
    // Chunks that come into sight by it are laid out then; what they need is known a frame later.
    if (!this.scheduled) this.#schedule();
  }

  /** Show the oldest line. */
  toStart() {
    this.log.scrollTop = 0;
  }

  /**
   * Scroll by a page, less a line or two that connect them.
   * @param {-1 | 1} direction
   */
  page(direction) {
    this.log.scrollBy({ top: direction * this.log.clientHeight * 0.9 });
  }

  /** Take all lines away. */
  clear() {
    this.queue = [];
    this.queued = this.lines = this.characters = 0;
    this.log.replaceChildren();
    this.toEnd();
  }

  /** What would be pushed out again before anybody saw it is not shown at all. */
  #skip() {
    let kept = 0;
    let from = this.queue.length;
    while (from > this.queue.length - MOST_LINES && kept < MOST_CHARACTERS) {
      from -= 1;
      kept += this.queue[from]?.html.length ?? 0;
    }
    this.queue.splice(0, from);
    this.queued = kept;
  }

  #schedule() {
    // There are no frames while nobody looks: the lines wait, and are there within a few frames.
    this.scheduled = true;
    requestAnimationFrame(() => this.#show());
  }

  #show() {
    if (!this.queue.length) {
      this.scheduled = false;
      this.#settle();
      this.#keepEnd();
      return;
    }
    this.#settle();
    const end = performance.now() + FRAME_MILLISECONDS;
    let shown = 0;
    let added = 0;
    do {
      const entry = this.queue[shown];
      if (!entry) break;
      this.queued -= entry.html.length;
      added += this.#append(entry);
      shown += 1;
    } while (performance.now() < end);
    this.queue.splice(0, shown);
    this.#trim();
    this.#keepEnd();
    if (!this.following) this.#count(this.unseen + added);
    this.#schedule();
  }

  /**
   * @param {Entry} entry
   * @returns {number} lines
   */
  #append({ html, kind, quiet }) {
    const lines = parseLines(html).slice(-MOST_LINES);
    let chunk = this.#openChunk();
    for (const runs of lines) {
      const size = runs.reduce((sum, run) => sum + run.text.length, 0);
      if (isFull(chunk)) chunk = this.#openChunk();
      chunk.append(makeLine(runs, kind, quiet));
      chunk.dataset.size = String(Number(chunk.dataset.size) + size);
      this.characters += size;
    }
    this.lines += lines.length;
    return lines.length;
  }

  /** @returns {HTMLElement} the newest chunk, with room for a line */
  #openChunk() {
    const last = this.log.lastElementChild;
    if (last instanceof HTMLElement && !isFull(last)) return last;
    const chunk = document.createElement("div");
    chunk.className = "chunk";
    chunk.dataset.size = "0";
    this.log.append(chunk);
    return chunk;
  }

  /** A frame has passed: full chunks have been laid out. */
  #settle() {
    for (const chunk of this.log.querySelectorAll(":scope > .chunk:not(.settled)")) {
      if (chunk instanceof HTMLElement && isFull(chunk)) chunk.classList.add("settled");
    }
  }

  #trim() {
    while (this.lines > MOST_LINES || this.characters > MOST_CHARACTERS) {
      const oldest = this.log.firstElementChild;
      if (!(oldest instanceof HTMLElement) || !oldest.nextElementSibling) return;
      this.lines -= oldest.childElementCount;
      this.characters -= Number(oldest.dataset.size);
      this.#remove(oldest);
    }
  }

  /**
   * Take a chunk away; what the player looks at stays where it is.
   * @param {HTMLElement} chunk
   */
  #remove(chunk) {
    // Most browsers see to it themselves (scroll anchoring), once the frame is laid out.
    const byHand = !this.following && !CSS.supports("overflow-anchor", "auto");
    const height = byHand ? chunk.getBoundingClientRect().height : 0;
    chunk.remove();
    if (height) this.log.scrollTop -= height;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.log;
    if (Math.abs(scrollTop - this.placed) <= 1) return;
    this.placed = -1;
    this.#follow(scrollHeight - scrollTop - clientHeight <= NEAR);
  }

  #keepEnd() {
    if (!this.following) return;
    this.log.scrollTop = this.log.scrollHeight;
    this.placed = this.log.scrollTop;
  }

  /** @param {boolean} following */
  #follow(following) {
    this.following = following;
    if (following) this.#count(0);
  }

  /** @param {number} unseen */
  #count(unseen) {
    if (unseen === this.unseen) return;
    this.unseen = unseen;
    this.atUnseen(unseen);
  }
}

/** @param {HTMLElement} chunk */
function isFull(chunk) {
  return chunk.childElementCount >= CHUNK_LINES || Number(chunk.dataset.size) >= CHUNK_CHARACTERS;
}
