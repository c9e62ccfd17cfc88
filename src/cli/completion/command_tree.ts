/**
 * The command tree as completion scripts need it.
 *
 * @module
 */
import type { Command } from "commander";
import { CliOption } from "../table_options.ts";

/** One option of a command. */
export interface TreeOption {
  /** Such as "--output", "-o". */
  readonly flags: readonly string[];
  readonly help: string;
  /** "none" takes no value, "attached" only as `--flag=value`. */
  readonly value: "none" | "attached" | "required";
  readonly choices: readonly string[];
  readonly isFile: boolean;
  readonly isRepeatable: boolean;
}

/** One subcommand. */
export interface TreeCommand {
  readonly name: string;
  readonly help: string;
  readonly options: readonly TreeOption[];
  /** Words its argument may be. */
  readonly words: readonly string[];
}

/** Reads all subcommands of `program`, `help` with the others as its words. */
export function readCommandTree(program: Command): TreeCommand[] {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    help: command.summary(),
    options: [...optionsOf(command), HELP_OPTION],
    words: [
      ...command.commands.map((inner) => inner.name()),
      ...command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    ],
  }));
  const words = commands.map(({ name }) => name);
  return [...commands, { name: "help", help: "Show help of a command", options: [], words }];
}

/** Those of its own subcommands with its own: the scripts know one level. */
function optionsOf(command: Command): TreeOption[] {
  const all = [command, ...command.commands].flatMap(({ options }) => options.map(readOption));
  return all.filter(({ flags: [flag] }, i) =>
    all.findIndex(({ flags }) => flags[0] === flag) === i
  );
}

/** What `-h` is in every command. */
export const HELP_OPTION: TreeOption = {
  flags: ["--help", "-h"],
  help: "Show help",
  value: "none",
  choices: [],
  isFile: false,
  isRepeatable: false,
};

function readOption(option: Command["options"][number]): TreeOption {
  const flags = [option.long, option.short].filter((flag) => flag != null);
  return {
    flags,
    help: option.description,
    value: option.required ? "required" : option.optional ? "attached" : "none",
    choices: option.argChoices ?? [],
    isFile: option instanceof CliOption && option.isFile,
    isRepeatable: option.description.includes("may be repeated"),
  };
}
