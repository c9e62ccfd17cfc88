/**
 * Rules on paths of system calls, written on the hook that sees the file.
 *
 * @module
 */
import { type Document, isMap, isSeq, parseAllDocuments } from "yaml";
import { groupOf, PATH_ARGUMENTS } from "../notes/call_groups.ts";
import { syscallName } from "../syscalls.ts";

/** A text with other hooks, and what was done and not done. */
export interface FixedPolicies {
  readonly text: string;
  /** In words: "sys_openat is now the LSM hook file_open". */
  readonly changes: readonly string[];
  /** Rules that stay as they are, and why. */
  readonly left: readonly string[];
}

interface Condition {
  readonly index?: number;
  readonly operator?: string;
  readonly values?: readonly unknown[];
}

interface Hook {
  readonly call?: string;
  readonly syscall?: boolean;
  readonly return?: boolean;
  readonly message?: string;
  readonly tags?: readonly string[];
  readonly args?: readonly { readonly index?: number; readonly type?: string }[];
  readonly selectors?: readonly Readonly<Record<string, unknown>>[];
}

/** Keys of a selector that mean the same at both hooks. */
const KEPT_KEYS = [
  ...["matchPIDs", "matchBinaries", "matchArgs", "matchActions", "matchNamespaces", "label"],
  ...["matchCapabilities", "matchWorkloads"],
];

/** @param text policies without mistakes; comments stay where their keys stay */
export function fixPolicies(text: string): FixedPolicies {
  const changes: string[] = [];
  const left: string[] = [];
  const documents = parseAllDocuments(text);
  if (!Array.isArray(documents)) return { text, changes, left };
  for (const document of documents) fixDocument(document, changes, left);
  if (changes.length === 0) return { text, changes, left };
  try {
    return { text: documents.map(String).join(""), changes, left };
  } catch {
    // An alias elsewhere stands for a part of what would go.
    return { text, changes: [], left: [...left, "rules that others have by an alias (*name)"] };
  }
}

function fixDocument(document: Document, changes: string[], left: string[]): void {
  const kprobes = document.getIn(["spec", "kprobes"]);
  if (!isMap(document.contents) || !isSeq(kprobes)) return;
  const added = new Map<string, unknown>();
  const hooks = kprobes.toJS(document, { maxAliasCount: -1 }) as readonly Hook[];
  for (let i = hooks.length - 1; i >= 0; i--) {
    const hook = hooks[i]!;
    const call = hook.syscall === false ? undefined : syscallName(hook.call ?? "");
    if (call === undefined || !hasPathRule(call, hook)) continue;
    const fixed = lsmHookOf(call, hook);
    if (typeof fixed === "string") left.push(`${hook.call}: ${fixed}`);
    else {
      kprobes.delete(i);
      added.set(JSON.stringify(fixed), fixed);
      changes.push(`${hook.call} is now the LSM hook ${fixed.hook}`);
    }
  }
  if (kprobes.items.length === 0) document.deleteIn(["spec", "kprobes"]);
  // Several calls that open files come to one hook.
  for (const hook of [...added.values()].reverse()) {
    if (!isSeq(document.getIn(["spec", "lsmhooks"]))) {
      document.setIn(["spec", "lsmhooks"], document.createNode([]));
    }
    document.addIn(["spec", "lsmhooks"], document.createNode(hook));
  }
}

function hasPathRule(call: string, hook: Hook): boolean {
  return conditionsOf(hook).some(({ index }) => isPath(call, hook, index));
}

function isPath(call: string, { args = [] }: Hook, index: number | undefined): boolean {
  return index !== undefined && (PATH_ARGUMENTS.get(call) ?? []).includes(index) &&
    args.some((argument) => argument.index === index && argument.type === "string");
}

function conditionsOf({ selectors = [] }: Hook): Condition[] {
  return selectors.flatMap(({ matchArgs }) => (matchArgs ?? []) as Condition[]);
}

/** The hook, or why it cannot be written. */
function lsmHookOf(call: string, hook: Hook) {
  const lsm = groupOf(call)?.lsm;
  if (lsm === undefined) return "no LSM hook is known that has the path of its file";
  if (hook.return === true) return "an LSM hook does not see what the call returns";
  const { selectors = [], message, tags } = hook;
  const keys = selectors.flatMap((selector) => Object.keys(selector));
  const other = keys.find((key) => !KEPT_KEYS.includes(key));
  if (other !== undefined) return `it has ${other}`;
  for (const { index, operator, values } of conditionsOf(hook)) {
    if (!isPath(call, hook, index)) {
      return `it compares argument ${index}, which the LSM hook lacks`;
    }
    if (values === undefined) return "its values are of a variable";
    const isWhole = operator?.endsWith("Postfix") ||
      values.every((value) => String(value).startsWith("/"));
    if (!isWhole) return "a path is not from the root on: write the whole one";
  }
  return {
    hook: lsm.hook,
    args: [{ index: lsm.index, type: lsm.type }],
    ...(message !== undefined && { message }),
    ...(tags !== undefined && { tags }),
    selectors: selectors.map((selector) => ({
      ...selector,
      ...(selector["matchArgs"] !== undefined && {
        matchArgs: (selector["matchArgs"] as Condition[]).map((condition) => ({
          ...condition,
          index: lsm.index,
        })),
      }),
    })),
  };
}
