// The page: everything is made and wired here. Read it in the order in which a line travels.
//
//   connection.js -> messages.js -> app.js -> scrollback.js -> html.js, line.js -> the log
//   the input -> input.js -> app.js -> connection.js

import { Connection } from "./connection.js";
import { connectDialog, connectLook, connectSettings, find } from "./dialogs.js";
import { History } from "./history.js";
import { parseLines } from "./html.js";
import { Input } from "./input.js";
import { appendRuns } from "./line.js";
import { isTooLong, websocketAddress } from "./messages.js";
import { Scrollback } from "./scrollback.js";
import { Settings } from "./settings.js";
import { followKeyboard, followSize, measure } from "./size.js";
import { Status } from "./status.js";
import { Remembered } from "./storage.js";
import { reasonToKeep } from "./words.js";

/** @typedef {import("./connection.js").Phase} Phase */
/** @typedef {import("./messages.js").Message} Message */

const TOO_LONG = "Not sent: the line is too long. What you typed stays here.";
const SENDABLE = "Connected: press Enter to send what you typed.";
const NEW_SESSION = "Connected again. A new session has begun.";
const DISCONNECTED = "Disconnected.";
const UNCERTAIN = "Your last line may not have arrived.";
const ENDED = "The session has ended.";

/** The client of one page. */
class Client {
  log = find("log", HTMLElement);
  prompt = find("prompt", HTMLElement);
  hint = find("hint", HTMLElement);
  newer = find("newer", HTMLButtonElement);
  settings = new Settings(new Remembered(() => localStorage, "portal-settings"));
  history = new History(new Remembered(() => localStorage, "portal-history"));
  scrollback = new Scrollback(this.log, (unseen) => this.#showUnseen(unseen));
  status = new Status({
    line: find("status", HTMLElement),
    seconds: find("seconds", HTMLElement),
    action: find("connect", HTMLButtonElement),
  });
  input = new Input(
    {
      form: find("form", HTMLFormElement),
      line: find("line", HTMLTextAreaElement),
      password: find("password", HTMLInputElement),
    },
    this.history,
    {
      send: (line, secret) => this.#send(line, secret),
      scroll: (key, ctrl) => this.#scroll(key, ctrl),
      edited: () => this.#say(""),
      kept: (reason) => this.#say(reason),
    },
  );
  connection = new Connection({
    address: websocketAddress(readMeta("portal-websocket"), document.baseURI),
    open: (address, subprotocol) => new WebSocket(address, subprotocol),
    now: () => performance.now(),
    after: (call, milliseconds) => setTimeout(call, milliseconds),
    cancel: (timer) => clearTimeout(timer),
    random: () => Math.random(),
    atPhase: (phase) => this.#enter(phase),
    atMessage: (message) => this.#take(message),
  });
  title = document.title;
  missed = 0; // lines that came while nobody looked
  wasOpen = false;
  prompted = ""; // the prompt that is shown
  unanswered = false; // whether anything came since the last line went

  /** Begin to live. */
  start() {
    connectLook(this.settings);
    connectSettings(this.settings);
    followKeyboard(window.visualViewport, document.documentElement);
    const sizeAgain = followSize(this.log, () => this.#sendSize());
    this.settings.follow(({ announce }) => {
      for (const region of [this.log, this.prompt]) region.ariaLive = announce ? "polite" : "off";
      this.scrollback.resized();
      sizeAgain();
    });
    this.#connectButtons();
    this.#connectPage();
    // A phone would cover half of the page with its keyboard, unasked.
    if (matchMedia("(hover: hover) and (pointer: fine)").matches) this.input.field.focus();
    this.connection.connect();
  }

  /** @param {Message} message */
  #take({ name, args, kwargs }) {
    this.unanswered = false;
    const text = String(args[0] ?? "");
    if (name === "text") this.#show(text);
    else if (name === "prompt") this.#showPrompt(text);
    else if (name === "error") this.scrollback.add(escape(text), "error");
    else if (name === "portal_status") this.#setGame(text);
    else {
      // Nothing is shown of what this page does not know; who extends it listens for this.
      const detail = { name, args, kwargs };
      document.dispatchEvent(new CustomEvent("portal-message", { detail }));
    }
    const echo = kwargs.options?.echo;
    if (typeof echo === "boolean") this.input.setSecret(!echo);
  }

  /** @param {string} html */
  #show(html) {
    this.scrollback.add(html, "text");
    if (!document.hidden) return;
    this.missed += 1;
    document.title = `(${this.missed}) ${this.title}`;
  }

