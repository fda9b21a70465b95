// The lines that were sent, to be sent again.

/** @typedef {import("./storage.js").Remembered} Remembered */

// A few evenings of play; with the longest lines half a megabyte of the five that a site may keep.
export const MOST_LINES = 500;
// Longer lines were pasted, not typed; they are sent, but not remembered.
export const LONGEST_LINE = 1000;

/** Walks back and forth in the lines that were sent, and keeps what was being typed meanwhile. */
export class History {
  /** @param {Remembered} saved */
  constructor(saved) {
    this.saved = saved;
    this.lines = readLines(saved);
    this.at = this.lines.length;
    this.draft = "";
  }

  /**
   * Remember a line that was sent, unless it is the same as the one before.
   *
   * Passwords must not come here. Another tab may have saved lines meanwhile: they stay.
   * @param {string} line
   */
  add(line) {
    if (line.trim() && line.length <= LONGEST_LINE) {
      const lines = this.saved.read() === undefined ? this.lines : readLines(this.saved);
      if (lines[lines.length - 1] !== line) lines.push(line);
      this.lines = lines.slice(-MOST_LINES);
      this.saved.write(this.lines);
    }
    this.at = this.lines.length;
    this.draft = "";
  }

  /**
   * Go one line back (-1) or forth (1); behind the newest is what was being typed.
   * @param {-1 | 1} step
   * @param {string} typed what stands in the input now
   * @returns {string | null} what shall stand there; null at either end
   */
  walk(step, typed) {
    const next = this.at + step;
    if (next < 0 || next > this.lines.length) return null;
    if (this.at === this.lines.length) this.draft = typed;
    this.at = next;
    return this.lines[next] ?? this.draft;
  }

  /** Forget all, here and in the browser. */
  forget() {
    this.lines = [];
    this.at = 0;
    this.saved.remove();
  }
}

/**
 * @param {Remembered} saved
 * @returns {string[]}
 */
function readLines(saved) {
  const value = saved.read();
  return Array.isArray(value) ? value.filter((line) => typeof line === "string") : [];
}
