// The line that tells how the connection is, with the seconds until the next try.

import { report } from "./words.js";

/** @typedef {import("./connection.js").Connection} Connection */

/** Shows the state of a connection and of the game behind it. */
export class Status {
  /**
   * @param {object} elements
   * @param {HTMLElement} elements.line its text is read out when it changes
   * @param {HTMLElement} elements.seconds beside it: a count that is not read out every second
   * @param {HTMLButtonElement} elements.action
   */
  constructor({ line, seconds, action }) {
    this.line = line;
    this.seconds = seconds;
    this.action = action;
    this.game = "";
    this.connections = 0;
    this.wasAway = false;
    this.back = false;
    this.timer = 0;
  }

  /** A new session begins: what was known of the game is not known any more. */
  begin() {
    this.connections += 1;
    this.game = "";
    this.wasAway = this.back = false;
  }

  /** @param {unknown} state of the game, as the Portal tells it */
  setGame(state) {
    const next = String(state);
    const away = next !== "connected";
    if (away) this.wasAway ||= this.game === "connected";
    this.back = !away && this.wasAway;
    this.game = next;
  }

  /**
   * Show how things are.
   * @param {Connection} connection
   */
  show(connection) {
    const { phase } = connection;
    const again = this.connections > (phase === "open" ? 1 : 0);
    const { game, back } = this;
    const { text, tone, action } = report({ phase, game, again, back, online: navigator.onLine });
    // What has not changed must not be read out again.
    if (this.line.textContent !== text) this.line.textContent = text;
    document.documentElement.dataset.tone = tone;
    this.action.hidden = !action;
    this.action.textContent = action;
    this.#count(connection);
  }

  /** @param {Connection} connection */
  #count(connection) {
    clearTimeout(this.timer);
    const { retryAt } = connection;
    const left = retryAt ? Math.max(0, retryAt - performance.now()) : 0;
    this.seconds.textContent = retryAt ? `Next try in ${Math.ceil(left / 1000)} s` : "";
    if (retryAt) this.timer = setTimeout(() => this.#count(connection), left % 1000 || 1000);
  }
}
