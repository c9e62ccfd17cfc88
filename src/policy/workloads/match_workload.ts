/**
 * Whether a workload is one that a selector of a policy means.
 *
 * @module
 */
import type { Workload } from "../../events/mod.ts";
import type { LabelTerm, WorkloadSelector } from "../model.ts";
import { WordGlob } from "./word_glob.ts";

/** A cgroup with what is known of whose it is. */
export interface WorkloadSubject {
  readonly workload: Workload;
  /** Of the cgroup, from the root of its hierarchy. */
  readonly path: string | undefined;
}

/** Undecided: a runtime is being asked for what would tell. Until then it is not matched. */
export type WorkloadMatch = "matched" | "unmatched" | "undecided";

/** undefined: not known yet. */
type Answer = boolean | undefined;
type Test = (subject: WorkloadSubject) => Answer;

/** The selectors of a policy, or of `matchWorkloads`: one of them must match. None: all do. */
export class WorkloadMatcher {
  /** Whether it looks at the path, which is not the same for all cgroups of a workload. */
  readonly asksPath: boolean;
  readonly #selectors: readonly (readonly Test[])[];

  constructor(selectors: readonly WorkloadSelector[]) {
    this.asksPath = selectors.some(({ cgroupPaths, slices }) =>
      cgroupPaths !== undefined || slices !== undefined
    );
    this.#selectors = selectors.map(testsOf);
  }