  /** @param {string} html */
  #showPrompt(html) {
    // The same prompt again is no news for a screen reader.
    if (html === this.prompted) return;
    this.prompted = html;
    this.prompt.replaceChildren();
    parseLines(html).forEach((runs, index) => {
      if (index) this.prompt.append("\n");
      appendRuns(this.prompt, runs);
    });
    this.prompt.hidden = !this.prompt.textContent;
  }

  /** @param {string} state */
  #setGame(state) {
    this.status.setGame(state);
    this.status.show(this.connection);
  }

  /** @param {Phase} phase */
  #enter(phase) {
    if (phase === "open") this.#begin();
    else if (this.wasOpen && (phase === "waiting" || phase === "left")) {
      this.wasOpen = false;
      // The line of the state says the same, aloud.
      this.scrollback.add(phase === "left" ? ENDED : DISCONNECTED, "notice", true);
      if (this.unanswered && phase === "waiting") this.scrollback.add(UNCERTAIN, "notice");
      this.#showPrompt("");
    }
    this.status.show(this.connection);
  }

  #begin() {
    this.wasOpen = true;
    this.unanswered = false;
    // What was hidden was meant for the session that is gone.
    this.input.setSecret(false);
    this.status.begin();
    if (this.status.connections > 1) this.scrollback.add(NEW_SESSION, "notice", true);
    this.#say(this.input.field.value ? SENDABLE : "");
    this.#sendSize();
  }

  #sendSize() {
    const { columns, rows } = measure(this.log);
    this.connection.send("client_options", [], { screenwidth: columns, screenheight: rows });
  }

  /**
   * @param {string} line
   * @param {boolean} secret
   * @returns {string}
   */
  #send(line, secret) {
    const { phase } = this.connection;
    const reason = isTooLong(line) ? TOO_LONG : reasonToKeep(phase, this.status.game);
    if (reason) return reason;
    if (!this.connection.send("text", [line])) return reasonToKeep("waiting", "");
    this.unanswered = true;
    if (this.settings.choices.echo && !secret) this.scrollback.add(escape(line), "echo", true);
    this.scrollback.toEnd();
    return "";
  }

  /** @param {string} reason */
  #say(reason) {
    if (this.hint.textContent !== reason) this.hint.textContent = reason;
  }

  /**
   * @param {string} key
   * @param {boolean} ctrl
   * @returns {boolean}
   */
  #scroll(key, ctrl) {
    if (key === "PageUp") this.scrollback.page(-1);
    else if (key === "PageDown") this.scrollback.page(1);
    else if (key === "Home" && ctrl) this.scrollback.toStart();
    else if (key === "End" && ctrl) this.scrollback.toEnd();
    else return false;
    return true;
  }

  /** @param {number} unseen */
  #showUnseen(unseen) {
    this.newer.hidden = !unseen;
    this.newer.textContent = unseen === 1 ? "1 new line ↓" : `${unseen} new lines ↓`;
  }

  #connectButtons() {
    const openHelp = connectDialog("help");
    connectDialog("settings");
    document.addEventListener("keydown", (event) => this.#pressed(event, openHelp));
    const clicks = /** @type {const} */ ([
      ["connect", () => this.connection.connect()],
      ["leave", () => this.connection.leave()],
      ["forget", () => this.history.forget()],
      ["clear", () => this.scrollback.clear()],
      ["newer", () => this.scrollback.toEnd()],
    ]);
    for (const [id, click] of clicks) {
      find(id, HTMLButtonElement).addEventListener("click", click);
    }
    for (const place of [this.log, this.prompt]) {
      place.addEventListener("click", (event) => this.#clicked(event));
    }
    // The button is gone with the click; the place for the next word is the input.
    this.newer.addEventListener("click", () => this.input.field.focus());
    // Who clicks into the text to mark a part of it means the text.
    this.log.addEventListener("click", (event) => {
      const link = closestLink(event);
      const marked = getSelection()?.type === "Range";
      if (!link && !marked && matchMedia("(pointer: fine)").matches) this.input.field.focus();
    });
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const command = closestLink(event)?.dataset.command;
    if (command === undefined) return;
    event.preventDefault();
    this.#say(this.#send(command, false));
  }

  /**
   * @param {KeyboardEvent} event
   * @param {() => void} openHelp
   */
  #pressed(event, openHelp) {
    if (event.key === "F1") {
      event.preventDefault();
      openHelp();
    }
    // What is typed while the text has the focus is meant for the input.
    const typed = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (typed && event.key !== " " && event.target === this.log) this.input.field.focus();
  }

  #connectPage() {
    const again = () => {
      if (this.connection.phase === "waiting") this.connection.connect();
    };
    addEventListener("online", again);
    addEventListener("offline", () => this.status.show(this.connection));
    addEventListener("pageshow", again);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.missed = 0;
      document.title = this.title;
      again();
    });
  }
}

/**
 * The link that a click hit, if any.
 * @param {MouseEvent} event
 * @returns {HTMLAnchorElement | null}
 */
function closestLink(event) {
  return event.target instanceof Element ? event.target.closest("a") : null;
}

/**
 * @param {string} name
 * @returns {string}
 */
function readMeta(name) {
  return document.querySelector(`meta[name=${name}]`)?.getAttribute("content") ?? "";
}

/**
 * Make HTML of plain text, for the log takes nothing else.
 * @param {string} text
 * @returns {string}
 */
function escape(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

new Client().start();
