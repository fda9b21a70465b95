import assert from "node:assert/strict";
import { test } from "node:test";

import { History, LONGEST_LINE, MOST_LINES } from "../../python/portal/web/history.js";
import { Remembered } from "../../python/portal/web/storage.js";
import { REFUSALS, Store } from "./stores.js";

const make = (store = new Store()) => new History(new Remembered(() => store, "history"));

test("back and forth, with what was being typed at the end", () => {
  const history = make();
  assert.equal(history.walk(-1, "draft"), null);
  for (const line of ["one", "two", "three"]) history.add(line);
  const seen = [[-1, "draft"], [-1, ""], [-1, ""], [-1, ""], [1, ""], [1, ""], [1, ""], [1, ""]];
  assert.deepEqual(
    seen.map(([step, typed]) => history.walk(step, typed)),
    ["three", "two", "one", null, "two", "three", "draft", null],
  );
});

test("a line that was sent begins a new walk", () => {
  const history = make();
  history.add("one");
  history.add("two");
  history.walk(-1, "");
  history.walk(-1, "");
  history.add("three");
  assert.equal(history.walk(-1, ""), "three");
});

test("what is not remembered: repetitions, empty lines, very long ones", () => {
  const history = make();
  for (const line of ["look", "look", "", "  ", "x".repeat(LONGEST_LINE + 1)]) history.add(line);
  assert.deepEqual(history.lines, ["look"]);
  history.add("north");
  history.add("look");
  assert.deepEqual(history.lines, ["look", "north", "look"]);
});

test("it is bounded, and the oldest go", () => {
  const store = new Store();
  const history = make(store);
  for (let number = 0; number < MOST_LINES + 10; number += 1) history.add(`line ${number}`);
  const again = make(store);
  assert.equal(again.lines.length, MOST_LINES);
  assert.equal(again.lines[0], "line 10");
});

test("two tabs remember together", () => {
  const store = new Store();
  const [one, two] = [make(store), make(store)];
  one.add("from one");
  two.add("from two");
  assert.deepEqual(make(store).lines, ["from one", "from two"]);
});

test("forgotten is forgotten", () => {
  const store = new Store();
  const history = make(store);
  history.add("secret plan");
  history.forget();
  assert.equal(history.walk(-1, ""), null);
  assert.equal(store.values.size, 0);
});

test("without a place to save it lasts as long as the page", () => {
  for (const find of REFUSALS) {
    const history = new History(new Remembered(find, "history"));
    history.add("one");
    history.add("two");
    assert.deepEqual(history.lines, ["one", "two"]);
    history.forget();
  }
});

test("what somebody else wrote there is sorted out", () => {
  for (const [value, lines] of [['{"a":1}', []], ['["a",1,null,"b"]', ["a", "b"]], ["[", []]]) {
    const store = new Store();
    store.setItem("history", value);
    assert.deepEqual(make(store).lines, lines);
  }
});
