/**
 * `shrike run` as it is typed.
 *
 * @module
 */
import type { Command } from "commander";
import type { Dispatch } from "./handlers.ts";
import { addTableOptions, sourcesHelp, typedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

const EXAMPLES = `
Examples:
  shrike run
  shrike run -o json > events.jsonl
  shrike run --pid $$ --duration 1m
  shrike run --filter event=exec --filter 'binary=/usr/bin/*'
  shrike run --config ./shrike.yaml --log-level info
`;

/** Adds the command to `program`. */
export function addRunCommand(program: Command, terminal: Terminal, dispatch: Dispatch): void {
  const command = program.command("run")
    .summary("Watch processes and write events to stdout")
    .description(
      "Watches every process on this host and writes an event to stdout when one starts or ends, " +
        "until Ctrl-C. Needs root or CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and " +
        "CAP_DAC_READ_SEARCH.",
    );
  addTableOptions(command, "run");
  command
    .addHelpText("after", `${EXAMPLES}\n${sourcesHelp()}`)
    .action(() => dispatch((handlers) => handlers.run(typedSettings(command, "run"), terminal)));
}
