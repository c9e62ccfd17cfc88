/**
 * Kinds of facts, told apart for the compiler.
 *
 * @module
 */
import type { CgroupFact, KernelFact, PolicyHit, ProcessFact } from "../events/mod.ts";

/** Whether a fact changes the table of processes. */
export function isProcessFact(fact: KernelFact): fact is ProcessFact {
  switch (fact.type) {
    case "process_forked":
    case "process_executed":
    case "process_exited":
      return true;
    default:
      fact satisfies CgroupFact | PolicyHit;
      return false;
  }
}
