/**
 * The map `record_drops`: what BPF programs could not write.
 *
 * @module
 */
import type { BpfMap } from "../../ffi/mod.ts";
import { DropReason, readRecordDrop, RECORD_DROP_SIZE } from "../wire/mod.ts";

/** Losses of one kind on one CPU since the map was made. */
export interface KernelDropRow {
  readonly cpu: number;
  readonly kind: number;
  /** By `DropReason`. */
  readonly counts: readonly number[];
  /** CLOCK_MONOTONIC ns of the first and the last ever. */
  readonly firstNs: bigint;
  readonly lastNs: bigint;
}

/** Row of the map that holds a kind: `RECORD_DROP_SLOT` of `bpf/include/record.h`. */
export function recordDropSlot(kind: number): number {
  return ((kind >> 8 & 7) << 3) | (kind & 7);
}

/** Rows of CPUs that lost records of `kind`. A per-CPU map has values in the order of `cpus`. */
export function readDropRows(
  map: Pick<BpfMap, "lookup">,
  kind: number,
  cpus: readonly number[],
): KernelDropRow[] {
  const value = map.lookup(new Uint8Array(new Uint32Array([recordDropSlot(kind)]).buffer));
  if (value === null) return [];
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const stride = Math.ceil(RECORD_DROP_SIZE / 8) * 8;
  const rows: KernelDropRow[] = [];
  cpus.forEach((cpu, index) => {
    const drop = readRecordDrop(view, index * stride);
    const counts = drop.count.map(Number).slice(0, DropReason.DROP_REASONS);
    if (counts.some((count) => count > 0)) {
      rows.push({ cpu, kind, counts, firstNs: drop.firstNs, lastNs: drop.lastNs });
    }
  });
  return rows;
}
