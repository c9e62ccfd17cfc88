/**
 * Which events a sink shows. One filter for all outputs.
 *
 * @module
 */
import type {
  AgentEvent,
  CgroupEvent,
  ProcessEvent,
  ProcessReference,
  Text,
} from "../events/mod.ts";
import type { Counters } from "../telemetry/mod.ts";
import { argumentsText } from "./arguments_text.ts";
import { isProcessEvent } from "./event_kind.ts";
import {
  FilterError,
  type FilterExpression,
  type FilterValue,
  keyHint,
  parseFilterExpression,
  suggestionHint,
} from "./filter_expression.ts";
import { Glob } from "./glob.ts";
import { ProcessTree } from "./process_tree.ts";

export interface EventFilterOptions {
  readonly counters: Counters;
  /** uid of a user name; without it filters take numbers only. */
  readonly userId?: (name: string) => number | undefined;
  /**
   * Whether forks are shown when no filter names them; default false, because `needsForks` may
   * make the pipeline emit forks that nobody wants to see.
   */
  readonly showForks?: boolean;
}

/** An event with the process that it is about. */
interface JudgedEvent {
  readonly type: AgentEvent["type"];
  readonly subject: ProcessReference;
}

type Condition = (event: JudgedEvent) => boolean;

const FILTERS_MAX = 64;
/**
 * Characters of a text that a regex is tried on. The engine backtracks, so a bad pattern on a long
 * text could hold up the agent; what a pattern would find beyond is not found.
 */
const REGEX_TEXT_LENGTH_MAX = 4096;

const EVENT_NAMES = new Map<string, AgentEvent["type"]>([
  ["exec", "process_exec"],
  ["exit", "process_exit"],
  ["fork", "process_fork"],
  ["gap", "gap"],
  ["process_exec", "process_exec"],
  ["process_exit", "process_exit"],
  ["process_fork", "process_fork"],
  ["cgroup_created", "cgroup_created"],
  ["cgroup_removed", "cgroup_removed"],
  ["cgroup_released", "cgroup_released"],
  ["cgroup_renamed", "cgroup_renamed"],
  ["cgroup_attached", "cgroup_attached"],
]);

/** All expressions must hold, one value of each list is enough. Gap events always pass. */
export class EventFilter {
  /** Whether it can only be right when it is shown fork events too. */
  readonly needsForks: boolean;
  readonly #conditions: Condition[] = [];
  readonly #trees: TreeCondition[] = [];
  readonly #showForks: boolean;

  /** @throws {FilterError} */
  constructor(expressions: readonly string[], options: EventFilterOptions) {
    const over = expressions[FILTERS_MAX];
    if (over !== undefined) {
      const problem = `more than ${FILTERS_MAX} filters`;
      throw new FilterError(over, 0, over, problem, "join values of one key with commas");
    }
    let namesForks = false;
    for (const expression of expressions) {
      const parsed = parseFilterExpression(expression);
      if (parsed.key === "tree") {
        this.#trees.push(new TreeCondition(parsed, options.counters));
        continue;
      }
      const condition = makeCondition(parsed, options);
      this.#conditions.push(parsed.operator.startsWith("!") ? negate(condition) : condition);
      namesForks ||= parsed.key === "event" && parsed.operator === "=" &&
        parsed.values.some(({ text }) => EVENT_NAMES.get(text) === "process_fork");
    }
    this.#showForks = namesForks || (options.showForks ?? false);
    this.needsForks = namesForks || this.#trees.length > 0;
  }

  /** Whether the event is shown. Call it once for every event, in order: trees follow them. */
  matches(event: AgentEvent): boolean {
    if (event.type === "gap" || event.type === "amend") return true;
    if (!isProcessEvent(event)) return this.#matchesCgroup(event);
    let shown = event.type !== "process_fork" || this.#showForks;
    // Each tree must see each event, whatever the others say.
    for (const tree of this.#trees) if (!tree.observe(event)) shown = false;
    if (!shown) return false;
    for (const condition of this.#conditions) if (!condition(event)) return false;
    return true;
  }

  /** By the process that acted or was moved; one that is not known matches no condition. */
  #matchesCgroup({ type, subject }: CgroupEvent): boolean {
    if (subject === undefined) return this.#trees.length === 0 && this.#conditions.length === 0;
    return this.#trees.every((tree) => tree.contains(subject.process.tgid)) &&
      this.#conditions.every((condition) => condition({ type, subject }));
  }
}

/** `tree=` and `tree!=`. */
class TreeCondition {
  readonly #tree: ProcessTree;
  readonly #wanted: boolean;

  constructor(parsed: FilterExpression, counters: Counters) {
    const overflow = counters.counter(
      "shrike_export_tree_overflow_total",
      "Members of a filtered process tree that were too many to follow",
    );
    this.#tree = new ProcessTree(parsed.values.map((value) => readPid(parsed, value)), overflow);
    this.#wanted = parsed.operator === "=";
  }

  observe(event: ProcessEvent): boolean {
    return this.#tree.observe(event) === this.#wanted;
  }

  contains(tgid: number): boolean {
    return this.#tree.contains(tgid) === this.#wanted;
  }
}

function makeCondition(parsed: FilterExpression, options: EventFilterOptions): Condition {
  switch (parsed.key) {
    case "event":
      return eventCondition(parsed);
    case "uid": {
      const uids = new Set(parsed.values.map((value) => readUid(parsed, value, options)));
      return (event) => uids.has(event.subject.process.credentials.euid);
    }
    case "pid":
    case "tree": {
      const pids = new Set(parsed.values.map((value) => readPid(parsed, value)));
      return (event) => pids.has(event.subject.process.tgid);
    }
    case "args": {
      const found = regexTest(parsed);
      return (event) => found(argumentsText(event.subject.process.argv));
    }
    case "argv": {
      const found = isRegex(parsed) ? regexTest(parsed) : listTest(parsed);
      return (event) => event.subject.process.argv.some((argument) => found(argument.text));
    }
    case "binary": {
      const found = isRegex(parsed) ? regexTest(parsed) : pathTest(parsed);
      return ({ subject: { process } }) =>
        found(process.binary.text) || foundIn(process.exe, found);
    }
  }
}

function foundIn(exe: { readonly path: Text } | undefined, found: (text: string) => boolean) {
  return exe !== undefined && found(exe.path.text);
}

function negate(condition: Condition): Condition {
  return (event) => !condition(event);
}

function isRegex(parsed: FilterExpression): boolean {
  return parsed.operator.endsWith("~");
}

function eventCondition(parsed: FilterExpression): Condition {
  const types = new Set(parsed.values.map(({ text, position }) => {
    const type = EVENT_NAMES.get(text);
    if (type !== undefined) return type;
    const hint = suggestionHint(text, ["exec", "exit", "fork", "gap"], "events");
    const problem = `unknown event "${text}"`;
    throw new FilterError(parsed.expression, position, text, problem, hint);
  }));
  return (event) => types.has(event.type);
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

function readPid(parsed: FilterExpression, value: FilterValue): number {
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
  options: EventFilterOptions,
): number {
  const uid = readNumber(value.text) ?? options.userId?.(value.text);
  if (uid !== undefined && uid <= 0xffff_ffff) return uid;
  const problem = `no user is named "${value.text}"`;
  const hint = "give the number or a name of /etc/passwd, such as uid=0";
  throw new FilterError(parsed.expression, value.position, value.text, problem, hint);
}

function readNumber(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
