import assert from "node:assert/strict";
import { test } from "node:test";

import {
  LONGEST_MESSAGE,
  decodeMessage,
  encodeMessage,
  websocketAddress,
} from "../../python/portal/web/messages.js";

test("a message is a name, arguments and options", () => {
  assert.equal(encodeMessage("text", ["look"], {}), '["text",["look"],{}]');
  assert.equal(encodeMessage("x", [], { a: 1 }), '["x",[],{"a":1}]');
});

for (const letter of ["a", "ä", "€", "\u{1F600}", '"']) {
  test(`the longest message, of ${letter}`, () => {
    const size = (text) => Buffer.byteLength(JSON.stringify(["text", [text], {}]));
    const each = size(letter) - size("");
    const most = Math.floor((LONGEST_MESSAGE - size("")) / each);
    const text = encodeMessage("text", [letter.repeat(most)], {});
    assert.ok(Buffer.byteLength(text) <= LONGEST_MESSAGE);
    assert.throws(() => encodeMessage("text", [letter.repeat(most + 1)], {}), RangeError);
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
