/**
 * Time of the simulation: one clock for the host and the agent.
 *
 * @module
 */
import type { Clock } from "../../src/telemetry/mod.ts";

const SLEPT_NS = 5_000_000_000n;

/** Time moves by what the host does, and a little by each look at it. */
export class SimulatedClock implements Clock {
  nowNs = 100_000_000_000n;
  /** Each look moves the time by so much. */
  lookNs = 1_000n;
  /** Wall time less CLOCK_MONOTONIC; somebody may set the wall clock. */
  wallOffsetNs = 1_700_000_000_000_000_000n;

  monotonicNs(): bigint {
    this.nowNs += this.lookNs;
    return this.nowNs;
  }

  boottimeNs(): bigint {
    return this.nowNs + SLEPT_NS;
  }

  wallNs(monotonicNs: bigint): bigint {
    return this.wallOffsetNs + monotonicNs;
  }
}

/** Boot-time ns of a moment of CLOCK_MONOTONIC. */
export function bootNs(monotonicNs: bigint): bigint {
  return monotonicNs + SLEPT_NS;
}
