/**
 * The subcommands of `shrike policy` that ask the running agent, as they are typed.
 *
 * @module
 */
import { Argument, type Command } from "commander";
import { nearestWord, type OptionCommand } from "../config/mod.ts";
import { UsageError } from "./error_report.ts";
import type { Dispatch } from "./handlers.ts";
import type { PolicySwitch } from "./policy_request.ts";
import { addTableOptions, sourcesHelp, typedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

const MODES: readonly PolicySwitch[] = ["enforce", "monitor"];

const LIST_EXAMPLES = `
Examples:
  shrike policy list
  shrike policy list -o json | jq -r 'select(.state != "enabled") | .name'
`;

const SHOW_EXAMPLES = `
Examples:
  shrike policy show keep-secrets
  shrike policy show -o json keep-secrets | jq -r .text
`;

const ADD_EXAMPLES = `
Examples:
  shrike policy add keep-secrets.yaml
  shrike policy add --persist --mode monitor keep-secrets.yaml
  shrike policy add --replace - < keep-secrets.yaml
`;

const PLAN_EXAMPLES = `
Examples:
  shrike policy plan keep-secrets.yaml
  shrike policy plan -o json keep-secrets.yaml | jq .kernel_size
`;

/** Adds them to `policy`. */
export function addPolicyAgentCommands(
  policy: Command,
  terminal: Terminal,
  dispatch: Dispatch,
): void {
  addListCommand(policy, terminal, dispatch);
  addShowCommand(policy, terminal, dispatch);
  addAddCommand(policy, terminal, dispatch);
  addPlanCommand(policy, terminal, dispatch);
  const add = (row: ChangeRow) => addChangeCommand(policy, row, { terminal, dispatch });
  CHANGES.forEach(add);
  addModeCommand(policy, terminal, dispatch);
}

function addListCommand(policy: Command, terminal: Terminal, dispatch: Dispatch): void {
  const command = policy.command("list")
    .summary("Show the policies of the running agent")
    .description(
      "Shows each policy with its state and mode, how sure it is that what it forbids does not " +
        "happen, the workloads it concerns now, what it has done (told/signalled/made to fail), " +
        "and the kernel memory it takes.",
    );
  finish(command, "policy list", LIST_EXAMPLES)
    .action(() =>
      dispatch((handlers) => handlers.policyList(typedSettings(command, "policy list"), terminal))
    );
}

function addShowCommand(policy: Command, terminal: Terminal, dispatch: Dispatch): void {
  const command = policy.command("show")
    .summary("Show one policy: its rules and its text")
    .description("Shows what is known of a policy, what becomes of each rule, and its text.")
    .addArgument(new Argument("<name>", "Name of the policy"));
  finish(command, "policy show", SHOW_EXAMPLES)
    .action((name: string) =>
      dispatch((handlers) =>
        handlers.policyShow(name, typedSettings(command, "policy show"), terminal)
      )
    );
}

function addAddCommand(policy: Command, terminal: Terminal, dispatch: Dispatch): void {
  const command = policy.command("add")
    .summary("Give policies to the running agent")
    .description(
      "Reads files and gives each to the agent, which takes all of a file or nothing. The exit " +
        "code is 2 when something is wrong with one; the others are added all the same.",
    )
    .addArgument(new Argument("<file...>", "Files, - for stdin"));
  finish(command, "policy add", ADD_EXAMPLES)
    .action((paths: string[]) =>
      dispatch((handlers) =>
        handlers.policyAdd(paths, typedSettings(command, "policy add"), terminal)
      )
    );
}

function addPlanCommand(policy: Command, terminal: Terminal, dispatch: Dispatch): void {
  const command = policy.command("plan")
    .summary("Say what would come of adding policies, and do nothing")
    .description(
      "Asks the agent what each file would load on this kernel: hooks, guarantee of each rule, " +
        "kernel memory, workloads that match now, conflicts. The exit code is 2 when it would " +
        "not be taken. Without an agent, policy check says what is wrong with a file.",
    )
    .addArgument(new Argument("<file...>", "Files, - for stdin"));
  finish(command, "policy plan", PLAN_EXAMPLES)
    .action((paths: string[]) =>
      dispatch((handlers) =>
        handlers.policyPlan(paths, typedSettings(command, "policy plan"), terminal)
      )
    );
}

interface ChangeRow {
  readonly kind: "delete" | "enable" | "disable";
  readonly summary: string;
  readonly description: string;
}

const CHANGES: readonly ChangeRow[] = [
  {
    kind: "delete",
    summary: "Take policies away from the running agent",
    description:
      "Removes policies, also those that are kept over restarts. A policy of a watched " +
      "file comes back when the file is changed.",
  },
  {
    kind: "enable",
    summary: "Let policies act again",
    description: "Policies that were disabled act from now on.",
  },
  {
    kind: "disable",
    summary: "Let policies rest",
    description: "The policies stay, but match nothing until they are enabled.",
  },
];

function addChangeCommand(
  policy: Command,
  { kind, summary, description }: ChangeRow,
  { terminal, dispatch }: { readonly terminal: Terminal; readonly dispatch: Dispatch },
): void {
  const command = policy.command(kind)
    .summary(summary)
    .description(description)
    .addArgument(new Argument("<name...>", "Names of policies"));
  finish(command, "policy change", `\nExamples:\n  shrike policy ${kind} keep-secrets\n`)
    .action((names: string[]) => {
      const changes = names.map((name) => ({ kind, name }));
      return dispatch((handlers) =>
        handlers.policyChange(changes, typedSettings(command, "policy change"), terminal)
      );
    });
}

function addModeCommand(policy: Command, terminal: Terminal, dispatch: Dispatch): void {
  const kind = "set-mode";
  const command = policy.command(kind)
    .summary("Switch a policy between doing and only telling")
    .description("In mode monitor a policy tells what it would have done, and does nothing.")
    .addArgument(new Argument("<name>", "Name of the policy"))
    .addArgument(
      new Argument("<mode>", `Mode: ${MODES.join(", ")}`).choices(MODES).argParser(parseMode),
    );
  finish(command, "policy change", "\nExamples:\n  shrike policy set-mode keep-secrets monitor\n")
    .action((name: string, mode: PolicySwitch) =>
      dispatch((handlers) =>
        handlers.policyChange(
          [{ kind, name, mode }],
          typedSettings(command, "policy change"),
          terminal,
        )
      )
    );
}

function parseMode(text: string): PolicySwitch {
  const mode = MODES.find((mode) => mode === text);
  if (mode !== undefined) return mode;
  const nearest = nearestWord(text, MODES);
  const meant = nearest === undefined ? "" : `did you mean ${nearest}? `;
  throw new UsageError(
    `Cannot set the mode ${JSON.stringify(text)}: it is not known`,
    `${meant}known: ${MODES.join(", ")}`,
  );
}

function finish(command: Command, name: OptionCommand, examples: string): Command {
  addTableOptions(command, name);
  return command.addHelpText("after", `${examples}\n${sourcesHelp(name)}`);
}
