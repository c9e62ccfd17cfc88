/**
 * Fails on files, functions and lines that are too long, names that say nothing, and a TODO without
 * an issue. Length of TypeScript functions is a rule of `deno lint`: lint_function_length.ts.
 *
 * @module
 */
import { join, relative } from "node:path";
import { listFiles } from "./build/build_step.ts";
import { openWorkspace } from "./build/workspace.ts";

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const LINE_WIDTH_MAX = 100;

const PLACES = ["build.ts", "bpf", "ffi", "src", "scripts", "tests", ".ci"];

/** What is written by hand and read by people; recorded and generated files are neither. */
const LEFT_OUT = /(^|\/)generated\/|^tests\/fixtures\//;
const CODE = /\.(ts|c|h|sh|map)$|\/[^./]+$/;

const BANNED_NAME = /(^|[/_])(utils?|helpers?|common|managers?|misc)(?=[/_.]|$)/;
const TODO = /\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\): )/;

/** The name of a test is one string, which deno fmt does not break. */
const TEST_NAME = /^Deno\.test\("[^"]*", /;

/** Every broken rule of one file, one line each. */
export function checkTidy(path: string, text: string): string[] {
  const problems: string[] = [];
  const add = (line: number, what: string) => problems.push(`${path}:${line}: ${what}`);
  const lines = text.split("\n");
  const count = text.endsWith("\n") ? lines.length - 1 : lines.length;
  const banned = BANNED_NAME.exec(path);
  if (banned !== null) add(1, `"${banned[2]}" in a name says nothing`);
  if (count > FILE_LINES_MAX) add(1, `${count} lines, ${FILE_LINES_MAX} are allowed`);
  lines.forEach((line, i) => {
    const width = [...line].length;
    if (width > LINE_WIDTH_MAX && !TEST_NAME.test(line)) {
      add(i + 1, `${width} columns, ${LINE_WIDTH_MAX} are allowed`);
    }
    if (TODO.test(line) && path !== "scripts/check_tidy.ts") {
      add(i + 1, "a TODO needs an issue: TODO(#123): what is to do");
    }
  });
  if (/\.[ch]$/.test(path)) {
    for (const { line, size } of findLongFunctions(lines)) {
      add(line, `function of ${size} lines, ${FUNCTION_LINES_MAX} are allowed`);
    }
  }
  return problems;
}

/**
 * Functions of C code as clang-format lays it out: they end at a `}` in the first column and begin
 * at the last line before it that has a word there.
 */
function findLongFunctions(lines: readonly string[]): { line: number; size: number }[] {
  const long: { line: number; size: number }[] = [];
  let start = -1;
  lines.forEach((line, i) => {
    if (/^\w[^;]*$/.test(line) && !/^\w+:$/.test(line)) start = i;
    if (line !== "}" || start < 0) return;
    if (i - start + 1 > FUNCTION_LINES_MAX) long.push({ line: start + 1, size: i - start + 1 });
    start = -1;
  });
  return long;
}

async function checkAll(root: string): Promise<string[]> {
  const problems: string[] = [];
  for (const place of PLACES) {
    for (const file of await listFiles(join(root, place))) {
      const path = relative(root, file);
      if (LEFT_OUT.test(path) || !CODE.test(path)) continue;
      problems.push(...checkTidy(path, await Deno.readTextFile(file)));
    }
  }
  return problems;
}

if (import.meta.main) {
  const problems = await checkAll(openWorkspace().root);
  for (const problem of problems) console.error(problem);
  Deno.exit(problems.length === 0 ? 0 : 1);
}
