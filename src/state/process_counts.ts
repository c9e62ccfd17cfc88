/**
 * What the process cache counts of records that do not fit what it knows.
 *
 * @module
 */
import type { ProcessFact } from "../events/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";

/** Its counters. */
export class ProcessCounts {
  readonly unknown: Readonly<Record<ProcessFact["type"], Counter>>;
  readonly duplicates: Readonly<Record<ProcessFact["type"], Counter>>;
  readonly tgidReused: Counter;
  readonly adopted: Counter;
  readonly unseen: Counter;

  constructor(counters: Counters) {
    this.unknown = countersByKind(
      counters,
      "shrike_process_unknown_total",
      "Facts about a process, or from a parent, that the cache did not know",
    );
    this.duplicates = countersByKind(
      counters,
      "shrike_process_duplicates_total",
      "Facts that told what had been told before; dropped",
    );
    this.tgidReused = counters.counter(
      "shrike_process_tgid_reused_total",
      "Processes closed because their tgid was used again: their exit was missed",
    );
    this.unseen = counters.counter(
      "shrike_process_unseen_total",
      "Processes that something else than their fork, exec or exit made known",
    );
    this.adopted = counters.counter(
      "shrike_process_forks_adopted_total",
      "Fork records of processes that /proc had already told",
    );
  }
}

function countersByKind(
  counters: Counters,
  name: string,
  help: string,
): Record<ProcessFact["type"], Counter> {
  return {
    process_forked: counters.counter(name, help, { kind: "fork" }),
    process_executed: counters.counter(name, help, { kind: "exec" }),
    process_exited: counters.counter(name, help, { kind: "exit" }),
  };
}
