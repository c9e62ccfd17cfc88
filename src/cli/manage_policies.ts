/**
 * What the subcommands of `shrike policy` do that ask the running agent.
 *
 * @module
 */
import { type ControlClient, planJson, policyJson, RefusedError } from "../api/mod.ts";
import { type PolicyComplaint, type PolicySource, SYSTEM_POLICY_SOURCES } from "../policy/mod.ts";
import { escapeControls } from "../telemetry/mod.ts";
import { agentClient } from "./agent_client.ts";
import { ExitCode } from "./exit_codes.ts";
import { formatPlan, formatPolicy, formatPolicyTable } from "./policy_list.ts";
import type { PolicyChange } from "./policy_request.ts";
import { readStdin, STDIN } from "./read_stdin.ts";
import { loadSettings } from "./settings.ts";
import type { TypedSettings } from "./table_options.ts";
import { type Terminal, textLook } from "./terminal.ts";

/** A file of policies cannot be given to the agent. */
export class PolicyFileError extends Error {
  override readonly name = "PolicyFileError";

  constructor(path: string, state: string, readonly hint: string, cause?: unknown) {
    super(`Cannot read the policy "${path}": ${state}`, { cause });
  }
}

/** Writes the policies of the agent. */
export async function listPolicies(typed: TypedSettings, terminal: Terminal): Promise<ExitCode> {
  const config = loadSettings(typed, terminal);
  const policies = await agentClient(config).list();
  terminal.writeOut(
    config.policyFormat === "json"
      ? policies.map((policy) => `${JSON.stringify(policyJson(policy))}\n`).join("")
      : formatPolicyTable(policies, textLook(config.color, terminal)),
  );
  return ExitCode.ok;
}

/** Writes all about one policy. */
export async function showPolicy(
  name: string,
  typed: TypedSettings,
  terminal: Terminal,
): Promise<ExitCode> {
  const config = loadSettings(typed, terminal);
  const { status, text } = await agentClient(config).show(name);
  terminal.writeOut(
    config.policyFormat === "json"
      ? `${JSON.stringify({ ...policyJson(status), text })}\n`
      : formatPolicy(status, text, textLook("never", terminal)),
  );
  return ExitCode.ok;
}

/** Gives files to the agent, each as a whole. */
export async function addPolicies(
  paths: readonly string[],
  typed: TypedSettings,
  terminal: Terminal,
): Promise<ExitCode> {
  const config = loadSettings(typed, terminal);
  const client = agentClient(config);
  const { policyMode: mode, persists: isPersistent, replaces } = config;
  const options = { ...(mode !== undefined && { mode }), isPersistent, replaces };
  return await eachSource(paths, terminal, async (source) => {
    const policies = await client.add(source, options);
    for (const policy of policies) {
      terminal.writeOut(
        config.policyFormat === "json"
          ? `${JSON.stringify(policyJson(policy))}\n`
          : `${escapeControls(policy.name)}: ${policy.state}, ${policy.mode}, ` +
            `${policy.guarantee}\n`,
      );
    }
    return true;
  });
}

/** Writes what the agent would do with files. */
export async function planPolicies(
  paths: readonly string[],
  typed: TypedSettings,
  terminal: Terminal,
): Promise<ExitCode> {
  const config = loadSettings(typed, terminal);
  const client = agentClient(config);
  return await eachSource(paths, terminal, async (source) => {
    const plan = await client.plan(source);
    terminal.writeOut(
      config.policyFormat === "json"
        ? `${JSON.stringify({ file: source.file, ...planJson(plan) })}\n`
        : formatPlan(plan, textLook(config.color, terminal)),
    );
    return plan.conflicts.length === 0;
  });
}

/** Changes policies that are there, in order; ends at the first that fails. */
export async function changePolicies(
  changes: readonly PolicyChange[],
  typed: TypedSettings,
  terminal: Terminal,
): Promise<ExitCode> {
  const client = agentClient(loadSettings(typed, terminal));
  for (const change of changes) {
    try {
      await applyChange(client, change);
    } catch (error) {
      if (!writeComplaints(error, terminal)) throw error;
      return ExitCode.usage;
    }
  }
  return ExitCode.ok;
}

async function applyChange(client: ControlClient, change: PolicyChange): Promise<void> {
  const { kind, name } = change;
  if (kind === "set-mode") await client.setMode(name, change.mode);
  else if (kind === "delete") await client.remove(name);
  else await client.setEnabled(name, kind === "enable");
}

/** Goes on after a file with mistakes: its complaints are told, and the exit code. */
async function eachSource(
  paths: readonly string[],
  terminal: Terminal,
  use: (source: PolicySource) => Promise<boolean>,
): Promise<ExitCode> {
  let isAllRight = true;
  for (const path of paths) {
    const source = { file: path, text: readText(path) };
    try {
      if (!await use(source)) isAllRight = false;
    } catch (error) {
      if (!writeComplaints(error, terminal)) throw error;
      isAllRight = false;
    }
  }
  return isAllRight ? ExitCode.ok : ExitCode.usage;
}

function writeComplaints(error: unknown, terminal: Terminal): boolean {
  if (!(error instanceof RefusedError) || error.complaints.length === 0) return false;
  terminal.writeError(error.complaints.map(complaintLine).join(""));
  return true;
}

function complaintLine({ file, line, column, text, hint }: PolicyComplaint): string {
  return `${escapeControls(`${file}:${line}:${column}: ${text} (${hint})`)}\n`;
}

function readText(path: string): string {
  try {
    const bytes = path === STDIN ? readStdin() : SYSTEM_POLICY_SOURCES.readFile(path);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    if (cause instanceof TypeError) {
      throw new PolicyFileError(path, "it is not UTF-8", "save it as UTF-8");
    }
    const { code } = cause as { code?: unknown };
    if (code === "ENOENT") {
      throw new PolicyFileError(path, "there is no such file", "check the path");
    }
    const state = cause instanceof Error ? cause.message.split("\n")[0]! : String(cause);
    throw new PolicyFileError(path, state, "check its mode and kind", cause);
  }
}
