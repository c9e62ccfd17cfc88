/**
 * Policies as texts, for tests of their language.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Policy } from "../../src/policy/model.ts";
import {
  type PolicyProblem,
  type ReadFile,
  readPolicies,
  resolvePolicies,
} from "../../src/policy/mod.ts";

/** Reads `text` as the file "p.yaml" of an x86 machine. */
export function readText(text: string | Uint8Array): ReadFile {
  return readPolicies(text, { file: "p.yaml", architecture: "x86_64" });
}

/** The only policy of a text without mistakes. */
export function policyOf(text: string): Policy {
  const { documents, problems } = readText(text);
  assert.deepEqual(problems, []);
  assert.equal(documents.length, 1);
  const [document] = documents;
  assert(document?.kind === "policy");
  return document.policy;
}

/** All policies of a text without mistakes, those of bindings too. */
export function policiesOf(text: string): readonly Policy[] {
  const { documents, problems } = readText(text);
  assert.deepEqual(problems, []);
  const set = resolvePolicies(documents, { architecture: "x86_64" });
  assert.deepEqual(set.problems, []);
  return set.policies;
}

/** All mistakes of a text, those of bindings too. */
export function problemsOf(text: string | Uint8Array): readonly PolicyProblem[] {
  const { documents, problems } = readText(text);
  return [...problems, ...resolvePolicies(documents, { architecture: "x86_64" }).problems];
}

/** A mistake as `LINE:COLUMN PATH: text`. */
export function problemText({ place, path, text }: PolicyProblem): string {
  return `${place.line}:${place.column} ${path}: ${text}`;
}

/** Where `what` first stands in `text`. */
export function placeIn(text: string, what: string): { line: number; column: number } {
  const at = text.indexOf(what);
  assert(at >= 0, `${what} is not in the text`);
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

/** A document with `spec` as it is given, on one line. */
export function documentText(
  spec: string,
  { api = "cilium.io", kind = "TracingPolicy", metadata = "name: p" }: {
    api?: "cilium.io" | "shrike.io";
    kind?: string;
    metadata?: string;
  } = {},
): string {
  return `apiVersion: ${api}/v1alpha1\nkind: ${kind}\nmetadata: {${metadata}}\nspec: {${spec}}\n`;
}

/** A policy with one kprobe on a function, whose keys are given. */
export function kprobeText(keys: string, api: "cilium.io" | "shrike.io" = "cilium.io"): string {
  return documentText(`kprobes: [{call: tcp_connect, syscall: false, ${keys}}]`, { api });
}

/** A policy that compares one argument of a type. */
export function conditionText(
  { type, operator, values, hook }: {
    type: string;
    operator: string;
    values?: string;
    hook?: string;
  },
): string {
  const size = type === "char_buf" ? ", sizeArgIndex: 2" : "";
  const args = `args: [{index: 0, type: ${type}${size}}]`;
  const given = values === undefined ? "" : `, values: [${values}]`;
  const selectors = `selectors: [{matchArgs: [{index: 0, operator: ${operator}${given}}]}]`;
  const head = hook ??
    (type === "syscall64"
      ? "tracepoints: [{subsystem: raw_syscalls, event: sys_enter, raw: true"
      : "kprobes: [{call: tcp_connect, syscall: false");
  return documentText(`${head}, ${args}, ${selectors}}]`);
}
