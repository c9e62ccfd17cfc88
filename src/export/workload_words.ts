/**
 * Whose a process is, in words for people.
 *
 * @module
 */
import type { Workload } from "../events/mod.ts";
import { terminalString } from "./terminal_text.ts";

/**
 * `container web`, `pod ns/name/ctr`, `ssh.service`, `session 3`; "" for the plain host, and where
 * nobody follows cgroups, which the log has said once for all.
 */
export function workloadWords(workload: Workload): string {
  const { kind, name } = workload;
  const shown = terminalString(name);
  switch (kind) {
    case "service":
    case "scope":
    case "slice":
    case "unit":
      return shown;
    case "host":
      return isPlainHost(workload) ? "" : shown;
    case "container":
      // With the name of its pod it is called "namespace/pod/container".
      return `${workload.pod?.name === undefined ? kind : "pod"} ${shown}`;
    default:
      return `${kind} ${shown}`;
  }
}

/** The same for a narrow column: a name that tells its kind by itself stands alone. */
export function workloadCell(workload: Workload): string {
  const { kind, name } = workload;
  switch (kind) {
    case "session":
      return `session ${terminalString(name)}`;
    case "host":
      return isPlainHost(workload) ? "-" : terminalString(name);
    default:
      return terminalString(name);
  }
}

function isPlainHost({ source, reason }: Workload): boolean {
  return source !== "none" || reason === "cgroups_not_followed";
}
