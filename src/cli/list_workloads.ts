/**
 * What `shrike workloads` does.
 *
 * @module
 */
import { type HostWorkload, lookAtCgroups, workloadsOf } from "../host_workloads.ts";
import { ExitCode } from "./exit_codes.ts";
import { reportLook } from "./report_look.ts";
import type { TypedSettings } from "./table_options.ts";
import { type Terminal, textLook } from "./terminal.ts";
import { loadWorkloadChoice } from "./workload_choice.ts";
import { encodeWorkloads, formatWorkloadTable } from "./workload_list.ts";

/** Writes the workloads of this host to stdout. */
export async function listWorkloads(typed: TypedSettings, terminal: Terminal): Promise<ExitCode> {
  const { config, isChosen } = loadWorkloadChoice(typed, terminal);
  const found = await lookAtCgroups({ config });
  reportLook(found, config.lookTimeoutMs);
  const { withEmpty, workloadsFormat: format } = config;
  const isShown = ({ workload, processCount }: HostWorkload) =>
    (withEmpty || format === "json" || processCount > 0) &&
    isChosen(workload);
  const workloads = workloadsOf(found.cgroups).filter(isShown);
  terminal.writeOut(
    format === "json"
      ? encodeWorkloads(workloads)
      : formatWorkloadTable(workloads, textLook(config.color, terminal)),
  );
  return ExitCode.ok;
}
