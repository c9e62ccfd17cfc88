/**
 * Words for people that the compact and the table form share.
 *
 * @module
 */
import type {
  AgentEvent,
  AmendEvent,
  CgroupEvent,
  GapCause,
  GapEvent,
  Process,
  ProcessExitEvent,
} from "../events/mod.ts";
import { terminalString, terminalText } from "./terminal_text.ts";
import { formatSpan } from "./timestamp.ts";
import { workloadWords } from "./workload_words.ts";

/** Four letters, so that lines stand under each other. */
export function eventWord(event: AgentEvent): string {
  switch (event.type) {
    case "process_exec":
      return isFoundAtStart(event.subject.process) ? "runs" : "exec";
    case "process_fork":
      return "fork";
    case "process_exit":
      return "exit";
    case "process_kprobe":
      return event.policy.isEnforced ? "kpr!" : "kpr ";
    case "process_tracepoint":
      return event.policy.isEnforced ? "trc!" : "trc ";
    case "process_lsm":
      return event.policy.isEnforced ? "lsm!" : "lsm ";
    case "process_connect":
      return event.isFailed ? "con!" : "conn";
    case "process_accept":
      return "acpt";
    case "process_listen":
      return "lstn";
    case "process_close":
      return "clos";
    case "process_dns":
      return "dns ";
    case "process_signal":
      return event.isFatal ? "sig!" : "sig ";
    case "oom_kill":
      return "oom!";
    case "flow":
      return "flow";
    case "cgroup_created":
      return "cg+ ";
    case "cgroup_removed":
      return "cg- ";
    case "cgroup_released":
      return "cg--";
    case "cgroup_renamed":
      return "cg~ ";
    case "cgroup_attached":
      return "cg<-";
    case "amend":
      return "name";
    case "gap":
      return "GAP!";
  }
}

/** `status 1`, `SIGSEGV, core dumped`; with the time the image ran. */
export function exitWords(event: ProcessExitEvent): string {
  let end = `status ${event.status}`;
  if (event.signal !== "") end = terminalString(event.signal);
  if (event.coreDumped) end += ", core dumped";
  return `${end} after ${formatSpan(event.timeNs - event.subject.process.startTimeNs)}`;
}

const CAUSE_WORDS: Readonly<Record<GapCause, string>> = {
  perf_ring_full: "the ring of the kernel was full",
  shared_ring_full: "the agent was behind and the ring of the kernel ran full",
  no_ring: "that CPU had no reader",
  kernel_error: "the kernel could not write them",
  program_skipped: "the kernel skipped a BPF program that was already running",
  hook_detached: "somebody detached a program of the agent",
  hook_replaced: "somebody replaced a program of the agent",
  sink_queue_full: "the reader of the output was too slow",
  malformed_record: "they could not be read",
  agent_restart: "no agent ran",
};

/** `12 process_exec records lost on CPU 3: the ring of the kernel was full (within 1.5 ms)`. */
export function gapWords(event: GapEvent): string {
  if (event.cause === "agent_restart") return absenceWords(event);
  const unit = event.sink === undefined ? "record" : "event";
  const kind = event.kind === undefined ? "" : `${terminalString(event.kind)} `;
  const count = event.count.toLocaleString("en-US");
  let words = `${count} ${kind}${unit}${event.count === 1 ? "" : "s"} lost`;
  if (event.sink !== undefined) words += ` before ${terminalString(event.sink)}`;
  if (event.cpu !== undefined) words += ` on CPU ${event.cpu}`;
  words += `: ${CAUSE_WORDS[event.cause]}`;
  const span = event.lastTimeNs - event.firstTimeNs;
  return span > 0n ? `${words} (within ${formatSpan(span)})` : words;
}

/** Forks are what the host counts; what else was missed nobody knows. */
function absenceWords({ count, firstTimeNs, lastTimeNs, cause }: GapEvent): string {
  const made = count === 0
    ? "what it did is not known"
    : `the host made ${count.toLocaleString("en-US")} threads and processes`;
  return `${CAUSE_WORDS[cause]} for ${formatSpan(lastTimeNs - firstTimeNs)}: ${made}`;
}

/** `container web (id 0123456789ab)`: what is known by now of an earlier event's workload. */
export function amendWords({ workload }: AmendEvent): string {
  return `${workloadWords(workload) || workload.kind} (id ${terminalString(workload.id)})`;
}

/** `/a/b (id 42) by mkdir[17]`. */
export function cgroupWords({ type, cgroup, subject, marks }: CgroupEvent): string {
  let words = `${terminalString(cgroup.path ?? "?")} (id ${cgroup.id})`;
  if (subject !== undefined) {
    const { binary, tgid } = subject.process;
    const name = terminalText(binary);
    const preposition = type === "cgroup_attached" ? "" : "by ";
    words += ` ${preposition}${name.slice(name.lastIndexOf("/") + 1)}[${tgid}]`;
  }
  return marks.length === 0 ? words : `${words} (${marks.join(", ")})`;
}

/** What deserves a look about the file: `[deleted]`, `[memfd]`; "" when nothing. */
export function exeWords(process: Process): string {
  if (process.exe?.memfd) return " [memfd]";
  return process.exe?.deleted ? " [deleted]" : "";
}

function isFoundAtStart(process: Process): boolean {
  return /(^| )procFS( |$)/.test(process.flags);
}
