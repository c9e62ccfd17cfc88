/**
 * The command line: arguments in, exit code out.
 *
 * @module
 */
import type { Handlers } from "./handlers.ts";
import { type ErrorReport, reportError } from "./error_report.ts";
import { ExitCode } from "./exit_codes.ts";
import { runProgram } from "./program.ts";
import { ClosedPipeError, openTerminal, type Terminal } from "./terminal.ts";

export { ExitCode } from "./exit_codes.ts";
export { openTerminal, type Terminal } from "./terminal.ts";

/** Each subcommand loads what it needs when it is called: help needs none of it. */
const HANDLERS: Handlers = {
  run: async (typed, terminal) => (await import("./run_session.ts")).runAgent(typed, terminal),
  ps: async (typed, terminal) =>
    (await import("./list_processes.ts")).listProcesses(typed, terminal),
  cgroups: async (typed, terminal) =>
    (await import("./list_cgroups.ts")).listCgroups(typed, terminal),
  workloads: async (typed, terminal) =>
    (await import("./list_workloads.ts")).listWorkloads(typed, terminal),
  top: async (typed, terminal) => (await import("./show_top.ts")).showTop(typed, terminal),
  policyFix: async (path, terminal) =>
    (await import("./fix_policies.ts")).fixPolicyFile(path, terminal),
  policyCheck: async (request, terminal) =>
    (await import("./check_policies.ts")).checkPolicies(request, terminal),
  policyList: async (typed, terminal) =>
    (await import("./manage_policies.ts")).listPolicies(typed, terminal),
  policyShow: async (name, typed, terminal) =>
    (await import("./manage_policies.ts")).showPolicy(name, typed, terminal),
  policyAdd: async (paths, typed, terminal) =>
    (await import("./manage_policies.ts")).addPolicies(paths, typed, terminal),
  policyPlan: async (paths, typed, terminal) =>
    (await import("./manage_policies.ts")).planPolicies(paths, typed, terminal),
  policyChange: async (changes, typed, terminal) =>
    (await import("./manage_policies.ts")).changePolicies(changes, typed, terminal),
  version: async (typed, terminal) =>
    (await import("./show_version.ts")).showVersion(typed, terminal),
  doctor: async (typed, terminal) =>
    (await import("./diagnose_host.ts")).diagnoseHost(typed, terminal),
  install: async (typed, terminal) =>
    (await import("./install_program.ts")).installProgram(typed, terminal),
  uninstall: async (typed, terminal) =>
    (await import("./install_program.ts")).uninstallProgram(typed, terminal),
  completion: async (shell, program, terminal) => {
    const { completionScript } = await import("./completion/mod.ts");
    terminal.writeOut(completionScript(shell, program));
    return ExitCode.ok;
  },
};

/**
 * Runs the command that `args` name.
 *
 * @returns the exit code; what went wrong has been written to stderr
 */
export async function runCli(
  args: readonly string[],
  terminal: Terminal = openTerminal(),
  handlers: Handlers = HANDLERS,
): Promise<ExitCode> {
  try {
    return await runProgram(args, terminal, handlers);
  } catch (error) {
    if (error instanceof ClosedPipeError) return ExitCode.ok;
    return writeReport(terminal, reportError(error, { withTrace: wantsTrace(args, terminal) }));
  }
}

function writeReport(terminal: Terminal, { lines, exitCode }: ErrorReport): ExitCode {
  terminal.writeError(lines.map((line) => `${line}\n`).join(""));
  return exitCode;
}

/** Read from the raw sources: the mistake may be in the settings themselves. */
function wantsTrace(args: readonly string[], { environment }: Terminal): boolean {
  const { SHRIKE_DEBUG: debug, SHRIKE_LOG_LEVEL: level } = environment;
  if (debug !== undefined && debug !== "" && debug !== "0") return true;
  const typed = args.some((arg, index) =>
    arg === "--log-level=debug" || (arg === "--log-level" && args[index + 1] === "debug")
  );
  return typed || level === "debug";
}
