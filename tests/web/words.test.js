import assert from "node:assert/strict";
import { test } from "node:test";

import { reasonToKeep, report } from "../../python/portal/web/words.js";

const usual = { phase: "open", game: "connected", again: false, back: false, online: true };

const CASES = [
  [{ phase: "connecting" }, "wait", /^Connecting…$/, ""],
  [{ phase: "connecting", again: true }, "wait", /^Connecting again/, ""],
  [{}, "good", /^Connected\.$/, ""],
  [{ game: "" }, "good", /^Connected\.$/, ""],
  [{ game: "of a later version" }, "good", /^Connected\.$/, ""],
  [{ again: true }, "good", /^Connected again\.$/, ""],
  [{ back: true }, "good", /game is back/, ""],
  [{ game: "starting" }, "wait", /starting.*kept/, ""],
  [{ game: "restarting" }, "wait", /restarting.*kept/, ""],
  [{ game: "lost" }, "wait", /stopped answering.*kept/, ""],
  [{ game: "stopped" }, "bad", /stopped.*kept/, ""],
  [{ game: "given_up" }, "bad", /does not start.*kept/, ""],
  [{ game: "closing" }, "bad", /shutting down.*not kept/, ""],
  [{ phase: "waiting" }, "bad", /^Disconnected: the Portal/, "Reconnect now"],
  [{ phase: "waiting", online: false }, "bad", /^Disconnected: no network/, "Reconnect now"],
  [{ phase: "leaving" }, "wait", /^Leaving/, ""],
  [{ phase: "left" }, "bad", /ended/, "Connect again"],
];

for (const [changes, tone, text, action] of CASES) {
  test(`words for ${JSON.stringify(changes)}`, () => {
    const said = report({ ...usual, ...changes });
    assert.match(said.text, text);
    assert.deepEqual([said.tone, said.action], [tone, action]);
  });
}

test("what would be lost stays in the input", () => {
  for (const phase of ["connecting", "waiting", "leaving", "left"]) {
    assert.match(reasonToKeep(phase, "connected"), /no connection.*stays/);
  }
  assert.match(reasonToKeep("open", "closing"), /shutting down.*stays/);
  for (const game of ["", "connected", "starting", "restarting", "lost", "stopped", "given_up"]) {
    assert.equal(reasonToKeep("open", game), "");
  }
});
