/**
 * Fact plus state makes the event: process, parent and ancestors with their reference counts as
 * they are now, and the marks of doubt.
 *
 * @module
 */
import type {
  EventMark,
  ProcessEvent,
  ProcessEventBase,
  ProcessExited,
  ProcessReference,
} from "../events/mod.ts";
import type { CachedProcess } from "../state/mod.ts";
import { signalName } from "./signal_name.ts";

/** Ancestors of one event at most: an exec chain may be as long as the cache is large. */
const ANCESTORS_MAX = 64;

const NO_MARKS: readonly EventMark[] = [];

/** What is known of an event besides its process. */
export interface EventCircumstances {
  /** ns since the epoch. */
  readonly timeNs: bigint;
  readonly cpu: number;
  readonly isLate: boolean;
  readonly isTidWrong: boolean;
  /** Whether to add ancestors beyond the parent. */
  readonly withAncestors: boolean;
}

/** An event about `subject` as the cache has it now. */
export function attachContext<Type extends ProcessEvent["type"]>(
  type: Type,
  subject: CachedProcess,
  circumstances: EventCircumstances,
): ProcessEventBase & { readonly type: Type } {
  return { type, ...processContext(subject, circumstances) };
}

/** The same for whoever knows the type. */
export function processContext(
  subject: CachedProcess,
  circumstances: EventCircumstances,
): ProcessEventBase {
  const { parent } = subject;
  const base = {
    timeNs: circumstances.timeNs,
    cpu: circumstances.cpu,
    subject: reference(subject),
    marks: marksOf(subject, circumstances),
  };
  if (parent === undefined) return base;
  if (!circumstances.withAncestors) return { ...base, parent: reference(parent) };
  return { ...base, parent: reference(parent), ancestors: ancestorsOf(parent) };
}

/** How a process ended, from the value wait(2) gives. */
export function exitStatus(
  { exitCode }: Pick<ProcessExited, "exitCode">,
): { readonly status: number; readonly signal: string; readonly coreDumped: boolean } {
  const signal = exitCode & 0x7f;
  return {
    status: signal === 0 ? exitCode >> 8 & 0xff : 0,
    signal: signalName(signal),
    coreDumped: (exitCode & 0x80) !== 0,
  };
}

function reference({ process, references }: CachedProcess): ProcessReference {
  return { process, references };
}

function ancestorsOf(parent: CachedProcess): ProcessReference[] {
  const ancestors: ProcessReference[] = [];
  let ancestor = parent.parent;
  while (ancestor !== undefined && ancestors.length < ANCESTORS_MAX) {
    ancestors.push(reference(ancestor));
    ancestor = ancestor.parent;
  }
  return ancestors;
}

function marksOf(subject: CachedProcess, circumstances: EventCircumstances): readonly EventMark[] {
  const isOrphan = subject.parent === undefined && subject.process.tgid !== 0;
  if (!isOrphan && !circumstances.isLate && !circumstances.isTidWrong) return NO_MARKS;
  const marks: EventMark[] = [];
  if (circumstances.isLate) marks.push("late");
  if (circumstances.isTidWrong) marks.push("tid_mismatch");
  if (isOrphan) marks.push("parent_unknown");
  return marks;
}
