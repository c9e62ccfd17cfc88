/**
 * Files and folders with policies.
 *
 * @module
 */
import { join } from "node:path";
import { FileKindError, readRegular } from "../../files/mod.ts";
import type { Architecture } from "../syscalls.ts";
import { resolvePolicies } from "./bind_template.ts";
import type { PolicySet } from "./bind_template.ts";
import type { PolicyDocument } from "./policy_document.ts";
import type { PolicyProblem } from "./policy_problem.ts";
import { readPolicies } from "./read_documents.ts";
import { FILE_SIZE_MAX } from "./yaml_tree.ts";

/** Of one folder. */
export const FILES_MAX = 10_000;

/** A file with what was found in it. */
export interface PolicyFile {
  readonly path: string;
  readonly documents: readonly PolicyDocument[];
}

/** All files together. */
export interface PolicyFiles extends PolicySet {
  readonly files: readonly PolicyFile[];
  readonly notes: readonly PolicyProblem[];
}

/** What is read from the system; tests have others. */
export interface PolicySources {
  /** @throws {Error} when it cannot be read */
  readFile(path: string): Uint8Array;
  /** Names in a folder, or undefined when it is none. @throws {Error} when it cannot be read */
  listFolder(path: string): readonly string[] | undefined;
}

/** Files that are read of a folder. Hidden ones are what editors leave behind. */
const POLICY_FILE = /^[^.].*\.(ya?ml|json)$/;

/** Reads files, and of folders those that end in .yaml, .yml or .json, by name. */
export function readPolicyFiles(
  paths: readonly string[],
  { sources = SYSTEM_POLICY_SOURCES, architecture }: {
    sources?: PolicySources;
    architecture?: Architecture;
  } = {},
): PolicyFiles {
  const problems: PolicyProblem[] = [];
  const notes: PolicyProblem[] = [];
  const files: PolicyFile[] = [];
  let omittedCount = 0;
  for (const path of paths.flatMap((path) => listFiles(path, sources, problems))) {
    const bytes = readBytes(path, sources, problems);
    if (bytes === undefined) continue;
    const read = readPolicies(bytes, { file: path, ...(architecture ? { architecture } : {}) });
    problems.push(...read.problems);
    notes.push(...read.notes);
    omittedCount += read.omittedCount;
    files.push({ path, documents: read.documents });
  }
  const documents = files.flatMap(({ documents }) => documents);
  const set = resolvePolicies(documents, architecture ? { architecture } : {});
  return {
    ...set,
    files,
    notes,
    problems: [...problems, ...set.problems],
    omittedCount: omittedCount + set.omittedCount,
  };
}

function listFiles(path: string, sources: PolicySources, problems: PolicyProblem[]): string[] {
  try {
    const names = sources.listFolder(path);
    if (names === undefined) return [path];
    const found = names.filter((name) => POLICY_FILE.test(name)).sort();
    if (found.length > FILES_MAX) {
      const hint = `a folder has ${FILES_MAX} at most; use several`;
      problems.push(fileProblem(path, `the folder has ${found.length} files`, hint));
    }
    return found.slice(0, FILES_MAX).map((name) => join(path, name));
  } catch (error) {
    problems.push(unreadable(path, error));
    return [];
  }
}

function readBytes(
  path: string,
  sources: PolicySources,
  problems: PolicyProblem[],
): Uint8Array | undefined {
  try {
    return sources.readFile(path);
  } catch (error) {
    problems.push(unreadable(path, error));
    return undefined;
  }
}

function unreadable(path: string, error: unknown): PolicyProblem {
  const code = (error as { code?: unknown }).code;
  if (code === "ENOENT") return fileProblem(path, "there is no such file", "check the path");
  const text = error instanceof Error ? error.message.split("\n")[0]! : String(error);
  return fileProblem(path, `it cannot be read: ${text}`, "check its mode and kind");
}

function fileProblem(file: string, text: string, hint: string): PolicyProblem {
  return { place: { file, line: 1, column: 1 }, path: "", text, hint };
}

/** The files of this machine. */
export const SYSTEM_POLICY_SOURCES: PolicySources = {
  readFile(path) {
    try {
      return readRegular(path, FILE_SIZE_MAX).bytes;
    } catch (error) {
      if (error instanceof FileKindError) throw new Error(error.state, { cause: error });
      throw error;
    }
  },
  listFolder(path) {
    if (!Deno.statSync(path).isDirectory) return undefined;
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  },
};
