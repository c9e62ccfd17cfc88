/**
 * `shrike completion` as it is typed.
 *
 * @module
 */
import { Argument, type Command } from "commander";
import { nearestWord } from "../config/mod.ts";
import { type Shell, SHELLS } from "./completion/shell.ts";
import { UsageError } from "./error_report.ts";
import type { Dispatch } from "./handlers.ts";
import type { Terminal } from "./terminal.ts";

const EXAMPLES = `
Examples:
  source <(shrike completion bash)
  shrike completion bash > /etc/bash_completion.d/shrike
  shrike completion zsh > "\${fpath[1]}/_shrike"
  shrike completion fish > ~/.config/fish/completions/shrike.fish
`;

/** Adds the command to `program`. */
export function addCompletionCommand(
  program: Command,
  terminal: Terminal,
  dispatch: Dispatch,
): void {
  const shell = new Argument("<shell>", `Shell: ${SHELLS.join(", ")}`)
    .choices(SHELLS)
    .argParser(parseShell);
  program.command("completion")
    .summary("Print the completion script of a shell")
    .description("Prints a script that teaches the shell the commands and options of shrike.")
    .addArgument(shell)
    .addHelpText("after", EXAMPLES)
    .action((shell: Shell) =>
      dispatch((handlers) => handlers.completion(shell, program, terminal))
    );
}

function parseShell(text: string): Shell {
  const shell = SHELLS.find((shell) => shell === text);
  if (shell !== undefined) return shell;
  const nearest = nearestWord(text, SHELLS);
  const meant = nearest === undefined ? "" : `did you mean ${nearest}? `;
  throw new UsageError(
    `Cannot complete for "${text}": the shell is not known`,
    `${meant}known: ${SHELLS.join(", ")}`,
  );
}
