/**
 * What `shrike cgroups` does.
 *
 * @module
 */
import { type HostCgroup, lookAtCgroups } from "../host_workloads.ts";
import { encodeCgroups, formatCgroupTable, formatCgroupTree } from "./cgroup_list.ts";
import { ExitCode } from "./exit_codes.ts";
import { reportLook } from "./report_look.ts";
import { loadSettings } from "./settings.ts";
import type { TypedSettings } from "./table_options.ts";
import { type Terminal, textLook } from "./terminal.ts";

/** Writes the cgroups of this host to stdout. */
export async function listCgroups(typed: TypedSettings, terminal: Terminal): Promise<ExitCode> {
  const config = loadSettings(typed, terminal);
  const found = await lookAtCgroups({ config });
  reportLook(found, config.lookTimeoutMs);
  const { kinds, withEmpty, cgroupsFormat: format } = config;
  const isOfKind = ({ workload }: HostCgroup) =>
    kinds.length === 0 || kinds.includes(workload.kind);
  const isShown = (cgroup: HostCgroup) => (withEmpty || cgroup.isPopulated) && isOfKind(cgroup);
  const look = textLook(config.color, terminal);
  terminal.writeOut(
    format === "json"
      ? encodeCgroups(found, isOfKind)
      : format === "tree"
      ? formatCgroupTree(found.cgroups, isShown, look)
      : formatCgroupTable(found.cgroups, isShown, look),
  );
  return ExitCode.ok;
}
