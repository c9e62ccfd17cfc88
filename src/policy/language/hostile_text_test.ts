import assert from "node:assert/strict";
import { documentText, readText } from "../../../tests/support/policy_text.ts";
import { PROBLEMS_MAX } from "./policy_problem.ts";

/** Without bounds some of these would take minutes or all of the memory. */
const SIZE = 200_000;

function repeated(text: string): string {
  return text.repeat(Math.floor(SIZE / text.length));
}

const ALIAS_BOMB = `a: &a [x, x, x, x, x, x, x, x, x, x]\n${
  Array.from("bcdefghij", (letter, i) => {
    const before = "abcdefghi"[i];
    return `${letter}: &${letter} [${Array(10).fill(`*${before}`).join(", ")}]`;
  }).join("\n")
}\n`;

/** What the text is, and what the first problem tells. */
const HOSTILE: Readonly<Record<string, readonly [text: string | Uint8Array, problem: RegExp]>> = {
  "nothing": ["", /^the file has no policy$/],
  "only comments": ["# a\n# b\n", /^the file has no policy$/],
  "no map": ["just words\n", /^the document has "just words" instead of keys$/],
  "a list": ["- a\n", /^the document has a list instead of keys$/],
  "deep flow lists": [repeated("["), /./],
  "deep flow maps": [repeated("{a: "), /./],
  "deep block lists": ["- ".repeat(40_000), /^nested deeper than 32 levels$/],
  "deeper block lists": [
    repeated("- "),
    /^the document has more than 100000 words, marks and lines$/,
  ],
  "moderately deep lists": [
    `a: ${"[".repeat(40)}${"]".repeat(40)}`,
    /^nested deeper than 32 levels$/,
  ],
  "aliases of aliases": [ALIAS_BOMB, /^the file has more than 400000 values$/],
  "an anchor in itself": ["&a [*a]\n", /^nested deeper than 32 levels$/],
  "an alias of nothing": ["a: *b\n", /^no anchor &b stands before \*b$/],
  "many keys": [
    Array.from({ length: SIZE / 20 }, (_, i) => `k${i}: 1`).join("\n"),
    /^unknown key "k0" of the document$/,
  ],
  "a key twice": [`${documentText("")}kind: x\n`, /^the key "kind" stands twice$/],
  "many errors": [repeated('"\\x" '), /./],
  "many commas": [`[${repeated(",")}`, /./],
  "many documents": [repeated("a\n---\n"), /./],
  "tabs": ["a:\n\tb: c\n", /./],
  "a long line": [`kind: ${"x".repeat(SIZE)}`, /./],
  "control characters": ["a: \u0001\u001b[31m\n", /./],
  "a byte order mark": ["\ufeffkind: TracingPolicy\n", /^the document has no apiVersion$/],
  "zero bytes": [new Uint8Array(1000), /./],
  "bytes that are no UTF-8": [new Uint8Array([0x61, 0x0a, 0xff, 0xfe]), /^the line is not UTF-8$/],
  "UTF-16": [new Uint8Array([0xff, 0xfe, 0x61, 0x00]), /^the line is not UTF-8$/],
  "too many bytes": [new Uint8Array(1024 * 1024 + 1), /^the file has 1048577 bytes$/],
  "a megabyte of comments": [
    "#\n".repeat(500_000),
    /^the file has more than 500000 words, marks and lines$/,
  ],
  "a megabyte of empty lines": [
    "\n".repeat(1_000_000),
    /^the file has more than 500000 words, marks and lines$/,
  ],
  "a document of many words": [
    documentText(`kprobes: [${"1,".repeat(100_000)}]`),
    /^the document has more than 100000 words, marks and lines$/,
  ],
  "a tag": ["a: !!binary AAAA\n", /^unresolved tag/],
  "a merge key": [`<<: {a: b}\n${documentText("")}`, /^unknown key "<<" of the document$/],
  "a key that is a list": [`? [a]\n: b\n${documentText("")}`, /^a key is not a word$/],
  "words of a megabyte": [
    documentText(`kprobes: [{call: ${"x".repeat(900_000)}, args: [{index: 9, type: int}]}]`),
    /^"x+\.\.\." is no system call$/,
  ],
  "names of objects": [
    `${documentText("__proto__: {}, constructor: 1, toString: 2")}`,
    /^unknown key "__proto__" of spec$/,
  ],
};

Deno.test("readPolicies() tells what is wrong with hostile files, and ends", () => {
  for (const [what, [text, expected]] of Object.entries(HOSTILE)) {
    const { documents, problems } = readText(text);
    assert.deepEqual(documents, [], what);
    assert(problems.length >= 1 && problems.length <= PROBLEMS_MAX, what);
    const texts = problems.map(({ text }) => text);
    assert(texts.some((text) => expected.test(text)), `${what}: ${texts.slice(0, 5).join("; ")}`);
    for (const { place, text, hint } of problems) {
      assert(place.line >= 1 && place.column >= 1, what);
      assert(text.length < 900 && hint.length < 900, what);
    }
  }
});

Deno.test("readPolicies() tells the line that is not UTF-8", () => {
  const [problem] = readText(new Uint8Array([0x61, 0x0a, 0xc3, 0xbc, 0x0a, 0xff])).problems;
  assert.deepEqual(problem!.place, { file: "p.yaml", line: 3, column: 1 });
});

Deno.test("readPolicies() reads aliases like what they stand for, with its place", () => {
  const text = `apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {name: p}
spec:
  lsmhooks:
  - &hook
    hook: file_open
    tags: &tags [a]
  - hook: file_permission
    tags: *tags
`;
  const [document] = readText(text).documents;
  assert(document?.kind === "policy");
  assert.deepEqual(document.policy.hooks.map(({ tags }) => tags), [["a"], ["a"]]);
  const [problem] = readText(text.replace("[a]", "[{}]")).problems;
  assert.equal(problem!.place.line, 8);
});

Deno.test("readPolicies() tells 50 mistakes and counts the others", () => {
  const { problems, omittedCount } = readText(
    documentText(Array.from({ length: 120 }, (_, i) => `x${i}: 1`).join(", ")),
  );
  assert.equal(problems.length, PROBLEMS_MAX);
  // One of them is that there are no hooks.
  assert.equal(omittedCount, 121 - PROBLEMS_MAX);
});
