/**
 * `shrike ps` as it is typed.
 *
 * @module
 */
import type { Command } from "commander";
import type { Dispatch } from "./handlers.ts";
import { addTableOptions, sourcesHelp, typedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

const EXAMPLES = `
Examples:
  shrike ps
  shrike ps --pid $$
  shrike ps -o table
  shrike ps -o json | jq -r .process.binary
`;

/** Adds the command to `program`. */
export function addPsCommand(program: Command, terminal: Terminal, dispatch: Dispatch): void {
  const command = program.command("ps")
    .summary("Show the process tree as the agent knows it")
    .description(
      "Reads /proc through the code that the agent starts with and shows the process tree with " +
        "exec_ids. Without root it shows what /proc lets the user see.",
    );
  addTableOptions(command, "ps");
  command
    .addHelpText("after", `${EXAMPLES}\n${sourcesHelp("ps")}`)
    .action(() => dispatch((handlers) => handlers.ps(typedSettings(command, "ps"), terminal)));
}
