/**
 * Workloads in a cell of a list.
 *
 * @module
 */
import type { Workload } from "../events/mod.ts";
import { terminalString } from "../export/mod.ts";

/** "container web", and why no runtime has told more. */
export function workloadText(workload: Workload): string {
  const { kind, name, reason } = workload;
  const named = kind === "host" ? kind : `${kind} ${terminalString(name)}`;
  return reason === undefined ? named : `${named} (${reason})`;
}

/** How it is known, and why not better. */
export function sourceText({ source, reason }: Workload): string {
  return reason === undefined ? source : `${source} (${reason})`;
}
