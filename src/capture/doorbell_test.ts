import { strictEqual } from "node:assert/strict";
import { Doorbell } from "./doorbell.ts";

const LONG_MS = 60_000;

/** Atomics.waitAsync() alone does not keep the event loop. */
async function keepAlive<Result>(promise: Promise<Result>): Promise<Result> {
  const timer = setInterval(() => {}, 1000);
  try {
    return await promise;
  } finally {
    clearInterval(timer);
  }
}

Deno.test("Doorbell.wait() ends when a worker rings", async () => {
  const bell = new Doorbell();
  const wait = bell.wait(LONG_MS, () => false);
  new Doorbell(bell.memory).ring();
  await keepAlive(wait);
});

Deno.test("Doorbell.wait() ends by wake(), and at once when there is news", async () => {
  const bell = new Doorbell();
  const wait = bell.wait(LONG_MS, () => false);
  bell.wake();
  await keepAlive(wait);
  await bell.wait(LONG_MS, () => true);
});

Deno.test("Doorbell.wait() ends when it rang between arming and sleeping", async () => {
  const bell = new Doorbell();
  await keepAlive(bell.wait(LONG_MS, () => {
    // The worker publishes after we looked, and before we sleep.
    new Doorbell(bell.memory).ring();
    return false;
  }));
});

Deno.test("Doorbell.wait() ends after its time", async () => {
  const other = new Doorbell();
  let hasEnded = false;
  const longer = other.wait(LONG_MS, () => false).then(() => hasEnded = true);
  await keepAlive(new Doorbell().wait(20, () => false));
  strictEqual(hasEnded, false, "one that waits longer still waits");
  other.wake();
  await keepAlive(longer);
});

Deno.test("Doorbell.ring() without a waiter costs no notification", () => {
  const bell = new Doorbell();
  bell.ring();
  strictEqual(new Int32Array(bell.memory)[0], 0);
});
