// Where the player types: lines with a history, and passwords that nothing remembers.

/** @typedef {import("./history.js").History} History */

/**
 * @typedef {object} Receiver
 * @property {(line: string, secret: boolean) => string} send why it was not sent; empty if it was
 * @property {(key: string, ctrl: boolean) => boolean} scroll whether the key scrolls the text
 * @property {() => void} edited what was said of an earlier line is out of date
 * @property {(reason: string) => void} kept why what was typed stays
 */

/** So many lines at once the Portal takes from a player (`command_burst`), with room for more. */
export const LINES_AT_ONCE = 100;
const MOST_ROWS = 6;

/** The two fields: one for lines, one for passwords, of which one is shown. */
export class Input {
  /**
   * @param {object} elements
   * @param {HTMLFormElement} elements.form
   * @param {HTMLTextAreaElement} elements.line
   * @param {HTMLInputElement} elements.password
   * @param {History} history
   * @param {Receiver} receiver
   */
  constructor({ form, line, password }, history, receiver) {
    this.line = line;
    this.password = password;
    this.history = history;
    this.receiver = receiver;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    form.addEventListener("keydown", (event) => {
      if (event.target === this.field) this.#pressed(event);
    });
    form.addEventListener("input", () => this.#edited());
    // A finger on the button leaves the focus, and with it a phone's keyboard, where it is.
    form.addEventListener("mousedown", (event) => {
      if (event.target instanceof HTMLButtonElement) event.preventDefault();
    });
    // Some keyboards of phones tell of Enter only by what it would do to the text.
    line.addEventListener("beforeinput", (event) => {
      if (event.inputType !== "insertLineBreak" || this.breaking) return;
      event.preventDefault();
      this.submit();
    });
    /** Whether a line break is wanted (Shift and Enter), not the end of the line. */
    this.breaking = false;
  }

  /** Whether what is typed is a password. */
  get secret() {
    return !this.password.hidden;
  }

  /** The field that is shown. */
  get field() {
    return this.secret ? this.password : this.line;
  }

  /**
   * Hide what is typed from now on, or show it again.
   *
   * What was typed ahead becomes part of the password. What is left of a password is forgotten.
   * @param {boolean} secret
   */
  setSecret(secret) {
    if (secret === this.secret) return;
    const focused = document.activeElement === this.field;
    if (secret) this.password.value = this.line.value.replaceAll("\n", "");
    this.line.value = "";
    if (!secret) this.password.value = "";
    this.line.hidden = secret;
    this.password.hidden = !secret;
    if (focused) this.field.focus();
    this.#fit();
  }

  /** Send what was typed: each line by itself, until one cannot be sent; the rest stays. */
  submit() {
    const { secret, field } = this;
    const lines = secret ? [field.value] : field.value.split("\n");
    // A pasted block ends with a line end; an empty line alone is a line, too.
    if (lines.length > 1 && !lines[lines.length - 1]) lines.pop();
    let sent = 0;
    let reason = "";
    while (sent < lines.length && sent < LINES_AT_ONCE && !reason) {
      const line = lines[sent] ?? "";
      reason = this.receiver.send(line, secret);
      if (reason) break;
      if (!secret) this.history.add(line);
      sent += 1;
    }
    const rest = lines.slice(sent);
    field.value = rest.join("\n");
    if (rest.length && !reason) reason = tooMany(sent, rest.length);
    this.receiver.kept(reason);
    this.#fit();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    // Enter within a composition chooses a character.
    if (event.isComposing || event.altKey || event.metaKey) return;
    this.breaking = event.key === "Enter" && event.shiftKey;
    if (this.breaking) return;
    if (event.key === "Enter") this.submit();
    else if (event.key === "Escape") this.#write("");
    else if (!this.receiver.scroll(event.key, event.ctrlKey) && !this.#walk(event)) return;
    event.preventDefault();
  }

  /**
   * Up and Down: within what was typed first, then in the history.
   * @param {KeyboardEvent} event
   * @returns {boolean} whether there was a line to show
   */
  #walk({ key, ctrlKey, shiftKey }) {
    if (this.secret || ctrlKey || shiftKey || (key !== "ArrowUp" && key !== "ArrowDown")) {
      return false;
    }
    const { value, selectionStart, selectionEnd } = this.line;
    const up = key === "ArrowUp";
    const beyond = up ? value.slice(0, selectionStart) : value.slice(selectionEnd);
    if (beyond.includes("\n")) return false;
    const line = this.history.walk(up ? -1 : 1, value);
    if (line !== null) this.#write(line);
    return true;
  }

  /** @param {string} text */
  #write(text) {
    this.field.value = text;
    this.field.setSelectionRange(text.length, text.length);
    this.#edited();
  }

  #edited() {
    this.receiver.edited();
    this.#fit();
  }

  /** As many rows as what was typed has, within bounds. */
  #fit() {
    this.line.rows = 1;
    const height = this.line.clientHeight;
    if (!height) return;
    const padding = 2 * parseFloat(getComputedStyle(this.line).paddingTop);
    const row = height - padding;
    const rows = Math.round((this.line.scrollHeight - padding) / row);
    this.line.rows = Math.min(Math.max(rows, 1), MOST_ROWS);
  }
}

/**
 * @param {number} sent
 * @param {number} rest
 */
function tooMany(sent, rest) {
  return `${sent} lines were sent, as many as the Portal takes at once; ${rest} stay here.`;
}
