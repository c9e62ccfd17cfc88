/**
 * Kinds of facts, told apart for the compiler.
 *
 * @module
 */
import type {
  CgroupFact,
  KernelFact,
  NetworkFact,
  PolicyHit,
  ProcessFact,
  SignalFact,
} from "../events/mod.ts";

/** Whether a fact changes the table of processes. */
export function isProcessFact(fact: KernelFact): fact is ProcessFact {
  switch (fact.type) {
    case "process_forked":
    case "process_executed":
    case "process_exited":
      return true;
    default:
      fact satisfies CgroupFact | PolicyHit | NetworkFact | SignalFact;
      return false;
  }
}

/** Whether a fact changes the table of cgroups. */
export function isCgroupFact(
  fact: CgroupFact | PolicyHit | NetworkFact | SignalFact,
): fact is CgroupFact {
  switch (fact.type) {
    case "cgroup_created":
    case "cgroup_removed":
    case "cgroup_released":
    case "cgroup_renamed":
    case "cgroup_attached":
      return true;
    default:
      fact satisfies PolicyHit | NetworkFact | SignalFact;
      return false;
  }
}

/** Whether a fact tells of a signal. */
export function isSignalFact(fact: PolicyHit | NetworkFact | SignalFact): fact is SignalFact {
  return fact.type === "process_signaled" || fact.type === "oom_killed";
}
