/**
 * All tests on all kernels and in all modes take more than an hour of emulation, so `scripts/test`
 * runs a share that changes from day to day; `deno task test:matrix` runs all.
 *
 * @module
 */

const DAY_MS = 86_400_000;

/** Whether everything is asked for. */
export const IS_WHOLE = Deno.env.get("SHRIKE_MATRIX") === "whole";

/** Number of the share; SHRIKE_MATRIX_TURN repeats that of another day. */
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
  if (text === undefined) return Math.floor(Date.now() / DAY_MS);
  // Another word would be no turn of anything, and pass without a test.
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`SHRIKE_MATRIX_TURN is "${text}": give a number, such as 3`);
}

if (!IS_WHOLE) console.log(`guests: SHRIKE_MATRIX_TURN=${TURN}`);
