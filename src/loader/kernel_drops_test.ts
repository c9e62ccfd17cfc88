import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Counters, LossLedger } from "../telemetry/mod.ts";
import { DropReason, RECORD_DROP_SIZE, RecordDropOffset } from "../wire/mod.ts";
import { KernelDrops } from "./kernel_drops.ts";
import { type KernelDropRow, readDropRows, recordDropSlot } from "./record_drops.ts";

const EXEC = { kind: 0x102, name: "process_exec" };

/** A kernel whose counts the test sets. */
function bench(stalled: readonly number[] = []) {
  const state = { rows: [] as KernelDropRow[], skipped: 0, nowNs: 1_000n };
  const counters = new Counters();
  const losses = new LossLedger();
  const drops = new KernelDrops({
    sensors: {
      readDrops: () => state.rows,
      skippedRuns: () => [{ program: "on_process_exec", count: state.skipped }],
    },
    kinds: [EXEC],
    isStalled: (cpu) => stalled.includes(cpu),
    clock: {
      monotonicNs: () => state.nowNs,
      boottimeNs: () => state.nowNs,
      wallNs: (ns) => ns,
    },
    counters,
    losses,
  });
  return { state, counters, losses, drops };
}

function row(cpu: number, counts: readonly number[], firstNs: bigint, lastNs: bigint) {
  return { cpu, kind: EXEC.kind, counts, firstNs, lastNs };
}

Deno.test("KernelDrops.check() enters only what is new, with its own time span", () => {
  const { state, losses, drops } = bench();
  drops.check();
  deepStrictEqual(losses.take(), []);
  state.rows = [row(1, [3, 0, 0, 0], 500n, 700n)];
  drops.check();
  const first = { cause: "perf_ring_full", cpu: 1, kind: "process_exec" };
  deepStrictEqual(losses.take(), [{ ...first, count: 3, firstNs: 500n, lastNs: 700n }]);
  state.nowNs = 2_000n;
  drops.check();
  deepStrictEqual(losses.take(), []);
  state.rows = [row(1, [5, 0, 0, 0], 500n, 2_500n)];
  state.nowNs = 3_000n;
  drops.check();
  // Not before the look at 2000, when it was not there.
  deepStrictEqual(losses.take(), [{ ...first, count: 2, firstNs: 2_000n, lastNs: 2_500n }]);
});

Deno.test("KernelDrops.check() tells causes apart", () => {
  const { state, losses, counters, drops } = bench([7]);
  state.rows = [row(0, [1, 2, 3, 4], 10n, 20n), row(7, [9, 0, 0, 0], 10n, 20n)];
  drops.check();
  const found = losses.take().map(({ cause, cpu, count }) => [cause, cpu, count]);
  deepStrictEqual(found, [
    ["perf_ring_full", 0, 1],
    ["no_ring", 0, 2],
    ["kernel_error", 0, 7],
    ["shared_ring_full", 7, 9],
  ]);
  strictEqual(counters.total("shrike_loader_records_dropped_total"), 19);
});

Deno.test("KernelDrops.check() enters runs that the kernel skipped", () => {
  const { state, losses, counters, drops } = bench();
  state.skipped = 4;
  state.nowNs = 2_000n;
  drops.check();
  state.skipped = 5;
  state.nowNs = 3_000n;
  drops.check();
  drops.check();
  deepStrictEqual(losses.take(), [{
    cause: "program_skipped",
    kind: "on_process_exec",
    count: 5,
    firstNs: 1_000n,
    lastNs: 3_000n,
  }]);
  strictEqual(counters.total("shrike_loader_program_skipped_total"), 5);
});

Deno.test("readDropRows() finds the row of a kind and the CPU of each value", () => {
  strictEqual(recordDropSlot(0x102), 10);
  strictEqual(recordDropSlot(0x707), 63);
  const values = new Uint8Array(3 * RECORD_DROP_SIZE);
  const view = new DataView(values.buffer);
  const at = 2 * RECORD_DROP_SIZE;
  view.setUint32(at + RecordDropOffset.kind, 0x102, true);
  view.setBigUint64(at + RecordDropOffset.firstNs, 5n, true);
  view.setBigUint64(at + RecordDropOffset.lastNs, 6n, true);
  view.setBigUint64(at + RecordDropOffset.count + 8 * DropReason.DROP_NO_RING, 2n, true);
  const keys: number[] = [];
  const map = {
    lookup(key: Uint8Array<ArrayBuffer>) {
      keys.push(new DataView(key.buffer).getUint32(0, true));
      return values;
    },
  };
  // Possible CPUs need not be without gaps.
  deepStrictEqual(readDropRows(map, 0x102, [0, 1, 4]), [
    { cpu: 4, kind: 0x102, counts: [0, 2, 0, 0], firstNs: 5n, lastNs: 6n },
  ]);
  deepStrictEqual(keys, [10]);
  deepStrictEqual(readDropRows({ lookup: () => null }, 0x102, [0]), []);
});
