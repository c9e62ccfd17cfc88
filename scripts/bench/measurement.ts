/**
 * What a bench hands back, and whether it meets its target.
 *
 * @module
 */
import { median, spread } from "./statistics.ts";

/** A limit on a measured value, in the value's unit. */
export type Target = { readonly atLeast: number } | { readonly atMost: number };

/** One line of the table at the end. */
export interface Measurement {
  /** Name of the bench, as given on the command line. */
  readonly bench: string;
  readonly what: string;
  /** The median where there were several rounds. */
  readonly measured: number;
  /** Empty for a ratio. */
  readonly unit: string;
  /** Smallest and largest round; absent when it was measured once. */
  readonly spread?: readonly [number, number];
  /** What it was compared with, measured in the same run. */
  readonly reference?: string;
  /** Absent: told for information. */
  readonly target?: Target;
}

/** A bench that could not be measured, and why. */
export interface Skipped {
  readonly bench: string;
  readonly reason: string;
}

/** What a bench says besides the rounds. */
export type MeasurementDetails = Omit<Measurement, "measured" | "spread">;

/**
 * A measurement from the rounds of a bench.
 *
 * @throws {RangeError} there are no rounds.
 */
export function measurementOf(rounds: readonly number[], details: MeasurementDetails): Measurement {
  const measured = median(rounds);
  return rounds.length === 1
    ? { ...details, measured }
    : { ...details, measured, spread: spread(rounds) };
}

/** Whether the target is met; undefined when there is none. */
export function isMet(measurement: Measurement): boolean | undefined {
  const { measured, target } = measurement;
  if (target === undefined) return undefined;
  return "atLeast" in target ? measured >= target.atLeast : measured <= target.atMost;
}
