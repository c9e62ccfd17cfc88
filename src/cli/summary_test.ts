import assert from "node:assert/strict";
import { formatSummary } from "./summary.ts";

Deno.test("formatSummary() names events by type, losses by cause, CPU and memory", () => {
  const text = formatSummary({
    durationMs: 12_340,
    events: new Map([["process_exec", 7], ["process_exit", 5]]),
    lost: new Map([["perf_ring_full", 3]]),
    cpuMs: 617,
    memoryPeakSize: 80 * 1024 ** 2,
  });
  assert.equal(
    text,
    "shrike: 12.3 s, 12 events (process_exec 7, process_exit 5), 3 lost (perf_ring_full 3)\n" +
      "shrike: CPU 0.62 s (5.0 % of one), memory peak 80 MiB\n",
  );
});

Deno.test("formatSummary() tells the time before the run apart from what the run has lost", () => {
  const text = formatSummary({
    ...{ durationMs: 1000, cpuMs: 10, memoryPeakSize: 80 * 1024 ** 2 },
    events: new Map([["gap", 1]]),
    lost: new Map(),
    absence: { durationMs: 3210, forks: 12 },
  });
  assert.equal(
    text,
    "shrike: 1.0 s, 1 events (gap 1), 0 lost\n" +
      "shrike: CPU 0.01 s (1.0 % of one), memory peak 80 MiB\n" +
      "shrike: no agent watched in the 3.2 s before; " +
      "the host made 12 threads and processes in them\n",
  );
});

Deno.test("formatSummary() says zero when there was nothing", () => {
  const text = formatSummary({
    ...{ durationMs: 0, cpuMs: 0, memoryPeakSize: 0 },
    events: new Map(),
    lost: new Map(),
  });
  assert.equal(
    text,
    "shrike: 0.0 s, 0 events, 0 lost\nshrike: CPU 0.00 s (0.0 % of one), memory peak 0 MiB\n",
  );
});
