import { strictEqual } from "node:assert/strict";
import { WakeupPolicy } from "./wakeup_policy.ts";

/** Feeds `perSecond` for `forMs` in steps of 5 ms from `fromMs`. @returns changes of the policy. */
function feed(policy: WakeupPolicy, perSecond: number, fromMs: number, forMs: number): number {
  let changes = 0;
  for (let ms = fromMs + 5; ms <= fromMs + forMs; ms += 5) {
    if (policy.note(perSecond / 200, ms)) changes++;
  }
  return changes;
}

Deno.test("WakeupPolicy keeps waking at each record at low rates", () => {
  const policy = new WakeupPolicy(0);
  strictEqual(feed(policy, 900, 0, 10_000), 0);
  strictEqual(policy.watermark, false);
});

Deno.test("WakeupPolicy goes to the watermark within 50 ms of a storm", () => {
  const policy = new WakeupPolicy(0);
  strictEqual(feed(policy, 5000, 0, 50), 1);
  strictEqual(policy.watermark, true);
});

Deno.test("WakeupPolicy stays with the watermark between the two thresholds", () => {
  const policy = new WakeupPolicy(0);
  feed(policy, 5000, 0, 50);
  strictEqual(feed(policy, 700, 50, 10_000), 0);
  strictEqual(policy.watermark, true);
});

Deno.test("WakeupPolicy goes back only after a while of calm", () => {
  const policy = new WakeupPolicy(0);
  feed(policy, 5000, 0, 50);
  strictEqual(feed(policy, 100, 50, 150), 0);
  strictEqual(feed(policy, 2000, 200, 40), 0);
  strictEqual(feed(policy, 100, 240, 400), 1);
  strictEqual(policy.watermark, false);
});