  match(subject: WorkloadSubject): WorkloadMatch {
    if (this.#selectors.length === 0) return "matched";
    const answer = any(this.#selectors, (tests) => all(tests, (test) => test(subject)));
    return answer === undefined ? "undecided" : answer ? "matched" : "unmatched";
  }
}

/** Selectors that mean the same have the same key. */
export function selectorsKey(selectors: readonly WorkloadSelector[]): string {
  const keys = selectors.map(({ place: _, ...fields }) =>
    JSON.stringify(Object.entries(fields).toSorted(([a], [b]) => a < b ? -1 : 1))
  );
  return keys.toSorted().join("\n");
}

function testsOf(selector: WorkloadSelector): Test[] {
  const { kinds, names, images, labels, units, slices, users, cgroupPaths } = selector;
  const { podLabels, podNamespaces, containerNames, notContainerNames, runtimes } = selector;
  return [
    kinds && kindTest(kinds),
    runtimes && globTest(runtimes, runtimesOf, isContained),
    units && unitTest(units),
    users && userTest(users),
    slices && globTest(slices, slicesOf),
    cgroupPaths && pathTest(cgroupPaths),
    podNamespaces &&
    globTest(podNamespaces, ({ workload: { pod } }) => [pod?.namespace], isContained),
    containerNames && globTest(containerNames, containerNamesOf, isContained),
    notContainerNames && notContainerTest(notContainerNames),
    names && lastPartTest(names, namesOf, isContained),
    images && lastPartTest(images, imagesOf, isContained),
    labels && labelTest(labels, ({ workload }) => workload.container?.labels),
    podLabels && labelTest(podLabels, podLabelsOf),
  ].filter((test) => test !== undefined);
}

/** A container may turn out to be the sandbox of a pod. */
function kindTest(kinds: readonly string[]): Test {
  return ({ workload }) => {
    if (kinds.includes(workload.kind)) return true;
    const mayBe = workload.kind === "container" && kinds.includes("pod");
    return mayBe && areNamesComing(workload) ? undefined : false;
  };
}

type TextsOf = (subject: WorkloadSubject) => readonly (string | undefined)[];
/** Whether a workload that lacks the text may have it one day. */
type MayHave = (workload: Workload) => boolean;

/** One text of the subject matches one pattern. */
function globTest(
  patterns: readonly string[],
  textsOf: TextsOf,
  mayHave: MayHave = () => false,
): Test {
  const globs = patterns.map((pattern) => new WordGlob(pattern));
  return (subject) => {
    const texts = textsOf(subject);
    for (const text of texts) {
      if (text !== undefined && globs.some((glob) => glob.matches(text))) return true;
    }
    const { workload } = subject;
    const isComing = texts.includes(undefined) && areNamesComing(workload) && mayHave(workload);
    return isComing ? undefined : false;
  };
}

/** The same; a pattern without `/` is also tried on what stands after the last one. */
function lastPartTest(patterns: readonly string[], textsOf: TextsOf, mayHave?: MayHave): Test {
  const whole = globTest(patterns, textsOf, mayHave);
  const short = patterns.filter((pattern) => !pattern.includes("/"));
  if (short.length === 0) return whole;
  const last = globTest(
    short,
    (subject) => textsOf(subject).map((text) => text?.slice(text.lastIndexOf("/") + 1)),
    mayHave,
  );
  return (subject) => any([whole, last], (test) => test(subject));
}

/** A name without a type is a service, as for systemctl. */
function unitTest(patterns: readonly string[]): Test {
  const services = patterns.filter((pattern) => /^[\w@*?-]+$/.test(pattern))
    .map((pattern) => `${pattern}.service`);
  return globTest([...patterns, ...services], ({ workload: { unit, kind, name } }) => {
    // A slice is a unit too.
    return [unit?.name ?? (kind === "slice" ? name : undefined)];
  });
}

function userTest(users: readonly number[]): Test {
  return ({ workload: { userUid, unit } }) =>
    [userUid, unit?.userUid].some((uid) => uid !== undefined && users.includes(uid));
}

/** The kernel has cut a path that is not known, and a later walk may find it. */
function pathTest(patterns: readonly string[]): Test {
  const globs = patterns.map((pattern) => new WordGlob(pattern));
  return ({ path }) => path === undefined ? undefined : globs.some((glob) => glob.matches(path));
}

/** A container whose name is not known is not meant. */
function notContainerTest(patterns: readonly string[]): Test {
  const globs = patterns.map((pattern) => new WordGlob(pattern));
  return (subject) => {
    const { workload } = subject;
    const names = containerNamesOf(subject).filter((name) => name !== undefined);
    if (names.length === 0) {
      return isContained(workload) && areNamesComing(workload) ? undefined : false;
    }
    return !names.some((name) => globs.some((glob) => glob.matches(name)));
  };
}

type Labels = Readonly<Record<string, string>>;

function labelTest(
  terms: readonly LabelTerm[],
  labelsOf: (subject: WorkloadSubject) => Labels | undefined,
): Test {
  const tests = terms.map(termTest);
  return (subject) => {
    const { workload } = subject;
    if (!isContained(workload)) return false;
    const labels = labelsOf(subject);
    // Only a runtime can tell that there are none.
    if (labels === undefined && areNamesComing(workload)) return undefined;
    if (labels === undefined && workload.source !== "runtime") return false;
    return tests.every((test) => test(labels ?? {}));
  };
}

function termTest({ key, operator, values }: LabelTerm): (labels: Labels) => boolean {
  const globs = values.map((value) => new WordGlob(value));
  const bare = key.startsWith(KUBERNETES_PREFIX) ? key.slice(KUBERNETES_PREFIX.length) : key;
  const valueOf = (labels: Labels) =>
    Object.hasOwn(labels, key)
      ? labels[key]
      : Object.hasOwn(labels, bare)
      ? labels[bare]
      : undefined;
  const isListed = (value: string) => globs.some((glob) => glob.matches(value));
  switch (operator) {
    case "In":
      return (labels) => {
        const value = valueOf(labels);
        return value !== undefined && isListed(value);
      };
    case "NotIn":
      // As in Kubernetes: without the label there is no such value.
      return (labels) => {
        const value = valueOf(labels);
        return value === undefined || !isListed(value);
      };
    case "Exists":
      return (labels) => valueOf(labels) !== undefined;
    case "DoesNotExist":
      return (labels) => valueOf(labels) === undefined;
  }
}

/** What the published form may write before labels of pods. */
const KUBERNETES_PREFIX = "k8s:";

function containerNamesOf({ workload: { container, pod } }: WorkloadSubject) {
  return container === undefined ? [] : [pod?.containerName ?? container.name, container.name];
}

/** Until a runtime has answered, a container is called by its id. */
function namesOf({ workload }: WorkloadSubject) {
  return areNamesComing(workload) ? [workload.name, undefined] : [workload.name];
}

function imagesOf({ workload: { container } }: WorkloadSubject) {
  return container === undefined ? [] : [container.image?.name, container.image?.id];
}

/** What a runtime calls a pod need not be one of Kubernetes: then its container has the labels. */
function podLabelsOf({ workload: { pod, container } }: WorkloadSubject): Labels | undefined {
  return pod?.labels ?? (pod === undefined ? container?.labels : undefined);
}

/** All slices that it is in; the unit has only the innermost. */
function slicesOf({ workload: { unit, kind, name }, path }: WorkloadSubject) {
  const parts = (path ?? "").split("/").filter((part) => part.endsWith(".slice"));
  return [...parts, unit?.slice ?? "", kind === "slice" ? name : ""].filter((text) => text !== "");
}

/** What a path calls "unknown" may get a name. */
function runtimesOf({ workload: { container } }: WorkloadSubject) {
  const runtime = container?.runtime;
  return [runtime === "unknown" ? undefined : runtime];
}

/** A path need not show the pod of a container. */
function isContained({ kind }: Workload): boolean {
  return kind === "container" || kind === "pod";
}

/** Whether a runtime is being asked, or will be, for the names of the workload. */
function areNamesComing({ reason }: Workload): boolean {
  return reason === "lookup_running" || reason === "lookup_queue_full";
}

/** One is true, else one may be. */
function any<Item>(items: readonly Item[], answerOf: (item: Item) => Answer): Answer {
  let answer: Answer = false;
  for (const item of items) {
    const one = answerOf(item);
    if (one === true) return true;
    if (one === undefined) answer = undefined;
  }
  return answer;
}

/** None is false, and all are known. */
function all<Item>(items: readonly Item[], answerOf: (item: Item) => Answer): Answer {
  let answer: Answer = true;
  for (const item of items) {
    const one = answerOf(item);
    if (one === false) return false;
    if (one === undefined) answer = undefined;
  }
  return answer;
}
