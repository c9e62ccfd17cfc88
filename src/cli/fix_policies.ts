/**
 * What `shrike policy fix` does.
 *
 * @module
 */
import { fixPolicies, problemLine, readPolicies, SYSTEM_POLICY_SOURCES } from "../policy/mod.ts";
import { escapeControls } from "../telemetry/mod.ts";
import { ExitCode } from "./exit_codes.ts";
import { PolicyFileError } from "./manage_policies.ts";
import { readStdin, STDIN } from "./read_stdin.ts";
import type { Terminal } from "./terminal.ts";

/** Writes the policies of a file with rules on the hooks that see the object; the file stays. */
export function fixPolicyFile(path: string, terminal: Terminal): Promise<ExitCode> {
  const bytes = readFile(path);
  const before = readPolicies(bytes, { file: path });
  if (before.problems.length > 0) return refuse(before.problems.map(problemLine), terminal);
  const { text, changes, left } = fixPolicies(new TextDecoder().decode(bytes));
  const after = readPolicies(text, { file: path });
  if (after.problems.length > 0) return refuse(after.problems.map(problemLine), terminal);
  terminal.writeOut(text);
  const lines = [
    ...changes.map((change) => `changed: ${change}`),
    ...left.map((rule) => `left as it is: ${rule}`),
    ...changes.length + left.length === 0 ? ["nothing to change"] : [],
  ];
  terminal.writeError(lines.map((line) => `${escapeControls(line)}\n`).join(""));
  return Promise.resolve(ExitCode.ok);
}

function refuse(lines: readonly string[], terminal: Terminal): Promise<ExitCode> {
  terminal.writeError(lines.map((line) => `${line}\n`).join(""));
  return Promise.resolve(ExitCode.usage);
}

function readFile(path: string): Uint8Array {
  try {
    return path === STDIN ? readStdin() : SYSTEM_POLICY_SOURCES.readFile(path);
  } catch (cause) {
    const state = cause instanceof Error ? cause.message.split("\n")[0]! : String(cause);
    throw new PolicyFileError(path, state, "check the path, its mode and kind", cause);
  }
}
