/**
 * The members of events about signals and victims of the OOM killer. All of them are ours.
 *
 * @module
 */
import type { OomKillEvent, ProcessReference, SignalEvent } from "../events/mod.ts";
import { jsonString } from "./json_text.ts";

/**
 * Members of the body behind `process` and `parent`, each with its comma before it.
 *
 * @param processJson the object of a process in its short form, with the thread
 */
export function signalMembers(
  event: SignalEvent,
  processJson: (reference: ProcessReference, tid: number) => string,
): string {
  if (event.type === "oom_kill") return memoryMember(event);
  const { sender, signal, code, fate } = event;
  let json = `,"signal":${jsonString(signal)},"code":${jsonString(codeName(code))}`;
  if (event.isFatal) json += ',"fatal":true';
  if (event.isToThread) json += ',"to_thread":true';
  if (fate !== "delivered") json += `,"fate":"${fate}"`;
  if (sender === undefined) return json;
  json += `,"sender":${processJson(sender, sender.tid)}`;
  return sender.isUnsure ? json + ',"sender_unsure":true' : json;
}

/** Names of si_code that hold for every signal; faults have numbers of their own. */
const CODE_NAMES: Readonly<Record<number, string>> = {
  0: "SI_USER",
  128: "SI_KERNEL",
  [-1]: "SI_QUEUE",
  [-2]: "SI_TIMER",
  [-3]: "SI_MESGQ",
  [-4]: "SI_ASYNCIO",
  [-5]: "SI_SIGIO",
  [-6]: "SI_TKILL",
  [-60]: "SI_ASYNCNL",
};

/** "SI_USER" for 0; the number of one without a name. */
export function codeName(code: number): string {
  return CODE_NAMES[code] ?? String(code);
}

function memoryMember({ memory }: OomKillEvent): string {
  if (memory === undefined) return "";
  const path = memory.path === undefined ? "" : `,"path":${jsonString(memory.path)}`;
  return `,"memory":{"cgroup":{"id":"${memory.cgroupId}"${path},"level":${memory.cgroupLevel}}` +
    `,"limit_bytes":"${memory.limitBytes}","usage_bytes":"${memory.usageBytes}"}`;
}
