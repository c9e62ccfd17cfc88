import assert from "node:assert/strict";
import { randomText, toText } from "../../tests/support/sample_events.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { columnsOf, cutToColumns, fitToColumns } from "./terminal_columns.ts";
import { terminalArguments, terminalString, terminalText } from "./terminal_text.ts";

Deno.test("terminalString() leaves printable text of any script alone", () => {
  for (const text of ["", "/usr/bin/ls", "Grüße", "日本語", "e\u0301", "😀", "हिन्दी"]) {
    assert.equal(terminalString(text), text);
  }
});

Deno.test("terminalString() escapes what a terminal obeys, reorders or hides", () => {
  const cases: [string, string][] = [
    ["a\nb\rc\td", "a\\nb\\rc\\td"],
    ["\x1b[31mred\x07", "\\x1b[31mred\\x07"],
    ["\x00\x7f", "\\x00\\x7f"],
    ["\u009b31m", "\\u{9b}31m"],
    ["\u202egnp.exe", "\\u{202e}gnp.exe"],
    ["\u2066\u2069\u200e\u200f\u061c", "\\u{2066}\\u{2069}\\u{200e}\\u{200f}\\u{61c}"],
    ["\u2028\u2029\u200b\u200d\ufeff", "\\u{2028}\\u{2029}\\u{200b}\\u{200d}\\u{feff}"],
    ["\u00a0\u3000\u3164", "\\u{a0}\\u{3000}\\u{3164}"],
    ["\ud800x\udc00", "\\u{d800}x\\u{dc00}"],
    ["\u{e0041}\ue000", "\\u{e0041}\\u{e000}"],
    ["\u0301x", "\\u{301}x"],
    ["\\x1b", "\\\\x1b"],
  ];
  for (const [text, shown] of cases) assert.equal(terminalString(text), shown);
});

Deno.test("terminalText() shows invalid bytes one by one and the valid text between", () => {
  const cases: [number[], string][] = [
    [[0x61, 0xff, 0x62], "a\\xffb"],
    [[0xc3, 0xa9, 0xc3], "é\\xc3"],
    [[0xc0, 0x80], "\\xc0\\x80"],
    [[0xed, 0xa0, 0x80], "\\xed\\xa0\\x80"],
    [[0xe0, 0x80, 0xaf], "\\xe0\\x80\\xaf"],
    [[0xf0, 0x9f, 0x98, 0x80, 0xf0, 0x9f, 0x98], "😀\\xf0\\x9f\\x98"],
    [[0xf4, 0x90, 0x80, 0x80], "\\xf4\\x90\\x80\\x80"],
    [[0x1b, 0x80, 0xc2, 0x9b], "\\x1b\\x80\\u{9b}"],
    [[0xef, 0xbb, 0xbf, 0xff], "\\u{feff}\\xff"],
  ];
  for (const [bytes, shown] of cases) {
    assert.equal(terminalText({ text: "ignored", raw: Uint8Array.from(bytes) }), shown);
  }
});

Deno.test("terminalText() never lets an unsafe code point through", () => {
  const random = SeededRandom.fromEnvironment("terminal_text_test");
  const allowed = /^(?:[ !-~]|[\p{L}\p{M}\p{N}\p{P}\p{S}])*$/u;
  for (let round = 0; round < 20_000; round++) {
    const text = randomText(random);
    const shown = terminalText(text);
    assert.match(shown, allowed, JSON.stringify(text));
    assert.doesNotMatch(shown, /\p{DI}/u, JSON.stringify(text));
    // Without escapes nothing may be missing: plain characters come back as they were.
    if (text.raw === undefined && !shown.includes("\\")) assert.equal(shown, text.text);
  }
});

Deno.test("terminalString() gives back every code point alone, as itself or as an escape", () => {
  for (let code = 0; code < 0x11_0000; code += code < 0x3100 ? 1 : 7) {
    const character = String.fromCodePoint(code);
    const shown = terminalString(character);
    if (shown === character) {
      assert.doesNotMatch(character, /[\\\p{C}\p{Zl}\p{Zp}]/u, code.toString(16));
    } else {
      assert.match(shown, /^\\([nrt\\]|x[0-9a-f]{2}|u\{[0-9a-f]+\})$/, code.toString(16));
    }
  }
});

Deno.test("terminalArguments() quotes so that arguments can be told apart", () => {
  const argv = ["cmd", "a b", "", 'say "x"', "it's", "a\nb", "\\"].map(toText);
  assert.equal(terminalArguments(argv), `"a b" "" "say \\"x\\"" "it's" a\\nb \\\\`);
  assert.equal(terminalArguments([toText("cmd")]), "");
  assert.equal(terminalArguments([]), "");
});

Deno.test("cutToColumns() counts wide characters twice and marks not at all", () => {
  assert.equal(columnsOf("日本a"), 5);
  assert.equal(columnsOf("e\u0301"), 1);
  assert.equal(cutToColumns("abcdef", 4), "abc…");
  assert.equal(cutToColumns("abcd", 4), "abcd");
  assert.equal(cutToColumns("日本語", 5), "日本…");
  assert.equal(cutToColumns("日本語", 4), "日…");
  assert.equal(cutToColumns("abc", 0), "");
  assert.equal(fitToColumns("日本語", 4), "日… ");
  assert.equal(fitToColumns("7", 3, true), "  7");
});
