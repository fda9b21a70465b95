import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Connection,
  FIRST_DELAY,
  GOODBYE,
  LONGEST_DELAY,
  PATIENCE,
  STEADY,
  delayOf,
} from "../../python/portal/web/connection.js";

/** A websocket that does what the test says. */
class Socket {
  readyState = 0;
  sent = [];
  closed = false;

  send(data) {
    this.sent.push(data);
  }

  close() {
    this.closed = true;
    this.readyState = 3;
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  end(code) {
    this.readyState = 3;
    this.onclose({ code });
  }
}

/** A connection in a world that stands still until it is told otherwise. */
class World {
  time = 1000;
  timers = new Map();
  sockets = [];
  phases = [];
  messages = [];
  refuse = false;
  nextTimer = 1;

  constructor(random = 0) {
    this.connection = new Connection({
      address: "ws://a.example/websocket?status=1",
      open: (address, subprotocol) => this.open(address, subprotocol),
      now: () => this.time,
      after: (call, delay) => {
        this.timers.set(this.nextTimer, { call, at: this.time + delay });
        return this.nextTimer++;
      },
      cancel: (timer) => this.timers.delete(timer),
      random: () => random,
      atPhase: (phase) => this.phases.push(phase),
      atMessage: (message) => this.messages.push(message.name),
    });
  }

  open(address, subprotocol) {
    if (this.refuse) throw new SyntaxError("no such address");
    assert.equal(address, "ws://a.example/websocket?status=1");
    assert.equal(subprotocol, "v1.evennia.com");
    this.sockets.push(new Socket());
    return this.socket;
  }

  get socket() {
    return this.sockets[this.sockets.length - 1];
  }

  pass(milliseconds) {
    this.time += milliseconds;
    for (const [timer, { call, at }] of [...this.timers]) {
      if (at <= this.time && this.timers.delete(timer)) call();
    }
  }
}

function opened(random) {
  const world = new World(random);
  world.connection.connect();
  world.socket.open();
  return world;
}

test("delays double within bounds, from half of the time to all of it", () => {
  const least = [0, 1, 2, 3, 4, 5, 50].map((failures) => delayOf(failures, 0) / 1000);
  const most = [0, 1, 2, 3, 4, 5, 50].map((failures) => delayOf(failures, 1) / 1000);
  assert.deepEqual(least, [1, 2, 4, 8, 15, 15, 15]);
  assert.deepEqual(most, [2, 4, 8, 16, 30, 30, 30]);
  assert.deepEqual([FIRST_DELAY, LONGEST_DELAY], [2000, 30_000]);
});

test("connecting, open, messages both ways", () => {
  const world = new World();
  assert.equal(world.connection.send("text", ["too early"]), false);
  world.connection.connect();
  world.connection.connect();
  assert.equal(world.connection.send("text", ["early"]), false);
  world.socket.open();
  assert.ok(world.connection.send("text", ["look"]));
  world.socket.onmessage({ data: '["text",["hello"],{}]' });
  world.socket.onmessage({ data: "no message" });
  assert.deepEqual(world.phases, ["connecting", "open"]);
  assert.deepEqual(world.socket.sent, ['["text",["look"],{}]']);
  assert.deepEqual(world.messages, ["text"]);
  assert.equal(world.sockets.length, 1);
});

test("a connection that ends is tried again when its time has come", () => {
  const world = opened();
  world.socket.end(1006);
  assert.equal(world.connection.phase, "waiting");
  assert.equal(world.connection.retryAt, world.time + 1000);
  world.pass(999);
  assert.equal(world.sockets.length, 1);
  world.pass(1);
  assert.equal(world.sockets.length, 2);
  assert.equal(world.connection.retryAt, 0);
});

test("tries that fail come later and later, until a connection lasts", () => {
  const world = new World();
  world.connection.connect();
  const delays = [];
  const fail = () => {
    world.socket.end(1006);
    delays.push(world.connection.retryAt - world.time);
    world.pass(delays[delays.length - 1]);
  };
  for (let time = 0; time < 3; time += 1) fail();
  world.socket.open();
  world.pass(STEADY - 1);
  fail();
  world.socket.open();
  world.pass(STEADY);
  fail();
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 1000]);
});

test("who asks need not wait", () => {
  const world = opened();
  world.socket.end(1001);
  world.connection.connect();
  assert.equal(world.connection.phase, "connecting");
  world.pass(60_000 - PATIENCE);
  assert.equal(world.timers.size, 1);
});

test("a machine that does not answer is given up in time", () => {
  const world = new World();
  world.connection.connect();
  const [first] = world.sockets;
  world.pass(PATIENCE);
  assert.ok(first.closed);
  assert.equal(world.connection.phase, "waiting");
  world.connection.connect();
  first.onopen();
  first.onmessage({ data: '["text",[],{}]' });
  first.end(1006);
  assert.equal(world.connection.phase, "connecting");
  assert.deepEqual(world.messages, []);
});

test("an address that no browser takes is no end of the page", () => {
  const world = new World();
  world.refuse = true;
  world.connection.connect();
  assert.equal(world.connection.phase, "waiting");
  world.refuse = false;
  world.pass(1000);
  assert.equal(world.connection.phase, "connecting");
});

test("the player leaves: the Portal is told, and nothing follows", () => {
  for (const code of [1000, 1006]) {
    const world = opened();
    world.connection.leave();
    assert.deepEqual(world.socket.sent, ['["websocket_close",[],{}]']);
    world.socket.end(code);
    world.pass(120_000);
    assert.deepEqual(world.phases, ["connecting", "open", "leaving", "left"]);
    world.connection.connect();
    assert.equal(world.phases.pop(), "connecting");
  }
});

test("the player leaves a Portal that says nothing to it", () => {
  const world = opened();
  world.connection.leave();
  world.pass(GOODBYE);
  assert.ok(world.socket.closed);
  assert.equal(world.connection.phase, "left");
});

test("the player leaves while there is no connection", () => {
  const world = opened();
  world.socket.end(1006);
  world.connection.leave();
  world.pass(120_000);
  assert.equal(world.connection.phase, "left");
  world.connection.leave();
  world.connection.connect();
  world.connection.leave();
  world.socket.end(1006);
  assert.equal(world.connection.phase, "left");
  assert.equal(world.sockets.length, 2);
});

const ENDS = [
  [1000, [], "left"],
  [1000, ["connected"], "left"],
  [1000, ["closing"], "waiting"],
  [1001, [], "waiting"],
  [1006, [], "waiting"],
  [1008, [], "waiting"],
  [1011, [], "waiting"],
];

for (const [code, states, phase] of ENDS) {
  test(`closed with ${code} after ${states}`, () => {
    const world = opened();
    for (const state of states) world.socket.onmessage({ data: `["portal_status",["${state}"],{}]` });
    world.socket.end(code);
    assert.equal(world.connection.phase, phase);
  });
}

test("a browser that knows of the end before it tells takes nothing to be lost", () => {
  const world = opened();
  world.socket.readyState = 2;
  assert.equal(world.connection.send("text", ["look"]), false);
  assert.deepEqual(world.socket.sent, []);
});
