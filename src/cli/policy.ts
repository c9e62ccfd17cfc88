/**
 * `shrike policy` and its subcommands as they are typed.
 *
 * @module
 */
import { Argument, type Command, Option } from "commander";
import type { Dispatch } from "./handlers.ts";
import { addPolicyAgentCommands } from "./policy_agent.ts";
import type { PolicyCheckFormat } from "./policy_request.ts";
import type { Terminal } from "./terminal.ts";

const FORMATS: readonly PolicyCheckFormat[] = ["text", "json"];

const CHECK_EXAMPLES = `
Examples:
  shrike policy check policy.yaml
  shrike policy check /etc/shrike/policies
  shrike policy check -o json - < policy.yaml | jq '.problems[].text'
`;

/** Adds the command to `program`. */
export function addPolicyCommand(program: Command, terminal: Terminal, dispatch: Dispatch): void {
  const policy = program.command("policy")
    .summary("Work with policies")
    .description("Policies say which operations of which workloads are told or made to fail.");
  addCheckCommand(policy, terminal, dispatch);
  addFixCommand(policy, terminal, dispatch);
  addPolicyAgentCommands(policy, terminal, dispatch);
}

function addFixCommand(policy: Command, terminal: Terminal, dispatch: Dispatch): void {
  policy.command("fix")
    .summary("Write rules on paths of system calls on the hooks that see the file")
    .description(
      "Paths of system calls are compared as the caller gave them. Writes the policies of a file " +
        "to stdout with such rules on the LSM hook that sees the file itself, and to stderr what " +
        "was changed and what was left, with the reason. The file stays as it is.",
    )
    .addArgument(new Argument("<path>", "File, - for stdin"))
    .addHelpText("after", "\nExample:\n  shrike policy fix policy.yaml > fixed.yaml\n")
    .action((path: string) => dispatch((handlers) => handlers.policyFix(path, terminal)));
}

function addCheckCommand(policy: Command, terminal: Terminal, dispatch: Dispatch): void {
  policy.command("check")
    .summary("Read policies and tell what is wrong with them")
    .description(
      "Reads files, and of folders those that end in .yaml, .yml or .json. Templates are joined " +
        "with the bindings that are read beside them. Needs no root, no kernel and no agent: " +
        "whether this kernel has the hooks is only noted. Notes say what is weaker than it may " +
        "look. The exit code is 2 when there is a mistake.",
    )
    .addArgument(new Argument("<path...>", "Files and folders, - for stdin"))
    .addOption(
      new Option("-o, --output <format>", `Form: ${FORMATS.join(", ")}`)
        .choices(FORMATS).default("text"),
    )
    .addHelpText("after", CHECK_EXAMPLES)
    .action((paths: string[], { output }: { output: PolicyCheckFormat }) =>
      dispatch((handlers) => handlers.policyCheck({ paths, format: output }, terminal))
    );
}
