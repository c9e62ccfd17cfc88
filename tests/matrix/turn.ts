/**
 * All tests on all kernels and in all modes take more than an hour of emulation, so `scripts/test`
 * runs a share: the same for the same commit; `deno task test:matrix` runs all.
 *
 * @module
 */
import { openWorkspace } from "../../scripts/build/workspace.ts";

/** Where there is no commit to take it from. */
const TURN_WITHOUT_COMMIT = 0;
/** Digits of a commit's name that make its turn: 28 bits. */
const COMMIT_DIGITS = 7;

/** Whether everything is asked for. */
export const IS_WHOLE = Deno.env.get("SHRIKE_MATRIX") === "whole";

/** Number of the share; SHRIKE_MATRIX_TURN repeats that of another commit. */
export const TURN = readTurn(Deno.env.get("SHRIKE_MATRIX_TURN"));

/** One of `ways`, each in its turn; all when everything is asked for. */
export function waysOfTurn<Way>(ways: readonly Way[]): readonly Way[] {
  return IS_WHOLE ? ways : ways.filter((_, index) => index === TURN % ways.length);
}

/** Whether the turn is that of `way`, of those that take turns. */
export function isTurnOf<Way>(way: Way, ways: readonly Way[]): boolean {
  return waysOfTurn(ways).includes(way);
}

/** Files that start the agent under systemd many times, and take minutes each. */
export const SERVICE_FILES = ["install", "systemd"] as const;

function readTurn(text: string | undefined): number {
  if (text === undefined) return turnOfCommit(readCommit());
  // Another word would be no turn of anything, and pass without a test.
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`SHRIKE_MATRIX_TURN is "${text}": give a number, such as 3`);
}

/** The same for the same commit. */
export function turnOfCommit(commit: string | undefined): number {
  return commit === undefined
    ? TURN_WITHOUT_COMMIT
    : Number.parseInt(commit.slice(0, COMMIT_DIGITS), 16);
}

/** The commit that is checked out; undefined where there is no git, or none of its commits. */
function readCommit(): string | undefined {
  const { root } = openWorkspace();
  try {
    const args = ["-c", "safe.directory=*", "-C", root, "rev-parse", "HEAD"];
    const { success, stdout } = new Deno.Command("git", { args, stderr: "null" }).outputSync();
    const text = new TextDecoder().decode(stdout).trim();
    return success && /^[0-9a-f]{40,64}$/.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

if (!IS_WHOLE) console.log(`guests: SHRIKE_MATRIX_TURN=${TURN}`);
