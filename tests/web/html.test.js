import assert from "node:assert/strict";
import { test } from "node:test";

import { RGB, decodeEntities, parseLines } from "../../python/portal/web/html.js";

const COLOR = (number) => (number < 0 ? "-" : number < RGB ? number : (number - RGB).toString(16));

/**
 * Lines as short texts: "[1/2]word" for colour 1 on 2, "-" for the usual one; then marks, and the
 * command or address of a click.
 */
const shown = (html) =>
  parseLines(html).map((line) =>
    line
      .map(({ text, color, ground, marks, command, href }) => {
        const colors = color < 0 && ground < 0 ? "" : `${COLOR(color)}/${COLOR(ground)}`;
        const all = [colors, marks, command && `!${command}`, href].filter(Boolean).join(" ");
        return all ? `[${all}]${text}` : text;
      })
      .join("|"),
  );

const onclick = (command) => {
  const script = `Evennia.msg("text",[${command}],{});return false;`.replaceAll('"', "&quot;");
  return `<a id="mxplink" href="#" onclick="${script}">x</a>y`;
};

const CASES = [
  ["", [""]],
  ["plain", ["plain"]],
  ["two\nlines", ["two", "lines"]],
  ["it ends its line\n", ["it ends its line"]],
  ["one more\n\n", ["one more", ""]],
  ["\nfirst empty", ["", "first empty"]],
  ["  spaces \t stay  ", ["  spaces \t stay  "]],
  ["a\r\nb\u0007\u001b[0m", ["a", "b[0m"]],
  ["1 &lt; 2 &amp;&amp; &quot;x&quot; &#x27;y&#39;", ["1 < 2 && \"x\" 'y'"]],
  ['<span class="color-009">red</span> and', ["[9/-]red| and"]],
  ['<span class="color-009 bgcolor-001">both</span>', ["[9/1]both"]],
  ['<span class="bgcolor-255">ground</span>', ["[-/255]ground"]],
  ['<span class="color-001">a\nb</span>c', ["[1/-]a", "[1/-]b|c"]],
  ["<span class='color-001'>a</span><span class=color-001>b</span>", ["[1/-]ab"]],
  ['<span class="color-001">a<span class="bgcolor-002">b</span>c</span>d',
    ["[1/-]a|[1/2]b|[1/-]c|d"]],
  ["</span></span>never opened", ["never opened"]],
  ['<span class="color-256 color-1 color-0001 xcolor-001 evil">a</span>', ["a"]],
  ['<span onclick="color-001" style="x">a</span>', ["a"]],
  ['<span class="underline color-002 italic">a</span>', ["[2/- underline italic]a"]],
  ['<span class="blink">a<span class="strikethrough inverse">b</span></span>',
    ["[blink]a|[blink strikethrough inverse]b"]],
  ['<span class="" style="color: #ff8000;background-color: #0088ff;">a</span>', ["[ff8000/88ff]a"]],
  ['<span style="color:#000000">a</span>', ["[0/-]a"]],
  ['<span style="color: red; background: url(//x) #123456; border-color: #123456">a</span>', ["a"]],
  [onclick('"look"'), ["[!look]x|y"]],
  [onclick('"say \\"a\\\\b\\" &amp;lt;"'), ['[!say "a\\b" &lt;]x|y']],
  [onclick('"a"],{});alert(["'), ["xy"]],
  [onclick('"a" + "b"'), ["xy"]],
  [onclick('"bad \\x"'), ["xy"]],
  ['<a href="https://a.example/?b=1&amp;c=2" target="_blank">x</a>y',
    ["[https://a.example/?b=1&c=2]x|y"]],
  ['<a href="javascript:alert(1)">x</a><a href="/x">y</a><a href="#">z</a>', ["xyz"]],
  ['<a href="https://a.example"><span class="color-001">x</span></a>',
    ["[1/- https://a.example]x"]],
  ["one<br>two<BR/>three", ["one", "two", "three"]],
  ["<b>bold</b> <i>it</i>", ["bold it"]],
  ["<script>alert(1)</script>after", ["after"]],
  ["<SCRIPT src='x'>alert('</b>')</sCript >after", ["after"]],
  ["<style>*{display:none}</style>after", ["after"]],
  ["<script>never closed", [""]],
  ["<img src=x onerror=alert(1)>after", ["after"]],
  ['<img alt="a > b" src=x>after', ["after"]],
  ["<!-- not <b>shown</b> -->after", ["after"]],
  ["<!doctype html><?xml?>after", ["after"]],
  ["a < b, b <3, <- and </ and <", ["a < b, b <3, <- and </ and <"]],
  ["before <b never ends", ["before <b never ends"]],
  ["&lt;script&gt;alert(1)&lt;/script&gt;", ["<script>alert(1)</script>"]],
  ["&lt;<b>b&gt;", ["<b>"]],
];

for (const [html, lines] of CASES) {
  test(`lines of ${JSON.stringify(html)}`, () => assert.deepEqual(shown(html), lines));
}

const ENTITIES = [
  ["&amp;lt;", "&lt;"],
  ["&nbsp;", "\u00a0"],
  ["&LT;&Gt;", "<>"],
  ["&#x1F600;", "\u{1F600}"],
  ["&#0;&#xD800;&#x110000;", "\ufffd\ufffd\ufffd"],
  ["&unknown; & &# &#x; &lt", "&unknown; & &# &#x; &lt"],
];

for (const [text, decoded] of ENTITIES) {
  test(`entities of ${text}`, () => assert.equal(decodeEntities(text), decoded));
}

test("every part of a hostile text gives text and numbers only", () => {
  const html =
    '<span class="color-009">a</span><script>x</script><!-- --><a href="javascript:1">l</a>&#x27;';
  for (let cut = 0; cut <= html.length; cut += 1) {
    for (const line of parseLines(html.slice(0, cut))) {
      for (const run of line) {
        const { color, ground, ...texts } = run;
        assert.deepEqual(Object.keys(texts).sort(), ["command", "href", "marks", "text"]);
        for (const text of Object.values(texts)) assert.equal(typeof text, "string");
        assert.ok(color >= -1 && ground >= -1);
        assert.ok(Number.isInteger(run.color) && Number.isInteger(run.ground));
      }
    }
  }
});

test("the time grows with the length of a text, not with its square", () => {
  const hostile = ["<", "<a ", "<a '", "<!--", "<script>", "</script", "<span>", "&#", "& ", "<br>"];
  for (const part of hostile) {
    const html = part.repeat(200_000);
    const start = performance.now();
    parseLines(html);
    // With the square it would be hours.
    assert.ok(performance.now() - start < 5000, part);
  }
});
