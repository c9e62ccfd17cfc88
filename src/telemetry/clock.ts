/**
 * Time as the agent sees it. The kernel stamps records with CLOCK_MONOTONIC; people read wall time.
 *
 * @module
 */

/** Clocks, handed in so that tests own the time. All values are ns. */
export interface Clock {
  /** CLOCK_MONOTONIC, the same as bpf_ktime_get_ns(). */
  monotonicNs(): bigint;
  /** CLOCK_BOOTTIME: monotonic plus the time the machine slept. */
  boottimeNs(): bigint;
  /** Wall time (ns since the epoch) of a CLOCK_MONOTONIC moment. */
  wallNs(monotonicNs: bigint): bigint;
}
