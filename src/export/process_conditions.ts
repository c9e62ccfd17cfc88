/**
 * Filters on what a process runs, as whom and with which arguments.
 *
 * @module
 */
import type { Process, Text } from "../events/mod.ts";
import { argumentsText } from "./arguments_text.ts";
import {
  FilterError,
  type FilterExpression,
  type FilterValue,
  keyHint,
  type ProcessKey,
} from "./filter_expression.ts";
import { Glob } from "./glob.ts";

/** Whether a process fits. */
export type ProcessCondition = (process: Process) => boolean;

/** What conditions look up. */
export interface ConditionOptions {
  /** uid of a user name; without it filters take numbers only. */
  readonly userId?: (name: string) => number | undefined;
}

/**
 * Characters of a text that a regex is tried on. The engine backtracks, so a bad pattern on a long
 * text could hold up the agent; what a pattern would find beyond is not found.
 */
const REGEX_TEXT_LENGTH_MAX = 4096;

/** @throws {FilterError} */
export function processCondition(
  parsed: FilterExpression,
  key: ProcessKey,
  options: ConditionOptions,
): ProcessCondition {
  const condition = makeCondition(parsed, key, options);
  return parsed.operator.startsWith("!") ? (process) => !condition(process) : condition;
}

function makeCondition(
  parsed: FilterExpression,
  key: ProcessKey,
  options: ConditionOptions,
): ProcessCondition {
  switch (key) {
    case "uid": {
      const uids = new Set(parsed.values.map((value) => readUid(parsed, value, options)));
      return ({ credentials }) => uids.has(credentials.euid);
    }
    case "pid": {
      const pids = new Set(parsed.values.map((value) => readPid(parsed, value)));
      return ({ tgid }) => pids.has(tgid);
    }
    case "args": {
      const found = regexTest(parsed);
      return ({ argv }) => found(argumentsText(argv));
    }
    case "argv": {
      const found = isRegex(parsed) ? regexTest(parsed) : listTest(parsed);
      return ({ argv }) => argv.some((argument) => found(argument.text));
    }
    case "binary": {
      const found = isRegex(parsed) ? regexTest(parsed) : pathTest(parsed);
      return ({ binary, exe }) => found(binary.text) || foundIn(exe, found);
    }
  }
}

function foundIn(exe: { readonly path: Text } | undefined, found: (text: string) => boolean) {
  return exe !== undefined && found(exe.path.text);
}

function isRegex(parsed: FilterExpression): boolean {
  return parsed.operator.endsWith("~");
}

/** Globs over paths; one without a slash is tried on the base name. */
function pathTest(parsed: FilterExpression): (text: string) => boolean {
  const globs = parsed.values.map(({ text }) => ({
    glob: new Glob(text),
    isBaseName: !text.includes("/") && !text.includes("**"),
  }));
  return (text) => {
    const base = text.slice(text.lastIndexOf("/") + 1);
    return globs.some(({ glob, isBaseName }) => glob.matches(isBaseName ? base : text));
  };
}

/** Exact values; a backslash takes the next character literally, as in globs. */
function listTest(parsed: FilterExpression): (text: string) => boolean {
  const values = new Set(parsed.values.map(({ text }) => text.replace(/\\(.)/gs, "$1")));
  return (text) => values.has(text);
}

function regexTest(parsed: FilterExpression): (text: string) => boolean {
  const value = parsed.values[0] ?? { text: "", position: 0 };
  let pattern: RegExp;
  try {
    pattern = new RegExp(value.text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const hint = `use a JavaScript regular expression (${reason})`;
    const { expression } = parsed;
    throw new FilterError(expression, value.position, value.text, "a bad pattern", hint, { cause });
  }
  return (text) => {
    try {
      return pattern.test(text.slice(0, REGEX_TEXT_LENGTH_MAX));
    } catch {
      // The engine ran out of its stack; it cannot be told, so it counts as not found.
      return false;
    }
  };
}

/** @throws {FilterError} */
export function readPid(parsed: FilterExpression, value: FilterValue): number {
  const pid = readNumber(value.text);
  // PID_MAX_LIMIT of 64-bit kernels is 2^22.
  if (pid !== undefined && pid >= 1 && pid <= 4_194_304) return pid;
  const problem = `"${value.text}" is not a pid`;
  throw new FilterError(
    parsed.expression,
    value.position,
    value.text,
    problem,
    keyHint(parsed.key),
  );
}

function readUid(
  parsed: FilterExpression,
  value: FilterValue,
  options: ConditionOptions,
): number {
  const uid = readNumber(value.text) ?? options.userId?.(value.text);
  // (uid_t)-1 is nobody's, and stands for ids that are not known.
  if (uid !== undefined && uid < 0xffff_ffff) return uid;
  const problem = `no user is named "${value.text}"`;
  const hint = "give the number or a name of /etc/passwd, such as uid=0";
  throw new FilterError(parsed.expression, value.position, value.text, problem, hint);
}

function readNumber(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
