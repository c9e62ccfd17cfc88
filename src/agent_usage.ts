/**
 * What an agent has used: time, CPU, memory.
 *
 * @module
 */
import { type Libc, RusageWho } from "../ffi/mod.ts";
import type { Clock } from "./telemetry/mod.ts";

const NS_PER_MS = 1_000_000;

/** Read at the end while libc is still open. */
export class AgentUsage {
  taken = { durationMs: 0, cpuMs: 0, memoryPeakSize: 0 };
  readonly #libc: Libc;
  readonly #clock: Clock;
  readonly #startedNs: bigint;

  constructor(libc: Libc, clock: Clock) {
    this.#libc = libc;
    this.#clock = clock;
    this.#startedNs = clock.monotonicNs();
  }

  take(): void {
    const { userNs, systemNs, maxResidentSize } = this.#libc.getrusage(RusageWho.self);
    this.taken = {
      durationMs: Number(this.#clock.monotonicNs() - this.#startedNs) / NS_PER_MS,
      cpuMs: (userNs + systemNs) / NS_PER_MS,
      memoryPeakSize: maxResidentSize,
    };
  }
}
