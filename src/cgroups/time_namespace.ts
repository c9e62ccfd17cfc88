/**
 * The time namespace this process is in. The kernel stamps records with the host's clocks; in a
 * time namespace CLOCK_MONOTONIC, CLOCK_BOOTTIME and start times in /proc are shifted.
 *
 * @module
 */
import type { HostFiles } from "./host_files.ts";

/** PROC_TIME_INIT_INO of include/linux/proc_ns.h: the initial time namespace. */
const INITIAL = "time:[4026531834]";

/** By how much the clocks here are ahead of the host's, ns. */
export interface TimeOffsets {
  readonly monotonicNs: bigint;
  readonly boottimeNs: bigint;
}

const NO_OFFSETS: TimeOffsets = Object.freeze({ monotonicNs: 0n, boottimeNs: 0n });

/** Whether this process is in a time namespace of its own; kernels before 5.6 have none. */
export function hasOwnTime(files: HostFiles): boolean {
  const link = files.readLink("/proc/self/ns/time");
  return link !== undefined && link !== INITIAL;
}

/**
 * The offsets of this process; undefined when they cannot be read. /proc/self/timens_offsets has
 * those of the namespace that children get, so it must be the same one.
 */
export function readTimeOffsets(files: HostFiles): TimeOffsets | undefined {
  if (!hasOwnTime(files)) return NO_OFFSETS;
  const own = files.readLink("/proc/self/ns/time");
  if (own !== files.readLink("/proc/self/ns/time_for_children")) return undefined;
  const text = files.readText("/proc/self/timens_offsets");
  const monotonicNs = offsetOf(text, "monotonic");
  const boottimeNs = offsetOf(text, "boottime");
  return monotonicNs === undefined || boottimeNs === undefined
    ? undefined
    : { monotonicNs, boottimeNs };
}

/** `NAME SECONDS NANOSECONDS`, the former with a sign. */
function offsetOf(text: string | undefined, name: string): bigint | undefined {
  const match = new RegExp(`^${name}\\s+(-?\\d+)\\s+(\\d+)\\s*$`, "m").exec(text ?? "");
  if (match === null) return undefined;
  return BigInt(match[1] ?? 0) * 1_000_000_000n + BigInt(match[2] ?? 0);
}
