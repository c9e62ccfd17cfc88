/**
 * `shrike workloads` as it is typed.
 *
 * @module
 */
import type { Command } from "commander";
import type { Dispatch } from "./handlers.ts";
import { addTableOptions, sourcesHelp, typedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

const EXAMPLES = `
Examples:
  shrike workloads
  shrike workloads --kind container
  shrike workloads --namespace prod --workload 'container/*/web'
  shrike workloads --runtime-socket docker:/run/other.sock
  shrike workloads -o json | jq -r '.workload | select(.source != "runtime") | .name'
`;

/** Adds the command to `program`. */
export function addWorkloadsCommand(
  program: Command,
  terminal: Terminal,
  dispatch: Dispatch,
): void {
  const command = program.command("workloads")
    .summary("Show the containers, pods, units and sessions of this host")
    .description(
      "Shows a row for each container, pod, unit, session and for the host itself, with its " +
        "processes and cgroups, and how it is known: runtime (a container runtime or systemd has " +
        "told), path (the cgroup's name alone, and why), pending (a runtime has not answered " +
        "yet). Those without processes are left out of the table unless --empty is given. Needs " +
        "no running agent; without root it shows what may be seen.",
    );
  addTableOptions(command, "workloads");
  command
    .addHelpText("after", `${EXAMPLES}\n${sourcesHelp("workloads")}`)
    .action(() =>
      dispatch((handlers) => handlers.workloads(typedSettings(command, "workloads"), terminal))
    );
}
