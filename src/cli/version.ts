/**
 * `shrike version` as it is typed.
 *
 * @module
 */
import type { Command } from "commander";
import type { Dispatch } from "./handlers.ts";
import { addTableOptions, typedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

const EXAMPLES = `
Examples:
  shrike version
  shrike version -o json
`;

/** Adds the command to `program`. */
export function addVersionCommand(program: Command, terminal: Terminal, dispatch: Dispatch): void {
  const command = program.command("version")
    .summary("Show the versions of all parts")
    .description(
      "Shows version, commit, Deno, V8, libbpf, kernel, the form of the executable, and the BPF " +
        "objects inside.",
    );
  addTableOptions(command, "version", { withConfig: false });
  command
    .addHelpText("after", EXAMPLES)
    .action(() =>
      dispatch((handlers) => handlers.version(typedSettings(command, "version"), terminal))
    );
}
