/**
 * Filters on whose a process is. The names of a new container are told some milliseconds after its
 * first events, so the answer may be that it cannot be told yet.
 *
 * @module
 */
import type { Workload, WorkloadKind } from "../events/mod.ts";
import {
  FilterError,
  type FilterExpression,
  type FilterValue,
  suggestionHint,
  type WorkloadKey,
} from "./filter_expression.ts";
import { Glob } from "./glob.ts";

/** Whether an event is shown; undecided while a name is on the way that decides it. */
export type Verdict = "shown" | "hidden" | "undecided";

/** undefined: a runtime is being asked for what would tell. */
type Test = (workload: Workload) => boolean | undefined;

interface Condition {
  readonly test: Test;
  /** What `test` must give. */
  readonly wanted: boolean;
}

const KINDS: readonly WorkloadKind[] = [
  ...["container", "pod", "machine", "service", "scope"] as const,
  ...["slice", "unit", "session", "host"] as const,
];

/** Fewer digits of an id name many containers, and are words too: "cafe". */
const ID_PREFIX = /^[0-9a-f]{6,64}$/i;
const WHOLE_ID = /^[0-9a-f]{64}$/;

/** All of them must hold. */
export class WorkloadConditions {
  readonly #conditions: Condition[] = [];
  /** Many processes have one workload, which never changes. */
  readonly #verdicts = new WeakMap<Workload, Verdict>();

  /** @throws {FilterError} */
  add(parsed: FilterExpression, key: WorkloadKey): void {
    this.#conditions.push({ test: makeTest(parsed, key), wanted: parsed.operator === "=" });
  }

  /** Whether there are any. */
  get isEmpty(): boolean {
    return this.#conditions.length === 0;
  }

  /** Whether they hold, or may when more is known. */
  judge(workload: Workload): Verdict {
    if (this.isEmpty) return "shown";
    let verdict = this.#verdicts.get(workload);
    if (verdict === undefined) {
      verdict = this.#judge(workload);
      this.#verdicts.set(workload, verdict);
    }
    return verdict;
  }

  /** Whether they hold by what is known: a name that is not known is no name. */
  hold(workload: Workload): boolean {
    return this.#conditions.every(({ test, wanted }) => (test(workload) ?? false) === wanted);
  }

  #judge(workload: Workload): Verdict {
    let verdict: Verdict = "shown";
    for (const { test, wanted } of this.#conditions) {
      const answer = test(workload);
      if (answer === !wanted) return "hidden";
      if (answer === undefined) verdict = "undecided";
    }
    return verdict;
  }
}

/** Whether a runtime is being asked, or will be with the next event, for names of the workload. */
export function areNamesComing({ reason }: Workload): boolean {
  return reason === "lookup_running" || reason === "lookup_queue_full";
}

function makeTest(parsed: FilterExpression, key: WorkloadKey): Test {
  switch (key) {
    case "workload":
      return anyOf(parsed.values.map((value) => workloadTest(parsed, value)));
    case "container":
      return anyOf(parsed.values.map(({ text }) => containerTest(text)));
    case "pod":
      return anyOf(parsed.values.map(({ text }) => podTest(text)));
    case "namespace":
      return anyOf(parsed.values.map(({ text }) => namespaceTest(text)));
    case "unit":
      return anyOf(parsed.values.map(({ text }) => unitTest(text)));
  }
}

function anyOf(tests: readonly Test[]): Test {
  return (workload) => {
    let answer: boolean | undefined = false;
    for (const test of tests) {
      const one = test(workload);
      if (one === true) return true;
      if (one === undefined) answer = undefined;
    }
    return answer;
  };
}

/** `KIND` or `KIND/NAME`. */
function workloadTest(parsed: FilterExpression, value: FilterValue): Test {
  const slash = value.text.indexOf("/");
  const kinds = readKinds(parsed, value, slash < 0 ? value.text : value.text.slice(0, slash));
  if (slash < 0) return ({ kind }) => kinds.has(kind);
  const name = value.text.slice(slash + 1);
  if (name === "") {
    const position = value.position + slash + 1;
    const hint = "write KIND alone or KIND/NAME, such as workload=container/web";
    throw new FilterError(parsed.expression, position, "", "no name", hint);
  }
  const named = nameTest(name);
  const hasId = idTest(name);
  return (workload) => {
    const { kind, id } = workload;
    if (kinds.has(kind) && (named(workload.name) || hasId(id))) return true;
    // A runtime may tell that a container is the sandbox of a pod.
    const mayFit = kinds.has(kind) || (kind === "container" && kinds.has("pod"));
    return mayFit && areNamesComing(workload) ? undefined : false;
  };
}

function readKinds(
  { expression }: FilterExpression,
  { position }: FilterValue,
  text: string,
): ReadonlySet<WorkloadKind> {
  const glob = new Glob(text);
  const kinds = KINDS.filter((kind) => glob.matches(kind));
  if (kinds.length > 0) return new Set(kinds);
  const problem = text === "" ? "no kind" : `unknown kind "${text}"`;
  const hint = suggestionHint(text, KINDS, "kinds");
  throw new FilterError(expression, position, text, problem, hint);
}

/** By name, by the name in its pod, or by the first digits of its id. */
function containerTest(text: string): Test {
  const glob = new Glob(text);
  const hasId = idTest(text);
  return (workload) => {
    const { container, pod } = workload;
    if (container === undefined) return false;
    if (hasId(container.id)) return true;
    // Ids of ctr, LXC and nspawn are names.
    const ownName = WHOLE_ID.test(container.id) ? undefined : container.id;
    for (const name of [container.name, pod?.containerName, ownName]) {
      if (name !== undefined && glob.matches(name)) return true;
    }
    return areNamesComing(workload) ? undefined : false;
  };
}

/** `NAME` or `NAMESPACE/NAME`. */
function podTest(text: string): Test {
  const glob = new Glob(text);
  const withNamespace = text.includes("/");
  return (workload) => {
    const { namespace, name } = workload.pod ?? {};
    if (name === undefined) return mayBeInPod(workload);
    return glob.matches(withNamespace ? `${namespace ?? ""}/${name}` : name);
  };
}

function namespaceTest(text: string): Test {
  const glob = new Glob(text);
  return (workload) => {
    const namespace = workload.pod?.namespace;
    return namespace === undefined ? mayBeInPod(workload) : glob.matches(namespace);
  };
}

/** A path need not show the pod of a container. */
function mayBeInPod(workload: Workload): boolean | undefined {
  const { kind } = workload;
  const mayBe = (kind === "container" || kind === "pod") && areNamesComing(workload);
  return mayBe ? undefined : false;
}

/** A name without a type is a service, as for systemctl; escapes need not be escaped again. */
function unitTest(text: string): Test {
  const glob = new Glob(text);
  const service = /^[\w@-]+$/.test(text) ? `${text}.service` : undefined;
  return ({ unit }) => {
    if (unit === undefined) return false;
    return unit.name === text || unit.name === service || glob.matches(unit.name);
  };
}

/** A pattern without a slash is also tried on what stands after the last one. */
function nameTest(pattern: string): (name: string) => boolean {
  const glob = new Glob(pattern);
  if (pattern.includes("/")) return (name) => glob.matches(name);
  return (name) => glob.matches(name) || glob.matches(name.slice(name.lastIndexOf("/") + 1));
}

function idTest(text: string): (id: string) => boolean {
  if (!ID_PREFIX.test(text)) return () => false;
  const digits = text.toLowerCase();
  return (id) => WHOLE_ID.test(id) && id.startsWith(digits);
}
