// What the player is told of the connection, and of the game behind it.

/** @typedef {import("./connection.js").Phase} Phase */

/**
 * @typedef {object} Report
 * @property {string} text what is shown and read out
 * @property {"good" | "wait" | "bad"} tone
 * @property {string} action what the button says that connects; empty for none
 */

// By the states of the message `portal_status`. Words for `connected` depend on what came before.
/** @type {Record<string, string>} */
const GAME = {
  starting: "The game is starting. What you type is kept.",
  restarting: "The game is restarting. What you type is kept.",
  lost: "The game has stopped answering. What you type is kept until it is back.",
  stopped: "The game has been stopped. What you type is kept until it is started again.",
  given_up: "The game does not start, and does not come back by itself. What you type is kept.",
  closing: "The game is shutting down. What you type is not kept.",
};
const BAD = new Set(["stopped", "given_up", "closing"]);

/**
 * Say how things are.
 * @param {object} situation
 * @param {Phase} situation.phase of the connection
 * @param {string} situation.game the last state that the Portal told; empty before the first
 * @param {boolean} situation.again whether this is not the first connection of this page
 * @param {boolean} situation.back whether the game was away during this connection
 * @param {boolean} situation.online whether the device has a network, as far as it knows
 * @returns {Report}
 */
export function report({ phase, game, again, back, online }) {
  switch (phase) {
    case "connecting":
      return { text: again ? "Connecting again…" : "Connecting…", tone: "wait", action: "" };
    case "waiting":
      return {
        text: online ? "Disconnected: the Portal does not answer." : "Disconnected: no network.",
        tone: "bad",
        action: "Reconnect now",
      };
    case "leaving":
      return { text: "Leaving…", tone: "wait", action: "" };
    case "left":
      return { text: "The session has ended.", tone: "bad", action: "Connect again" };
    case "open":
      return reportGame(game, again, back);
  }
}

/**
 * @param {string} game
 * @param {boolean} again
 * @param {boolean} back
 * @returns {Report}
 */
function reportGame(game, again, back) {
  const words = GAME[game];
  if (words) return { text: words, tone: BAD.has(game) ? "bad" : "wait", action: "" };
  if (back) return { text: "Connected. The game is back.", tone: "good", action: "" };
  return { text: again ? "Connected again." : "Connected.", tone: "good", action: "" };
}

/**
 * Whether what is typed in this situation would be lost, so that it stays in the input.
 * @param {Phase} phase
 * @param {string} game
 * @returns {string} why, for the player; empty if it may be sent
 */
export function reasonToKeep(phase, game) {
  if (phase !== "open") return "Not sent: there is no connection. What you typed stays here.";
  if (game === "closing") return "Not sent: the game is shutting down. What you typed stays here.";
  return "";
}
