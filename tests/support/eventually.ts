/**
 * Waiting for something that a test cannot be told of.
 *
 * @module
 */
import assert from "node:assert/strict";

const DEADLINE_MS = 10_000;
const LOOK_MS = 5;

/** Resolves when `condition` is true; fails the test when it is not in time. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!await condition()) {
    assert.ok(performance.now() < deadline, `in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
