/**
 * Filters as people type them: `KEY OPERATOR VALUE`, such as `binary=/usr/bin/*`.
 *
 * @module
 */

/** A filter that cannot be used. */
export class FilterError extends Error {
  override readonly name = "FilterError";

  /**
   * `position` counts UTF-16 units of `expression` from 0; `found` is what stands there; `hint`
   * says what to do.
   */
  constructor(
    readonly expression: string,
    readonly position: number,
    readonly found: string,
    problem: string,
    readonly hint: string,
    options?: ErrorOptions,
  ) {
    super(`Cannot use filter "${expression}": ${problem} at position ${position}`, options);
  }
}

/** What a filter can ask for. */
export type FilterKey = ProcessKey | WorkloadKey | PolicyKey | NetworkKey | "event" | "tree";
/** Asked of the process of an event. */
export type ProcessKey = "binary" | "args" | "argv" | "uid" | "pid";
/** Asked of the workload of that process. */
export type WorkloadKey = "workload" | "container" | "pod" | "namespace" | "unit";
/** Asked of what a policy told. */
export type PolicyKey = "policy" | "action";
/** Asked of what happens on the network. */
export type NetworkKey = "peer" | "port" | "protocol" | "domain" | "class";
export type FilterOperator = "=" | "!=" | "~" | "!~";

/** One value of a list, with the place where it starts. */
export interface FilterValue {
  readonly text: string;
  readonly position: number;
}

/** A filter taken apart; its values are not checked yet. */
export interface FilterExpression {
  readonly expression: string;
  readonly key: FilterKey;
  readonly operator: FilterOperator;
  /** One for `~` and `!~`, where commas belong to the pattern; else the comma-separated list. */
  readonly values: readonly FilterValue[];
}

/** Operators of each key, with an example for the hints. */
const KEYS: Readonly<Record<FilterKey, { operators: readonly FilterOperator[]; example: string }>> =
  {
    event: { operators: ["=", "!="], example: "event=exec,exit" },
    binary: { operators: ["=", "!=", "~", "!~"], example: "binary=/usr/bin/*" },
    args: { operators: ["~", "!~"], example: "args~--password" },
    argv: { operators: ["=", "!=", "~", "!~"], example: "argv=-rf" },
    uid: { operators: ["=", "!="], example: "uid=0,alice" },
    pid: { operators: ["=", "!="], example: "pid=1234" },
    tree: { operators: ["=", "!="], example: "tree=1234" },
    workload: { operators: ["=", "!="], example: "workload=container/web" },
    container: { operators: ["=", "!="], example: "container=web" },
    pod: { operators: ["=", "!="], example: "pod=prod/web-*" },
    namespace: { operators: ["=", "!="], example: "namespace=prod" },
    unit: { operators: ["=", "!="], example: "unit=ssh.service" },
    policy: { operators: ["=", "!="], example: "policy=no-shadow*" },
    action: { operators: ["=", "!="], example: "action=sigkill,override" },
    peer: { operators: ["=", "!="], example: "peer=10.0.0.0/8" },
    port: { operators: ["=", "!="], example: "port=443,8000-8100" },
    protocol: { operators: ["=", "!="], example: "protocol=udp" },
    domain: { operators: ["=", "!="], example: "domain=*.example.org" },
    class: { operators: ["=", "!="], example: "class=public" },
  };

const EXPRESSION_LENGTH_MAX = 8192;
const VALUES_MAX = 256;

/** @throws {FilterError} */
export function parseFilterExpression(expression: string): FilterExpression {
  if (expression.length > EXPRESSION_LENGTH_MAX) {
    const found = expression.slice(EXPRESSION_LENGTH_MAX, EXPRESSION_LENGTH_MAX + 16);
    const shown = expression.slice(0, 32) + "…";
    const problem = `it is longer than ${EXPRESSION_LENGTH_MAX} characters`;
    throw new FilterError(shown, EXPRESSION_LENGTH_MAX, found, problem, "split it into several");
  }
  const head = /^(\s*)([A-Za-z_]*)(\s*)(!=|!~|==|=~|=|~)?(\s*)/.exec(expression);
  const [matched = "", space = "", word = "", gap = "", sign] = head ?? [];
  const key = checkKey(expression, word, space.length);
  const operatorAt = space.length + word.length + gap.length;
  if (sign === undefined || sign === "==" || sign === "=~") {
    const found = sign ?? expression.slice(operatorAt, operatorAt + 16);
    const problem = found === "" ? "no operator" : `no operator but "${found}"`;
    throw new FilterError(expression, operatorAt, found, problem, keyHint(key));
  }
  const operator = sign as FilterOperator;
  if (!KEYS[key].operators.includes(operator)) {
    const problem = `"${key}" has no operator "${operator}"`;
    throw new FilterError(expression, operatorAt, operator, problem, keyHint(key));
  }
  const rest = expression.slice(matched.length);
  const values = operator.endsWith("~")
    ? [{ text: rest, position: matched.length }]
    : splitList(rest, matched.length);
  checkValues(expression, key, values);
  return { expression, key, operator, values };
}

/** The name nearest to a misspelt one, as "did you mean ...", or the list of all. */
export function suggestionHint(word: string, names: readonly string[], what: string): string {
  const lower = word.toLowerCase();
  let best: string | undefined;
  // One slip in three letters still looks like the word; more does not.
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(lower, name);
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  const list = `${what}: ${names.join(", ")}`;
  return best === undefined ? list : `did you mean "${best}"? ${list}`;
}

/** What can be typed for a key. */
export function keyHint(key: FilterKey): string {
  return `use ${key} with ${KEYS[key].operators.join(" ")}, such as ${KEYS[key].example}`;
}

function checkKey(expression: string, word: string, position: number): FilterKey {
  if (Object.hasOwn(KEYS, word)) return word as FilterKey;
  const names = Object.keys(KEYS);
  if (word === "") {
    const found = expression.slice(position, position + 16);
    const hint = `write KEY=VALUE, such as ${KEYS.binary.example}; keys: ${names.join(", ")}`;
    throw new FilterError(expression, position, found, "no key", hint);
  }
  const hint = suggestionHint(word, names, "keys");
  throw new FilterError(expression, position, word, `unknown key "${word}"`, hint);
}

/** Splits at commas; `\,` is a comma of the value, other backslashes stay for the pattern. */
function splitList(text: string, position: number): FilterValue[] {
  const values: FilterValue[] = [];
  let value = "";
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    if (at === text.length || text[at] === ",") {
      values.push({ text: value, position: position + start });
      value = "";
      start = at + 1;
    } else if (text[at] === "\\" && at + 1 < text.length) {
      value += text[at + 1] === "," ? "," : `\\${text[at + 1]}`;
      at++;
    } else {
      value += text[at];
    }
  }
  return values;
}

function checkValues(expression: string, key: FilterKey, values: readonly FilterValue[]): void {
  const empty = values.find((value) => value.text === "");
  // An empty argument is a value one may look for.
  if (empty !== undefined && !(key === "argv" && values.length === 1)) {
    throw new FilterError(expression, empty.position, "", "no value", keyHint(key));
  }
  const over = values[VALUES_MAX];
  if (over !== undefined) {
    const problem = `more than ${VALUES_MAX} values`;
    throw new FilterError(expression, over.position, over.text, problem, "use a pattern instead");
  }
}

/** Letters added, left out, changed or swapped with a neighbour; both words are short. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) distance = Math.min(distance, (before[j - 2] ?? 0) + 1);
      next.push(distance);
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
