import assert from "node:assert/strict";
import { type ClockName, SystemClock } from "./system_clock.ts";

/** Clocks where each reading takes `costNs` of time. */
function fakeClocks(offsetNs: bigint, costs: readonly bigint[] = [0n]) {
  const state = { nowNs: 1_000n, offsetNs, reads: 0 };
  const read = (clock: ClockName): bigint => {
    state.nowNs += costs[state.reads++ % costs.length]!;
    return clock === "realtime" ? state.nowNs + state.offsetNs : state.nowNs;
  };
  return { state, read };
}

Deno.test("SystemClock gives the wall time of a monotonic moment", () => {
  const { read } = fakeClocks(5_000_000_000n);
  const clock = new SystemClock(read);
  assert.equal(clock.wallNs(1_234n), 5_000_001_234n);
  assert.equal(clock.monotonicNs(), 1_000n);
});

Deno.test("SystemClock takes the reading that was not interrupted", () => {
  // Three calls a reading; all but the third lose the CPU for a second before the last call.
  const slow = [0n, 0n, 1_000_000_000n];
  const { read } = fakeClocks(7_000n, [...slow, ...slow, 0n, 0n, 0n, ...slow]);
  assert.equal(new SystemClock(read).wallNs(0n), 7_000n);
});

Deno.test("SystemClock follows a step of the wall clock but not its jitter", () => {
  const { state, read } = fakeClocks(1_000_000_000n);
  const clock = new SystemClock(read);
  state.offsetNs += 999_999n;
  assert.equal(clock.refresh(), 0n);
  assert.equal(clock.wallNs(0n), 1_000_000_000n);
  state.offsetNs -= 3_600_000_000_000n;
  assert.equal(clock.refresh(), 999_999n - 3_600_000_000_000n);
  assert.equal(clock.wallNs(0n), 1_000_999_999n - 3_600_000_000_000n);
});

Deno.test("SystemClock does not add up small drifts unseen", () => {
  const { state, read } = fakeClocks(0n);
  const clock = new SystemClock(read);
  for (let second = 0; second < 10; second++) {
    state.offsetNs += 400_000n;
    clock.refresh();
    const errorNs = state.offsetNs - clock.wallNs(0n);
    assert.ok(errorNs < 1_000_000n, `${errorNs}`);
  }
});
