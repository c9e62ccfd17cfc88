import assert from "node:assert/strict";
import { readPolicies } from "./read_documents.ts";
import { type DocumentText, splitDocuments } from "./split_documents.ts";

function split(text: string): DocumentText[] {
  return splitDocuments(readPolicies(text, { file: "" }));
}

function policy(name: string): string {
  return `apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata:
  name: ${name}
spec:
  kprobes:
  - call: openat
    syscall: true
`;
}

Deno.test("splitDocuments() gives each document its text, with comments and directives", () => {
  const texts = [
    `# head\n${policy("a")}# tail of a\n`,
    `---\n# of b\n${policy("b")}...\n`,
    `%YAML 1.2\n---\n${policy("c")}`,
    "---\n",
    `--- # flow\n${
      JSON.stringify({
        ...{ apiVersion: "shrike.io/v1alpha1", kind: "TracingPolicyTemplate" },
        ...{ metadata: { name: "t" }, spec: { kprobes: [{ call: "read", syscall: true }] } },
      })
    }`,
  ];
  const whole = texts.join("");
  assert.deepEqual(readPolicies(whole, { file: "f" }).problems, []);
  const pieces = split(whole);
  assert.deepEqual(pieces.map(({ key }) => key), ["a", "b", "c", "template t"]);
  // The line feed behind an empty document is nobody's.
  const last = `\n${texts[4]}`;
  assert.deepEqual(pieces.map(({ text }) => text), [texts[0], texts[1], texts[2], last]);
  for (const { key, text } of pieces) {
    assert.deepEqual(split(text), [{ key, text }]);
  }
});

Deno.test("splitDocuments() leaves out what is no policy", () => {
  assert.deepEqual(split(""), []);
  assert.deepEqual(split("a: [\n---\n").length, 0);
  assert.deepEqual(split(`a: 1\n---\n${policy("b")}`).map(({ key }) => key), ["b"]);
});
