/**
 * Records of thread groups carry tid == tgid; any other is a bug in a BPF program or a kernel that
 * changed. The fact is used as if the tid were right: state knows thread groups only.
 *
 * @module
 */
import type { ProcessFact } from "../events/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";

/** Checks facts and counts those that break the rule, by kind. */
export class TidRule {
  readonly #mismatches: Readonly<Record<ProcessFact["type"], Counter>>;

  constructor(counters: Counters) {
    const counter = (kind: string) =>
      counters.counter(
        "shrike_process_tid_mismatch_total",
        "Fork, exec and exit records whose tid was not their tgid; corrected",
        { kind },
      );
    this.#mismatches = {
      process_forked: counter("fork"),
      process_executed: counter("exec"),
      process_exited: counter("exit"),
    };
  }

  /** Whether the fact breaks the rule; counts it then. */
  isBroken(fact: ProcessFact): boolean {
    if (fact.tid === fact.tgid) return false;
    this.#mismatches[fact.type].value += 1;
    return true;
  }
}
