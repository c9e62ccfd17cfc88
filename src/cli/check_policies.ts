/**
 * What `shrike policy check` does.
 *
 * @module
 */
import {
  placeText,
  type PolicyFiles,
  policyNotes,
  type PolicyProblem,
  problemLine,
  readPolicyFiles,
  SYSTEM_POLICY_SOURCES,
} from "../policy/mod.ts";
import { escapeControls } from "../telemetry/mod.ts";
import { ExitCode } from "./exit_codes.ts";
import type { PolicyCheckRequest } from "./policy_request.ts";
import { readStdin, STDIN } from "./read_stdin.ts";
import type { Terminal } from "./terminal.ts";

/** Columns of a line of the file that are shown. */
const EXCERPT_COLUMNS_MAX = 100;

/** A policy in short. */
interface PolicyCounts {
  readonly hooks: number;
  readonly selectors: number;
  /** Texts, numbers, ranges and networks; a mask is one. */
  readonly values: number;
}

type CheckedPolicy = PolicyFiles["policies"][number];

/** Reads the policies and writes what is wrong with them. */
export function checkPolicies(
  { paths, format }: PolicyCheckRequest,
  terminal: Terminal,
): Promise<ExitCode> {
  const texts = new Map<string, Uint8Array>();
  const found = readPolicyFiles(paths, {
    sources: {
      listFolder: (path) => path === STDIN ? undefined : SYSTEM_POLICY_SOURCES.listFolder(path),
      readFile: (path) => {
        const bytes = path === STDIN ? readStdin() : SYSTEM_POLICY_SOURCES.readFile(path);
        texts.set(path, bytes);
        return bytes;
      },
    },
  });
  const isEmpty = found.files.length === 0 && found.problems.length === 0;
  const all = { ...found, notes: [...found.notes, ...notesOf(found)] };
  const checked = isEmpty ? { ...all, problems: [noFiles(paths[0]!)] } : all;
  if (format === "json") terminal.writeOut(`${JSON.stringify(jsonOf(checked))}\n`);
  else writeText(checked, texts, terminal);
  return Promise.resolve(checked.problems.length === 0 ? ExitCode.ok : ExitCode.usage);
}

/** Of the policies that came out of the files, those of bindings among them. */
function notesOf({ policies }: PolicyFiles): PolicyProblem[] {
  return policies.flatMap((policy) => policyNotes(policy).map((note) => ({ ...note, path: "" })));
}

function writeText(
  found: PolicyFiles,
  texts: ReadonlyMap<string, Uint8Array>,
  terminal: Terminal,
): void {
  for (const policy of found.policies) terminal.writeOut(`${policyLine(policy)}\n`);
  for (const { name, place, variables } of found.templates.values()) {
    const count = counted(variables.size, "variable");
    terminal.writeOut(`${escapeControls(placeText(place))}: template ${name}: ok, ${count}\n`);
  }
  for (const note of found.notes) terminal.writeOut(`${problemLine(note)} [note]\n`);
  for (const problem of found.problems) {
    const lines = [problemLine(problem), ...excerpt(problem, texts.get(problem.place.file))];
    terminal.writeError(lines.map((line) => `${line}\n`).join(""));
  }
  if (found.omittedCount > 0) {
    terminal.writeError(`and ${counted(found.omittedCount, "more mistake")}\n`);
  }
}

function policyLine(policy: CheckedPolicy): string {
  const { name, namespace, place, mode, binding } = policy;
  const { hooks, selectors, values } = countsOf(policy);
  const id = namespace === undefined ? name : `${namespace}/${name}`;
  const of = binding === undefined ? "" : ` (template ${binding.template})`;
  const counts = [
    counted(hooks, "hook"),
    counted(selectors, "selector"),
    counted(values, "value"),
  ];
  return `${escapeControls(placeText(place))}: policy ${id}${of}: ok, ${
    counts.join(", ")
  }, ${mode}`;
}

/** The line of the file with a mark below the column. */
function excerpt({ place }: PolicyProblem, bytes: Uint8Array | undefined): string[] {
  if (bytes === undefined) return [];
  const line = new TextDecoder().decode(bytes).split(/\r?\n/)[place.line - 1];
  if (line === undefined || line.trim() === "") return [];
  // A long line is shown from some columns before the place on.
  const start = place.column > EXCERPT_COLUMNS_MAX * 0.8 ? place.column - 20 : 0;
  const shown = escapeControls(
    line.slice(start, start + EXCERPT_COLUMNS_MAX).replaceAll("\t", " "),
  );
  const before = escapeControls(line.slice(start, place.column - 1).replaceAll("\t", " "));
  const number = String(place.line).padStart(6);
  return [`${number} | ${shown}`, `${" ".repeat(6)} | ${" ".repeat(before.length)}^`];
}

function jsonOf(found: PolicyFiles): Record<string, unknown> {
  return {
    policies: found.policies.map((policy) => ({
      name: policy.name,
      ...(policy.namespace === undefined ? {} : { namespace: policy.namespace }),
      ...(policy.binding === undefined ? {} : { template: policy.binding.template }),
      file: policy.place.file,
      line: policy.place.line,
      mode: policy.mode,
      ...countsOf(policy),
    })),
    templates: [...found.templates.values()].map(({ name, place, variables }) => ({
      name,
      file: place.file,
      line: place.line,
      variables: [...variables.keys()],
    })),
    problems: found.problems.map(problemJson),
    omitted_problems: found.omittedCount,
    notes: found.notes.map(problemJson),
  };
}

function problemJson({ place, path, found, text, hint }: PolicyProblem): Record<string, unknown> {
  return { ...place, path, ...(found === undefined ? {} : { found }), text, hint };
}

function countsOf({ hooks }: CheckedPolicy): PolicyCounts {
  const selectors = hooks.flatMap((hook) => hook.selectors);
  const tests = selectors.flatMap(({ conditions }) => conditions.map(({ test }) => test));
  const values = tests.reduce((sum, test) => sum + ("values" in test ? test.values.length : 1), 0);
  return { hooks: hooks.length, selectors: selectors.length, values };
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function noFiles(path: string): PolicyProblem {
  return {
    place: { file: path, line: 1, column: 1 },
    path: "",
    text: "the folder has no policies",
    hint: "their files end in .yaml, .yml or .json",
  };
}
