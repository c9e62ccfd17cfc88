/**
 * Signals and victims of the OOM killer in words for people.
 *
 * @module
 */
import type { SignalEvent } from "../events/mod.ts";
import { amountText } from "./amount_text.ts";
import { codeName } from "./signal_json.ts";
import { terminalString, terminalText } from "./terminal_text.ts";

/** `SIGKILL from bash[17]`, `killed for want of memory: 64.0 MiB of 64.0 MiB in /web`. */
export function signalWords(event: SignalEvent): string {
  if (event.type === "oom_kill") return memoryWords(event.memory);
  const { signal, sender, fate, code, isFatal } = event;
  let words = signal;
  if (sender === undefined) words += ` from the kernel (${codeName(code)})`;
  else {
    const name = terminalText(sender.process.binary);
    const shown = name === "" ? "?" : name.slice(name.lastIndexOf("/") + 1);
    words += ` from ${shown}[${sender.process.tgid}]${sender.isUnsure ? "?" : ""}`;
  }
  if (fate !== "delivered") words += `, ${fate.replaceAll("_", " ")}`;
  return isFatal ? `${words}, fatal` : words;
}

function memoryWords(memory: Extract<SignalEvent, { type: "oom_kill" }>["memory"]): string {
  if (memory === undefined) return "killed by the kernel: the host is out of memory";
  const used = `${amountText(memory.usageBytes)} of ${amountText(memory.limitBytes)}`;
  const where = terminalString(memory.path ?? `cgroup ${memory.cgroupId}`);
  return `killed by the kernel: out of memory, ${used} in ${where}`;
}
