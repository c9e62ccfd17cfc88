/**
 * The stages of `scripts/test`, in order, each with the command that repeats it alone.
 *
 * @module
 */

/** One stage: a program with a report, or several checks that count as one test each. */
export interface Stage {
  readonly name: string;
  /** What a developer types to run it alone. */
  readonly command: string;
  /** Files and folders with tests; empty for the stages that run no Deno tests. */
  readonly tests: readonly string[];
  /** Without root there is nothing it could do. */
  readonly needsRoot: boolean;
  /** It is ended after this time and counts as failed. */
  readonly limitMs: number;
  /** Files are run two at a time, by threads of one process. */
  readonly isParallel?: true;
}

const MINUTE_MS = 60_000;

/**
 * Stages with tests. `scripts/test` takes less than half an hour; a limit is for what hangs, and
 * leaves a stage three times as long, because machines differ and others may use them.
 */
export const STAGES: readonly Stage[] = [
  {
    name: "unit",
    command: "deno task test:unit",
    tests: ["ffi", "src", "scripts", "tests/simulate"],
    needsRoot: false,
    limitMs: 6 * MINUTE_MS,
  },
  {
    name: "kernel",
    command: "deno task test:kernel",
    tests: ["tests/kernel"],
    needsRoot: true,
    limitMs: 6 * MINUTE_MS,
  },
  {
    name: "matrix",
    command: "deno task test:matrix",
    tests: ["tests/matrix"],
    needsRoot: true,
    limitMs: 22 * MINUTE_MS,
  },
  {
    name: "guests",
    command: "deno task test:guests",
    tests: ["tests/guests"],
    needsRoot: true,
    limitMs: 22 * MINUTE_MS,
    isParallel: true,
  },
  {
    name: "e2e",
    command: "deno task test:e2e",
    tests: ["tests/e2e"],
    needsRoot: true,
    limitMs: 10 * MINUTE_MS,
  },
  {
    name: "runtimes",
    command: "deno task test:runtimes",
    tests: ["tests/runtimes"],
    needsRoot: true,
    limitMs: 10 * MINUTE_MS,
  },
];
