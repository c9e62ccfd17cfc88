/**
 * `shrike doctor` as it is typed.
 *
 * @module
 */
import type { Command } from "commander";
import type { Dispatch } from "./handlers.ts";
import { addTableOptions, typedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

const EXAMPLES = `
Examples:
  sudo shrike doctor
  shrike doctor -o json | jq '.findings[] | select(.status != "ok")'
  sudo shrike doctor --bundle shrike-doctor.tar.gz
`;

const EXIT_CODES = `
Exit codes of doctor:
  0    nothing found
  1    warnings: the agent runs, with less than it could do
  2    problems: the agent does not run
`;

/** Adds the command to `program`. */
export function addDoctorCommand(program: Command, terminal: Terminal, dispatch: Dispatch): void {
  const command = program.command("doctor")
    .summary("Say whether the agent can run here, and why not")
    .description(
      "Looks at cgroups, container runtimes, kernel, rights, limits and other agents, loads " +
        "the BPF programs for a try, and says what was found, what follows and what to do. " +
        "Changes nothing. Without root it says what it could not look at.",
    );
  addTableOptions(command, "doctor");
  command
    .addHelpText("after", `${EXAMPLES}${EXIT_CODES}`)
    .action(() =>
      dispatch((handlers) => handlers.doctor(typedSettings(command, "doctor"), terminal))
    );
}
