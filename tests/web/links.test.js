import assert from "node:assert/strict";
import { test } from "node:test";

import { LONGEST_ADDRESS, splitLinks } from "../../python/portal/web/links.js";

/** The pieces in one text, addresses in braces. */
const shown = (text) =>
  splitLinks(text)
    .map((piece) => (piece.href ? `{${piece.href}}` : piece.text))
    .join("");

const CASES = [
  ["no link", "no link"],
  ["see https://example.org/a?b=c#d now", "see {https://example.org/a?b=c#d} now"],
  ["http://example.org.", "{http://example.org}."],
  ["(https://example.org/x)", "({https://example.org/x})"],
  ["https://example.org/a_(b)", "{https://example.org/a_(b)}"],
  ["'https://example.org/', https://example.org!?", "'{https://example.org/}', {https://example.org}!?"],
  ["<https://example.org>", "<{https://example.org}>"],
  ['"HTTPS://example.org"', '"{HTTPS://example.org}"'],
  ["mailto:anna@example.org", "{mailto:anna@example.org}"],
  ["mailto:nobody", "mailto:nobody"],
  ["javascript:alert(1)", "javascript:alert(1)"],
  ["javascript://example.org/%0aalert(1)", "javascript://example.org/%0aalert(1)"],
  ["javascript:https://example.org", "javascript:{https://example.org}"],
  ["data:text/html,<script>", "data:text/html,<script>"],
  ["ftp://example.org file:///etc", "ftp://example.org file:///etc"],
  ["https:// http://", "https:// http://"],
  ["https://[bad", "https://[bad"],
  [`https://example.org/${"a".repeat(LONGEST_ADDRESS)}`, `https://example.org/${"a".repeat(LONGEST_ADDRESS)}`],
];

for (const [text, expected] of CASES) {
  test(`links of ${text.slice(0, 60)}`, () => assert.equal(shown(text), expected));
}

test("put together, the pieces are the text", () => {
  for (const [text] of CASES) {
    assert.equal(splitLinks(text).map((piece) => piece.text).join(""), text);
  }
});
