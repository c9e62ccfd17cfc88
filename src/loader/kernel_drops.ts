/**
 * Losses inside the kernel, entered into the ledger: records that found no room, and runs of
 * programs that the kernel skipped.
 *
 * @module
 */
import type { Clock, Counter, Counters, LossLedger } from "../telemetry/mod.ts";
import { DropReason } from "../wire/mod.ts";
import type { LoadedSensors } from "./load_sensors.ts";
import type { KernelDropRow } from "./record_drops.ts";

/** A kind of record, as `RecordDecoder` names it. */
export interface RecordKindName {
  readonly kind: number;
  readonly name: string;
}

/** What `KernelDrops` works with. */
export interface KernelDropsOptions {
  readonly sensors: Pick<LoadedSensors, "readDrops" | "skippedRuns">;
  /** Kinds to look for; decoders fit. */
  readonly kinds: readonly RecordKindName[];
  /** Whether the shared ring of that CPU was full since the last look: then it is why. */
  readonly isStalled: (cpu: number) => boolean;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly losses: LossLedger;
}

/** The cause in gap events and metrics, by `DropReason`. */
const CAUSES: Readonly<Record<number, string>> = {
  [DropReason.DROP_RING_FULL]: "perf_ring_full",
  [DropReason.DROP_NO_RING]: "no_ring",
  [DropReason.DROP_OTHER]: "kernel_error",
  [DropReason.DROP_NO_SCRATCH]: "kernel_error",
};

const REASON_LABELS: Readonly<Record<number, string>> = {
  [DropReason.DROP_RING_FULL]: "ring_full",
  [DropReason.DROP_NO_RING]: "no_ring",
  [DropReason.DROP_OTHER]: "other",
  [DropReason.DROP_NO_SCRATCH]: "no_scratch",
};

/** Compares the kernel's counts with those of the last look. */
export class KernelDrops {
  readonly #options: KernelDropsOptions;
  readonly #rows = new Map<string, KernelDropRow>();
  readonly #skipped = new Map<string, number>();
  #lookedNs: bigint;

  constructor(options: KernelDropsOptions) {
    this.#options = options;
    this.#lookedNs = options.clock.monotonicNs();
  }

  /** Enters what was lost since the last call. Costs a system call per kind and program. */
  check(): void {
    const { sensors, kinds, clock } = this.#options;
    const nowNs = clock.monotonicNs();
    for (const { kind, name } of kinds) {
      for (const row of sensors.readDrops(kind)) this.#enterRow(name, row);
    }
    for (const { program, count } of sensors.skippedRuns()) {
      this.#enterSkipped(program, count, nowNs);
    }
    this.#lookedNs = nowNs;
  }

  #enterRow(name: string, row: KernelDropRow): void {
    const key = `${row.cpu} ${row.kind}`;
    const before = this.#rows.get(key);
    this.#rows.set(key, row);
    // The kernel keeps the first time ever; later losses came after the last look.
    const firstNs = before === undefined ? row.firstNs : later(before.lastNs, this.#lookedNs);
    row.counts.forEach((count, reason) => {
      const added = count - (before?.counts[reason] ?? 0);
      if (added <= 0) return;
      this.#droppedCounter(name, reason).value += added;
      const stalled = reason === DropReason.DROP_RING_FULL && this.#options.isStalled(row.cpu);
      const cause = stalled ? "shared_ring_full" : CAUSES[reason] ?? "kernel_error";
      this.#options.losses.add({
        ...{ cause, cpu: row.cpu, kind: name, count: added },
        firstNs: earlier(firstNs, row.lastNs),
        lastNs: row.lastNs,
      });
    });
  }

  #enterSkipped(program: string, count: number, nowNs: bigint): void {
    const added = count - (this.#skipped.get(program) ?? 0);
    if (added <= 0) return;
    this.#skipped.set(program, count);
    this.#skippedCounter(program).value += added;
    this.#options.losses.add({
      ...{ cause: "program_skipped", kind: program, count: added },
      firstNs: this.#lookedNs,
      lastNs: nowNs,
    });
  }

  #droppedCounter(record: string, reason: number): Counter {
    return this.#options.counters.counter(
      "shrike_loader_records_dropped_total",
      "Records that BPF programs could not write",
      { record, reason: REASON_LABELS[reason] ?? "other" },
    );
  }

  #skippedCounter(program: string): Counter {
    return this.#options.counters.counter(
      "shrike_loader_program_skipped_total",
      "Runs of a BPF program that the kernel skipped because it was running on that CPU",
      { program },
    );
  }
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function earlier(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
