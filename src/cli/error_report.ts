/**
 * Errors as people see them: one line with the cause, one with the cure, and the exit code.
 *
 * @module
 */
import { ConfigError, problemText } from "../config/mod.ts";
import { escapeControls } from "../telemetry/mod.ts";
import { ExitCode } from "./exit_codes.ts";

/** A mistake on the command line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** What is printed, and the exit code. */
export interface ErrorReport {
  /** Lines for stderr, without line feeds. */
  readonly lines: readonly string[];
  readonly exitCode: ExitCode;
}

/** Errors of the rooms say what to do in `hint`; those without are bugs or surprises. */
interface ErrorFields {
  readonly hint?: unknown;
  readonly errnoName?: unknown;
  readonly code?: unknown;
  readonly feature?: unknown;
}

const PERMISSION_ERRNOS: readonly unknown[] = ["EPERM", "EACCES"];
const LIMIT_ERRNOS: readonly unknown[] = ["ENOMEM", "EMFILE"];
/** Causes followed at most; longer chains are loops. */
const CAUSE_DEPTH_MAX = 8;

/** @param withTrace add the stack trace of errors and their causes */
export function reportError(error: unknown, { withTrace }: { withTrace: boolean }): ErrorReport {
  if (error instanceof ConfigError) {
    const lines = error.problems.flatMap((problem) => [
      `shrike: ${escapeControls(problemText(problem))}`,
      `hint: ${escapeControls(problem.hint)}`,
    ]);
    return { lines, exitCode: ExitCode.usage };
  }
  const known = causes(error).find((cause) => typeof (cause as ErrorFields).hint === "string");
  const lines = known === undefined ? internalErrorLines(error) : [
    `shrike: ${oneLine(messageOf(known))}`,
    `hint: ${oneLine((known as { hint: string }).hint)}`,
  ];
  if (withTrace) {
    for (const cause of causes(error)) {
      const stack = cause instanceof Error ? cause.stack : undefined;
      lines.push(...(stack ?? String(cause)).split("\n").map(escapeControls));
    }
  }
  return { lines, exitCode: exitCodeOf(error) };
}

function internalErrorLines(error: unknown): string[] {
  return [
    `shrike: Cannot go on: ${oneLine(messageOf(error))}`,
    "hint: this is likely a bug; run again with SHRIKE_DEBUG=1 for the stack trace and report it",
  ];
}

function exitCodeOf(error: unknown): ExitCode {
  for (const cause of causes(error)) {
    if (cause instanceof UsageError) return ExitCode.usage;
    const { errnoName, code, feature } = cause as ErrorFields;
    const errno = errnoName ?? code;
    if (feature !== undefined) return ExitCode.notSupported;
    if (PERMISSION_ERRNOS.includes(errno)) return ExitCode.notPermitted;
    if (LIMIT_ERRNOS.includes(errno)) return ExitCode.noMemory;
  }
  return ExitCode.failure;
}

/** The error and what caused it, outermost first. */
function causes(error: unknown): object[] {
  const found: object[] = [];
  let current: unknown = error;
  while (found.length < CAUSE_DEPTH_MAX && typeof current === "object" && current !== null) {
    found.push(current);
    current = (current as { cause?: unknown }).cause;
  }
  return found;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The first line; more of it, such as a verifier log, is for the trace. */
function oneLine(text: string): string {
  return escapeControls(text.split("\n")[0]!);
}
