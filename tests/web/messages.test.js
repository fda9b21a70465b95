import assert from "node:assert/strict";
import { test } from "node:test";

import {
  LONGEST_LINE,
  decodeMessage,
  isTooLong,
  websocketAddress,
} from "../../python/portal/web/messages.js";

for (const letter of ["a", "ä", "€", "\u{1F600}", '"']) {
  test(`the longest line, of ${letter}`, () => {
    const most = Math.floor(LONGEST_LINE / Buffer.byteLength(letter));
    assert.equal(isTooLong(letter.repeat(most)), false);
    assert.equal(isTooLong(letter.repeat(most + 1)), true);
  });
}

const READ = [
  ['["text",["hello"],{"a":1}]', { name: "text", args: ["hello"], kwargs: { a: 1 } }],
  ['["text"]', { name: "text", args: [], kwargs: {} }],
  ['["text",[]]', { name: "text", args: [], kwargs: {} }],
  ["[]", null],
  ["{}", null],
  ["null", null],
  ['[1,[],{}]', null],
  ['["text","hello",{}]', null],
  ['["text",[],null]', null],
  ["[", null],
  ["", null],
  [new ArrayBuffer(3), null],
];

for (const [data, message] of READ) {
  test(`read ${data}`, () => assert.deepEqual(decodeMessage(data), message));
}

const ADDRESSES = [
  ["", "http://a.example/", "ws://a.example/websocket?status=1"],
  ["", "https://a.example:8080/mud/index.html#x", "wss://a.example:8080/mud/websocket?status=1"],
  ["", "http://[::1]:4001/mud/", "ws://[::1]:4001/mud/websocket?status=1"],
  ["/ws?a=b", "https://a.example/mud/", "wss://a.example/ws?a=b&status=1"],
  ["wss://b.example/", "http://a.example/", "wss://b.example/?status=1"],
  ["https://b.example/x#y", "http://a.example/", "wss://b.example/x?status=1"],
];

for (const [address, page, expected] of ADDRESSES) {
  test(`the websocket of ${page} ${address}`, () => {
    assert.equal(websocketAddress(address, page), expected);
  });
}
