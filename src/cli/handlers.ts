/**
 * What stands between the command tree and the work.
 *
 * @module
 */
import type { Command } from "commander";
import type { Shell } from "./completion/shell.ts";
import type { ExitCode } from "./exit_codes.ts";
import type { PolicyChange, PolicyCheckRequest } from "./policy_request.ts";
import type { TypedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

/** What the subcommands do; each resolves to the exit code. */
export interface Handlers {
  run(typed: TypedSettings, terminal: Terminal): Promise<ExitCode>;
  ps(typed: TypedSettings, terminal: Terminal): Promise<ExitCode>;
  cgroups(typed: TypedSettings, terminal: Terminal): Promise<ExitCode>;
  workloads(typed: TypedSettings, terminal: Terminal): Promise<ExitCode>;
  top(typed: TypedSettings, terminal: Terminal): Promise<ExitCode>;
  policyCheck(request: PolicyCheckRequest, terminal: Terminal): Promise<ExitCode>;
  policyFix(path: string, terminal: Terminal): Promise<ExitCode>;
  policyList(typed: TypedSettings, terminal: Terminal): Promise<ExitCode>;
  policyShow(name: string, typed: TypedSettings, terminal: Terminal): Promise<ExitCode>;
  policyAdd(
    paths: readonly string[],
    typed: TypedSettings,
    terminal: Terminal,
  ): Promise<ExitCode>;
  policyPlan(
    paths: readonly string[],
    typed: TypedSettings,
    terminal: Terminal,
  ): Promise<ExitCode>;
  policyChange(
    changes: readonly PolicyChange[],
    typed: TypedSettings,
    terminal: Terminal,
  ): Promise<ExitCode>;
  version(typed: TypedSettings, terminal: Terminal): Promise<ExitCode>;
  doctor(typed: TypedSettings, terminal: Terminal): Promise<ExitCode>;
  install(typed: TypedSettings, terminal: Terminal): Promise<ExitCode>;
  uninstall(typed: TypedSettings, terminal: Terminal): Promise<ExitCode>;
  completion(shell: Shell, program: Command, terminal: Terminal): Promise<ExitCode>;
}

/** Called by the action of a subcommand with what it is to do. */
export type Dispatch = (work: (handlers: Handlers) => Promise<ExitCode>) => Promise<void>;
