/**
 * Facts about signals and victims of the OOM killer as events.
 *
 * @module
 */
import type {
  FactBase,
  MemoryLimit,
  ProcessEventBase,
  SignalEvent,
  SignalFact,
} from "../events/mod.ts";
import type { CachedProcess } from "../state/mod.ts";
import { signalName } from "./signal_name.ts";

/** What the event is made with. */
export interface SignalContext {
  /** What every event about the process of the fact has. */
  readonly base: ProcessEventBase;
  /** The process that a record names, as far as it is known. */
  processOf(ids: Pick<FactBase, "tgid" | "leaderStartNs">): CachedProcess;
  /** Path of a cgroup within its hierarchy, when it is known. */
  pathOf(memory: MemoryLimit): string | undefined;
}

/** The event of a fact. */
export function signalEvent(fact: SignalFact, context: SignalContext): SignalEvent {
  const { base } = context;
  if (fact.type === "oom_killed") {
    const { memory } = fact;
    if (memory === undefined) return { type: "oom_kill", ...base };
    const path = context.pathOf(memory);
    return {
      type: "oom_kill",
      ...base,
      memory: path === undefined ? memory : { ...memory, path },
    };
  }
  const { sender, tid, code, isFatal, isToThread, fate } = fact;
  const event = {
    type: "process_signal",
    ...base,
    ...{ tid, signal: signalName(fact.signal), code, isFatal, isToThread, fate },
  } as const;
  if (sender === undefined) return event;
  const { process, references } = context.processOf(sender);
  return {
    ...event,
    sender: { process, references, tid: sender.tid, isUnsure: sender.isUnsure },
  };
}
