/**
 * What is wrong with the text of a policy, and where.
 *
 * @module
 */
import { escapeControls, quote } from "../../telemetry/mod.ts";
import type { Place } from "../model.ts";

/** One mistake, or something that is true but has no effect here. */
export interface PolicyProblem {
  readonly place: Place;
  /** Where in the document: "spec.kprobes[0].selectors[1].matchArgs[0].operator". */
  readonly path: string;
  /** What stands there; missing when nothing does, or when it is more than a word. */
  readonly found?: string;
  /** State found. */
  readonly text: string;
  /** What to do. */
  readonly hint: string;
}

/** More would only scroll the first away. */
export const PROBLEMS_MAX = 50;

/** Where something stands. */
export type Spot = Pick<PolicyProblem, "place" | "path" | "found">;

/** Mistakes and notes of one or more files, bounded per file by who makes it. */
export class PolicyProblems {
  readonly #problems: PolicyProblem[] = [];
  readonly #notes: PolicyProblem[] = [];
  readonly #told = new Set<string>();
  #omittedCount = 0;

  /** A mistake: the document does not become a policy. */
  add(spot: Spot, text: string, hint: string): void {
    if (!this.#isNews(spot, text)) return;
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push(problem(spot, text, hint));
    else this.#omittedCount++;
  }

  /** Something that is read, but does nothing here. */
  note(spot: Spot, text: string, hint: string): void {
    if (!this.#isNews(spot, text)) return;
    if (this.#notes.length < PROBLEMS_MAX) this.#notes.push(problem(spot, text, hint));
  }

  get problems(): readonly PolicyProblem[] {
    return this.#problems;
  }

  get notes(): readonly PolicyProblem[] {
    return this.#notes;
  }

  /** Mistakes beyond the limit. */
  get omittedCount(): number {
    return this.#omittedCount;
  }

  /** All mistakes, also those beyond the limit. */
  get count(): number {
    return this.#problems.length + this.#omittedCount;
  }

  /** Macros and aliases are read once per use, but stand in the file once. */
  #isNews({ place: { file, line, column } }: Spot, text: string): boolean {
    const key = `${file}:${line}:${column}:${text}`;
    if (this.#told.has(key)) return false;
    if (this.#told.size < 2 * PROBLEMS_MAX) this.#told.add(key);
    return true;
  }
}

/** `FILE:LINE:COLUMN: text (hint)`, safe for a terminal. */
export function problemLine({ place, text, hint }: PolicyProblem): string {
  return escapeControls(`${placeText(place)}: ${text} (${hint})`);
}

/** `FILE:LINE:COLUMN`. */
export function placeText({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}

function problem({ place, path, found }: Spot, text: string, hint: string): PolicyProblem {
  return {
    place,
    path: cut(path, PATH_LENGTH_MAX),
    ...(found === undefined ? {} : { found: cut(found, FOUND_LENGTH_MAX) }),
    text: cut(text, TEXT_LENGTH_MAX),
    hint,
  };
}

/** Characters that a problem carries: words of the file may have a megabyte. */
const FOUND_LENGTH_MAX = 80;
const PATH_LENGTH_MAX = 400;
const TEXT_LENGTH_MAX = 800;

function cut(text: string, lengthMax: number): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}...` : text;
}

/** `"a", "b" and 12 more`. */
export function listed(words: readonly string[], max = 12): string {
  const shown = words.slice(0, max).join(", ");
  return words.length > max ? `${shown} and ${words.length - max} more` : shown;
}

/** `"found": state`. */
export function quoted(found: string, state: string): string {
  return `${quote(found)} ${state}`;
}
