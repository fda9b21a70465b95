// The way to the Portal: one websocket at a time, and a new one when it is gone.
//
//   connecting -> open -> leaving -> left        the player leaves, or the game lets them go
//        |         |                   |
//        +---------+--> waiting        |         anything else: the next try comes by itself
//        ^                 |           |
//        +-----------------+-----------+         time is up, a network is there, or the player asks
//
// It knows no page and no clock: both are arguments.

import { SUBPROTOCOL, decodeMessage } from "./messages.js";

/** @typedef {"connecting" | "open" | "waiting" | "leaving" | "left"} Phase */
/** @typedef {import("./messages.js").Message} Message */

/**
 * What a connection is made of, and whom it tells.
 * @typedef {object} Surroundings
 * @property {string} address
 * @property {(address: string, subprotocol: string) => WebSocket} open
 * @property {() => number} now in milliseconds, never going back
 * @property {(call: () => void, milliseconds: number) => number} after
 * @property {(timer: number) => void} cancel
 * @property {() => number} random from 0 up to 1
 * @property {(phase: Phase) => void} atPhase
 * @property {(message: Message) => void} atMessage
 */

/** The first try comes 1 to 2 seconds after the end, each further one twice as late ... */
export const FIRST_DELAY = 2000;
/** ... up to 15 to 30 seconds: a player who looks on sees it happen, 10 000 do no harm. */
export const LONGEST_DELAY = 30_000;
/** A connection that lasted as long ends the series: one that is refused at once does not. */
export const STEADY = 10_000;
/** A browser alone would wait minutes for a machine that does not answer. */
export const PATIENCE = 15_000;
/** How long the Portal may take to say goodbye. */
export const GOODBYE = 2000;
/** What a websocket is closed with by somebody who meant it. */
const ON_PURPOSE = 1000;

/**
 * How long to wait before a try, in milliseconds.
 *
 * Between half of a time that doubles and all of it, so that those who lost their connection
 * together do not come back together.
 * @param {number} failures in a row
 * @param {number} random
 * @returns {number}
 */
export function delayOf(failures, random) {
  const whole = Math.min(FIRST_DELAY * 2 ** failures, LONGEST_DELAY);
  return whole * (0.5 + 0.5 * random);
}

/** Keeps the player connected until they leave. */
export class Connection {
  /** @param {Surroundings} surroundings */
  constructor(surroundings) {
    this.surroundings = surroundings;
    /** @type {Phase} */
    this.phase = "left";
    this.failures = 0;
    /** When the next try comes, by the clock of the surroundings; 0 unless waiting. */
    this.retryAt = 0;
    this.openedAt = 0;
    /** Whether the Portal said that it is going: then its end is not the player's. */
    this.portalEnds = false;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.timer = 0;
  }

  /** Connect now, whatever was waited for; nothing happens while there is a connection. */
  connect() {
    if (this.phase !== "waiting" && this.phase !== "left") return;
    this.#setTimer(() => this.#drop(), PATIENCE);
    this.portalEnds = false;
    let socket;
    try {
      socket = this.surroundings.open(this.surroundings.address, SUBPROTOCOL);
    } catch {
      // An address that no browser takes; it may be mended while the page is open.
      this.#wait();
      return;
    }
    this.socket = socket;
    socket.onopen = () => this.#isCurrent(socket) && this.#opened();
    socket.onmessage = ({ data }) => this.#isCurrent(socket) && this.#received(data);
    socket.onclose = ({ code }) => this.#isCurrent(socket) && this.#closed(code);
    this.#enter("connecting");
  }

  /**
   * Send a message; false, and nothing is sent, where there is no connection.
   * @param {string} name
   * @param {unknown[]} args
   * @param {Record<string, unknown>} [kwargs]
   * @returns {boolean}
   */
  send(name, args, kwargs = {}) {
    // The browser knows of an end before it tells: between the two nothing can be sent.
    if (this.phase !== "open" || this.socket?.readyState !== 1) return false;
    this.socket.send(JSON.stringify([name, args, kwargs]));
    return true;
  }

  /** End the session for good: there is no next try until `connect` is called. */
  leave() {
    if (this.send("websocket_close", [])) {
      this.#setTimer(() => this.#drop(), GOODBYE);
      this.#enter("leaving");
    } else if (this.phase === "connecting" || this.phase === "waiting") {
      this.#discard();
      this.#enter("left");
    }
  }

  #opened() {
    this.surroundings.cancel(this.timer);
    this.openedAt = this.surroundings.now();
    this.#enter("open");
  }

  /** @param {unknown} data */
  #received(data) {
    const message = decodeMessage(data);
    if (!message) return;
    if (message.name === "portal_status" && message.args[0] === "closing") this.portalEnds = true;
    this.surroundings.atMessage(message);
  }

  /** @param {number} code */
  #closed(code) {
    const left = this.phase === "leaving" || (code === ON_PURPOSE && !this.portalEnds);
    const steady = this.phase === "open" && this.surroundings.now() - this.openedAt >= STEADY;
    if (steady) this.failures = 0;
    this.#discard();
    if (left) this.#enter("left");
    else this.#wait();
  }

  #wait() {
    const delay = delayOf(this.failures, this.surroundings.random());
    this.failures += 1;
    this.retryAt = this.surroundings.now() + delay;
    this.#setTimer(() => this.connect(), delay);
    this.#enter("waiting");
  }

  /** Take a socket for closed that does not say so itself. */
  #drop() {
    this.socket?.close();
    this.#closed(1006);
  }

  /** No word of the socket counts any more. */
  #discard() {
    this.surroundings.cancel(this.timer);
    this.socket?.close();
    this.socket = null;
  }

  /** @param {WebSocket} socket */
  #isCurrent(socket) {
    return this.socket === socket;
  }

  /**
   * @param {() => void} call
   * @param {number} milliseconds
   */
  #setTimer(call, milliseconds) {
    this.surroundings.cancel(this.timer);
    this.timer = this.surroundings.after(call, milliseconds);
  }

  /** @param {Phase} phase */
  #enter(phase) {
    this.phase = phase;
    if (phase !== "waiting") this.retryAt = 0;
    this.surroundings.atPhase(phase);
  }
}
