/**
 * What is to be said of a look at the host's cgroups beside what it shows.
 *
 * @module
 */
import { formatDuration } from "../config/mod.ts";
import type { HostCgroups } from "../host_workloads.ts";
import { logOf } from "../telemetry/mod.ts";

/** Logs what the look has left out. */
export function reportLook({ beyondLimit, openQuestions }: HostCgroups, timeoutMs: number): void {
  const log = logOf("cgroups");
  if (beyondLimit > 0) {
    log.warn("{count} cgroups more than can be shown are left out", {
      count: beyondLimit,
      hint: "look for a service that leaves empty cgroups behind",
    });
  }
  if (openQuestions > 0) {
    log.warn("No answer from runtimes after {time} to {count} of all questions", {
      count: openQuestions,
      time: formatDuration(timeoutMs),
      hint: "run shrike doctor, or give them more --timeout",
    });
  }
}
