/**
 * Fails on an import that the room table forbids, a cycle, or a privilege in the wrong room.
 *
 * @module
 */
import { dirname, join, relative } from "node:path";
import { listFiles } from "./build/build_step.ts";
import { openWorkspace } from "./build/workspace.ts";
import { PRIVILEGES, type Room, ROOMS } from "./room_table.ts";

/** One import of a file of ours. */
export interface Import {
  /** Path below the root. */
  readonly target: string;
  readonly isTypeOnly: boolean;
}

const STATIC_IMPORT = /^(?:import|export)\b(?:[^;'"`]*?\bfrom)?\s*"(\.[^"]+)"/gm;
const DYNAMIC_IMPORT = /\bimport\("(\.[^"]+)"\)/g;
/** Everything between the braces is marked `type`, or the whole statement is. */
const TYPE_ONLY = /^(?:import|export)\s+type\b|^(?:import|export)\s*\{(?:\s*type\s[^,}]+,?)+\s*\}/;

/** The imports of a module that name files of ours. */
export function findImports(path: string, text: string): Import[] {
  const code = withoutComments(text);
  const imports: Import[] = [];
  const add = (specifier: string, isTypeOnly: boolean) =>
    imports.push({ target: join(dirname(path), specifier), isTypeOnly });
  for (const match of code.matchAll(STATIC_IMPORT)) add(match[1]!, TYPE_ONLY.test(match[0]));
  for (const match of code.matchAll(DYNAMIC_IMPORT)) add(match[1]!, false);
  return imports;
}

/** Comments on lines of their own and between code; text in quotes keeps what looks like one. */
function withoutComments(text: string): string {
  return text.replace(
    /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\/\*[^]*?\*\/|\/\/[^\n]*/g,
    (part) => part.startsWith("/") ? " " : part,
  );
}

/** Every broken rule in `files` (path below the root to text), one line each. */
export function checkImports(
  files: ReadonlyMap<string, string>,
  rooms: readonly Room[] = ROOMS,
): string[] {
  const problems: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [path, text] of files) {
    const imports = findImports(path, text);
    // Tests stand beside the code and may look anywhere; nobody imports them.
    const isTest = path.endsWith("_test.ts");
    if (!isTest) graph.set(path, imports.map((each) => each.target));
    if (!isTest && roomOf(path, rooms) === undefined) {
      problems.push(`${path}: belongs to no room of scripts/room_table.ts`);
      continue;
    }
    for (const each of imports) {
      const problem = judge(path, isTest, each, rooms);
      if (problem !== null) problems.push(`${path}: ${problem}`);
    }
    if (!isTest) problems.push(...checkPrivileges(path, text));
  }
  for (const cycle of findCycles(graph)) problems.push(`cycle: ${cycle.join(" -> ")}`);
  return problems.sort();
}

function judge(
  path: string,
  isTest: boolean,
  { target, isTypeOnly }: Import,
  rooms: readonly Room[],
): string | null {
  if (target.endsWith("_test.ts")) return `imports the test ${target}`;
  if (isTest) return null;
  const room = roomOf(path, rooms)!;
  const targetRoom = roomOf(target, rooms);
  if (targetRoom === undefined) return `imports ${target}, which belongs to no room`;
  if (room === targetRoom) return judgeSensor(path, target);
  if (isTypeOnly && room.types?.includes(target)) return null;
  const isAllowed = room.imports.includes("*") || room.imports.includes(targetRoom.path) ||
    (isTypeOnly && room.types?.includes(targetRoom.path));
  if (!isAllowed) return `imports ${target}, but ${room.path} may not import ${targetRoom.path}`;
  if (room.path === "tests" || !targetRoom.hasDoorway) return null;
  return target === `${targetRoom.path}/mod.ts`
    ? null
    : `imports ${target}, only ${targetRoom.path}/mod.ts is for others`;
}

/** A sensor knows the contract, not another sensor; the registry and the doorway know all. */
function judgeSensor(path: string, target: string): string | null {
  const [from, to] = [sensorOf(path), sensorOf(target)];
  if (from === null || to === null || from === to || from === "generated") return null;
  return `imports ${target} of another sensor`;
}

function sensorOf(path: string): string | null {
  return /^src\/sensors\/(\w+)\//.exec(path)?.[1] ?? null;
}

function roomOf(path: string, rooms: readonly Room[]): Room | undefined {
  return rooms
    .filter((room) => path === room.path || path.startsWith(`${room.path}/`))
    .sort((a, b) => b.path.length - a.path.length)[0];
}

function checkPrivileges(path: string, text: string): string[] {
  if (!path.startsWith("src/") && !path.startsWith("ffi/")) return [];
  const code = withoutComments(text);
  return PRIVILEGES
    .filter(({ pattern, allowed }) =>
      pattern.test(code) && !allowed.some((place) => path === place || path.startsWith(`${place}/`))
    )
    .map(({ what, allowed }) => `${path}: ${what} belongs to ${allowed.join(" and ")}`);
}

/** Each cycle once, beginning with its first file by name. */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles = new Map<string, string[]>();
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string) => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      const cycle = trail.slice(start);
      const first = cycle.indexOf([...cycle].sort()[0]!);
      const turned = [...cycle.slice(first), ...cycle.slice(0, first)];
      cycles.set(turned.join(), [...turned, turned[0]!]);
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const target of graph.get(path) ?? []) visit(target);
    trail.pop();
    done.add(path);
  };
  for (const path of [...graph.keys()].sort()) visit(path);
  return [...cycles.values()];
}

async function readModules(root: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const place of ["build.ts", "ffi", "src", "scripts", "tests"]) {
    for (const path of await listFiles(join(root, place))) {
      if (path.endsWith(".ts")) files.set(relative(root, path), await Deno.readTextFile(path));
    }
  }
  return files;
}

if (import.meta.main) {
  const problems = checkImports(await readModules(openWorkspace().root));
  for (const problem of problems) console.error(problem);
  Deno.exit(problems.length === 0 ? 0 : 1);
}
