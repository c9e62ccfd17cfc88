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
export const TURN = Number(Deno.env.get("SHRIKE_MATRIX_TURN") ?? Math.floor(Date.now() / DAY_MS));

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

if (!IS_WHOLE) console.log(`guests: SHRIKE_MATRIX_TURN=${TURN}`);
