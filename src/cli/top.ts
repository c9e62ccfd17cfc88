/**
 * `shrike top` as it is typed.
 *
 * @module
 */
import type { Command } from "commander";
import type { Dispatch } from "./handlers.ts";
import { addTableOptions, sourcesHelp, typedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

const EXAMPLES = `
Examples:
  shrike top
  shrike top --sort sent --kind container
  shrike top --interval 10s | tee traffic.txt
  shrike top --once -o json | jq '.workloads[] | select(.execs_per_second > 10) | .key'
`;

/** Adds the command to `program`. */
export function addTopCommand(program: Command, terminal: Terminal, dispatch: Dispatch): void {
  const command = program.command("top")
    .summary("Show which workloads use the network, as it goes")
    .description(
      "Asks the running agent again and again, and shows for each workload what it has received " +
        "and sent per second, its connections now and the programs it has started per second. " +
        "On a terminal the table stays in place until q or Ctrl-C; elsewhere a table is written " +
        "for each interval. Workloads at rest are left out of tables, not of json. The time of " +
        "the agent's own programs in the kernel is there when it runs with --bpf-stats.",
    );
  addTableOptions(command, "top");
  command
    .addHelpText("after", `${EXAMPLES}\n${sourcesHelp("top")}`)
    .action(() => dispatch((handlers) => handlers.top(typedSettings(command, "top"), terminal)));
}
