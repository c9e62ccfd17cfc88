import assert from "node:assert/strict";
import { readingPolicies } from "./language/read_documents.ts";
import { CancelledError, finish, finishInSlices } from "./slices.ts";
import { documentText } from "../../tests/support/policy_text.ts";

function* counting(count: number): Generator<void, number> {
  for (let i = 0; i < count; i++) yield;
  return count;
}

Deno.test("finishInSlices() pauses whenever a slice is used up, and ends as finish() does", async () => {
  let now = 0;
  let pauses = 0;
  const pause = () => Promise.resolve(void pauses++);
  const options = { sliceMs: 10, nowMs: () => now++, pause };
  assert.equal(await finishInSlices(counting(100), options), finish(counting(100)));
  assert.equal(pauses, 10);
});

Deno.test("finishInSlices() gives up when it is asked to", async () => {
  let now = 0;
  const options = { sliceMs: 1, nowMs: () => now++, isCancelled: () => now > 50 };
  await assert.rejects(finishInSlices(counting(1000), options), CancelledError);
});

Deno.test("readingPolicies() may pause within each document and each few lines of comments", () => {
  const document = documentText("kprobes: [{call: openat, syscall: true}]");
  const texts = { documents: `${document}---\n`.repeat(100), comments: "#\n".repeat(20_000) };
  for (const [what, text] of Object.entries(texts)) {
    let steps = 0;
    for (const _ of readingPolicies(text, { file: "p.yaml" })) steps++;
    assert(steps >= 150, `${what}: ${steps}`);
  }
});
