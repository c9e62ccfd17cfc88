/**
 * What every bench gets and gives.
 *
 * @module
 */
import type { Workspace } from "../build/workspace.ts";
import type { Measurement } from "./measurement.ts";
import type { BenchPrograms } from "./programs.ts";

/** What the benches of one run share. */
export interface BenchContext {
  readonly workspace: Workspace;
  readonly programs: BenchPrograms;
  /** The executable that is measured. */
  readonly agent: string;
  /** Folder in memory for output files, empty at start, removed at the end. */
  readonly scratch: string;
  /** Tells people how it goes; never part of the result. */
  readonly say: (line: string) => void;
}

/** One bench, runnable alone. */
export interface Bench {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  /**
   * Measures. Leaves no process behind, also when it fails.
   *
   * @throws {BenchError} it cannot be measured here.
   */
  run(context: BenchContext): Promise<Measurement[]>;
}

/** A bench that cannot be measured, or whose outcome makes its numbers worthless. */
export class BenchError extends Error {
  constructor(message: string, readonly hint: string) {
    super(message);
    this.name = "BenchError";
  }
}
