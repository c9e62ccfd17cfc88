/**
 * Looks every few seconds whether the programs are still where they were attached, says so in the
 * stream when one is not, and attaches it again.
 *
 * @module
 */
import type { Clock, Counters, Log, LossLedger } from "../telemetry/mod.ts";
import type { LostHook } from "./attached_links.ts";

/** What `HookWatch` works with. */
export interface HookWatchParts {
  readonly sensors: { checkLinks(reattach: boolean): readonly LostHook[] };
  /** Whether what was detached is attached again. */
  readonly reattach: boolean;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly losses: Pick<LossLedger, "add">;
  readonly log: Log;
}

/** Turns, of about a second, from one look to the next. */
const LOOK_TURNS = 5;

/** Whether all hooks are there. */
export class HookWatch {
  readonly #parts: HookWatchParts;
  #turns = 0;
  #lookedNs: bigint;

  constructor(parts: HookWatchParts) {
    this.#parts = parts;
    this.#lookedNs = parts.clock.monotonicNs();
  }

  /** To be called about once a second. */
  tick(): void {
    if (++this.#turns % LOOK_TURNS !== 0) return;
    const { sensors, reattach, clock } = this.#parts;
    const lost = sensors.checkLinks(reattach);
    const nowNs = clock.monotonicNs();
    for (const hook of lost) this.#tell(hook, nowNs);
    this.#lookedNs = nowNs;
  }

  #tell({ program, cause, isAttached, reason }: LostHook, nowNs: bigint): void {
    const { losses, counters, log } = this.#parts;
    losses.add({ cause, kind: program, count: 1, firstNs: this.#lookedNs, lastNs: nowNs });
    counters.counter(
      "shrike_loader_hooks_lost_total",
      "Times that somebody else detached or replaced a program of the agent",
      { program, cause },
    ).value += 1;
    const what = cause === "hook_detached" ? "detached" : "replaced";
    if (isAttached) {
      log.warn("Somebody has {what} {program}; it is attached again", { what, program });
    } else {
      log.error("Somebody has {what} {program}, and it does not run any more: {reason}", {
        ...{ what, program, reason },
        hint: "find out who it was, and start the agent again",
      });
    }
  }
}
