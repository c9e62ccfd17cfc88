/**
 * What `shrike cgroups` does.
 *
 * @module
 */
import { type HostCgroup, lookAtCgroups } from "../host_workloads.ts";
import { encodeCgroups, formatCgroupTable, formatCgroupTree } from "./cgroup_list.ts";
import { ExitCode } from "./exit_codes.ts";
import { reportLook } from "./report_look.ts";
import type { TypedSettings } from "./table_options.ts";
import { type Terminal, textLook } from "./terminal.ts";
import { loadWorkloadChoice } from "./workload_choice.ts";

/** Writes the cgroups of this host to stdout. */
export async function listCgroups(typed: TypedSettings, terminal: Terminal): Promise<ExitCode> {
  const { config, isChosen } = loadWorkloadChoice(typed, terminal);
  const found = await lookAtCgroups({ config });
  reportLook(found, config.lookTimeoutMs);
  const { withEmpty, cgroupsFormat: format } = config;
  const isListed = ({ workload }: HostCgroup) => isChosen(workload);
  const isShown = (cgroup: HostCgroup) => (withEmpty || cgroup.isPopulated) && isListed(cgroup);
  const look = textLook(config.color, terminal);
  terminal.writeOut(
    format === "json"
      ? encodeCgroups(found, isListed)
      : format === "tree"
      ? formatCgroupTree(found.cgroups, isShown, look)
      : formatCgroupTable(found.cgroups, isShown, look),
  );
  return ExitCode.ok;
}
