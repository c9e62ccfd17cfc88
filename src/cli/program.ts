/**
 * The command tree: what can be typed, without doing any of it.
 *
 * @module
 */
import { Command, CommanderError, type Help } from "commander";
import { addCgroupsCommand } from "./cgroups.ts";
import { addCompletionCommand } from "./completion.ts";
import { UsageError } from "./error_report.ts";
import { EXIT_CODE_TEXTS, type ExitCode } from "./exit_codes.ts";
import type { Dispatch, Handlers } from "./handlers.ts";
import { addDoctorCommand } from "./doctor.ts";
import { addInstallCommands } from "./install.ts";
import { addPolicyCommand } from "./policy.ts";
import { addPsCommand } from "./ps.ts";
import { addRunCommand } from "./run.ts";
import type { Terminal } from "./terminal.ts";
import { addTopCommand } from "./top.ts";
import { addVersionCommand } from "./version.ts";
import { addWorkloadsCommand } from "./workloads.ts";

/** Columns of the left side of the help; longer terms stand on a line of their own. */
const TERM_WIDTH_MAX = 26;
/** Narrower text is harder to read than a line that the terminal breaks. */
const TEXT_WIDTH_MIN = 20;

const EXAMPLES = `
Examples:
  shrike run                           every process that starts and ends, until Ctrl-C
  shrike run -o json --duration 10s    ten seconds of JSON lines
  shrike run --filter uid=0            only what root runs
  shrike ps --pid 1                    the process tree as the agent knows it
  shrike workloads --kind container    the containers, with names and images
  shrike top                           which of them uses the network, as it goes
`;

/** The whole tree. */
export function createProgram(terminal: Terminal, dispatch: Dispatch): Command {
  const program = new Command("shrike")
    .description("Shows every process on this host as it starts and ends, with who started it.")
    .usage("[command] [options]")
    .helpOption("-h, --help", "Show help")
    .helpCommand("help [command]", "Show help of a command")
    .configureHelp({
      optionDescription: ({ description }) => description,
      padWidth: (command, help) => Math.min(longestTerm(command, help), TERM_WIDTH_MAX),
      minWidthToWrap: TEXT_WIDTH_MIN,
      formatItem,
    })
    .configureOutput({
      writeOut: (text) => terminal.writeOut(text),
      writeErr: (text) => terminal.writeError(text),
      getOutHelpWidth: () => terminal.columns(),
      getErrHelpWidth: () => terminal.columns(),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      // Mistakes are thrown and reported in one form with all others.
      outputError: () => {},
    })
    .exitOverride()
    .addHelpText("after", `${EXAMPLES}\n${exitCodesHelp()}`);
  addRunCommand(program, terminal, dispatch);
  addPsCommand(program, terminal, dispatch);
  addCgroupsCommand(program, terminal, dispatch);
  addWorkloadsCommand(program, terminal, dispatch);
  addTopCommand(program, terminal, dispatch);
  addPolicyCommand(program, terminal, dispatch);
  addDoctorCommand(program, terminal, dispatch);
  addInstallCommands(program, terminal, dispatch);
  addVersionCommand(program, terminal, dispatch);
  addCompletionCommand(program, terminal, dispatch);
  return program;
}

/**
 * Parses `args` and calls the handler they name.
 *
 * @returns the exit code
 * @throws {UsageError} on a mistake in `args`, and what the handler throws
 */
export async function runProgram(
  args: readonly string[],
  terminal: Terminal,
  handlers: Handlers,
): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const program = createProgram(terminal, async (work) => {
    exitCode = await work(handlers);
  });
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (error.code === "commander.help") {
      throw new UsageError(
        "Cannot read the command line: no command is given",
        "name one of the commands above",
      );
    }
    const command = program.commands.find((command) => command.name() === args[0])?.name();
    throw usageError(error, command);
  }
  return exitCode;
}

function longestTerm(command: Command, help: Help): number {
  return Math.max(
    help.longestOptionTermLength(command, help),
    help.longestSubcommandTermLength(command, help),
    help.longestArgumentTermLength(command, help),
  );
}

/** One term with its description beside it, or below it when the term is long. */
function formatItem(term: string, termWidth: number, description: string, help: Help): string {
  const indent = " ".repeat(2);
  const left = `${indent}${term.padEnd(termWidth)}${indent}`;
  if (description === "") return left.trimEnd();
  const width = Math.max((help.helpWidth ?? 80) - indent.length * 2 - termWidth, TEXT_WIDTH_MIN);
  const below = `\n${" ".repeat(indent.length * 2 + termWidth)}`;
  const text = help.boxWrap(description, width).replaceAll("\n", below);
  return term.length > termWidth ? `${indent}${term}${below}${text}` : `${left}${text}`;
}

/** Commander's "error: unknown option '--x'\n(Did you mean --y?)" in our form. */
function usageError(error: CommanderError, command: string | undefined): UsageError {
  const [text = "", suggestion] = error.message.replace(/^error: /, "").split("\n");
  const state = text.replace(/\.$/, "").replaceAll("'", '"');
  const meant = /^\(Did you mean (.*)\?\)$/.exec(suggestion ?? "")?.[1];
  const help = command === undefined ? "shrike --help" : `shrike ${command} --help`;
  return new UsageError(
    `Cannot read the command line: ${state}`,
    meant === undefined ? `see ${help}` : `did you mean ${meant}? see ${help}`,
  );
}

function exitCodesHelp(): string {
  const lines = EXIT_CODE_TEXTS.map(([code, text]) => `  ${String(code).padEnd(4)} ${text}`);
  return ["Exit codes:", ...lines].join("\n");
}
