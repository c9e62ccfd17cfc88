import assert from "node:assert/strict";
import { LineBuffer } from "./line_buffer.ts";

Deno.test("LineBuffer.add() never holds more than it is allowed and gives memory back", () => {
  const buffer = new LineBuffer();
  assert.equal(buffer.add("é".repeat(60) + "\n", 120), false);
  assert.equal(buffer.add("é".repeat(59) + "\n", 120), true);
  assert.equal(buffer.size, 119);
  assert.equal(buffer.add("\n", 120), true);
  assert.equal(buffer.add("\n", 120), false);
  assert.equal(buffer.countWaiting(), 2);
  for (let line = 0; line < 300; line++) assert.ok(buffer.add("x".repeat(999) + "\n", 1e6));
  assert.equal(buffer.size, 300_120);
  buffer.take(300_120);
  assert.equal(buffer.peek(Infinity).buffer.byteLength, 64 * 1024);
});
