/**
 * `shrike cgroups` as it is typed.
 *
 * @module
 */
import type { Command } from "commander";
import type { Dispatch } from "./handlers.ts";
import { addTableOptions, sourcesHelp, typedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

const EXAMPLES = `
Examples:
  shrike cgroups
  shrike cgroups --kind container --kind pod
  shrike cgroups --unit ssh --empty
  shrike cgroups -o table --empty
  shrike cgroups -o json | jq -r 'select(.processes > 0) | .path'
`;

/** Adds the command to `program`. */
export function addCgroupsCommand(program: Command, terminal: Terminal, dispatch: Dispatch): void {
  const command = program.command("cgroups")
    .summary("Show the cgroups of this host and whose they are")
    .description(
      "Shows the hierarchy that the agent follows, with the container, pod, unit or session of " +
        "each cgroup. Names come from the container runtimes and systemd, in parentheses is why " +
        "one is missing. Cgroups in and below which no process runs are left out of tree and " +
        "table unless --empty is given; PROCS counts what runs in the cgroup itself. Needs no " +
        "running agent; without root it shows what may be seen.",
    );
  addTableOptions(command, "cgroups");
  command
    .addHelpText("after", `${EXAMPLES}\n${sourcesHelp("cgroups")}`)
    .action(() =>
      dispatch((handlers) => handlers.cgroups(typedSettings(command, "cgroups"), terminal))
    );
}
