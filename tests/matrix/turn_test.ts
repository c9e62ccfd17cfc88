import assert from "node:assert/strict";
import { turnOfCommit } from "./turn.ts";

Deno.test("turnOfCommit() gives one commit one turn, and others others", () => {
  const commits = Array.from({ length: 64 }, (_, i) => `${i.toString(16).padStart(7, "0")}beef`);
  assert.deepEqual(commits.map(turnOfCommit), [...commits.keys()]);
  assert.equal(turnOfCommit("7ba92bd0123"), 0x7ba92bd);
  assert.equal(turnOfCommit(undefined), 0);
});
