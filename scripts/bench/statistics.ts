/**
 * The few statistics the benches print.
 *
 * @module
 */

/**
 * The value that `share` of the samples do not exceed (nearest rank).
 *
 * @throws {RangeError} there are no samples.
 */
export function quantile(samples: readonly number[], share: number): number {
  return at(sorted(samples), Math.max(0, Math.ceil(share * samples.length) - 1));
}

/**
 * The middle sample; of an even number the mean of the two in the middle.
 *
 * @throws {RangeError} there are no samples.
 */
export function median(samples: readonly number[]): number {
  const values = sorted(samples);
  const upper = values.length >> 1;
  return values.length % 2 === 1 ? at(values, upper) : (at(values, upper - 1) + at(values, upper)) /
    2;
}

/**
 * Smallest and largest sample.
 *
 * @throws {RangeError} there are no samples.
 */
export function spread(samples: readonly number[]): readonly [number, number] {
  const values = sorted(samples);
  return [at(values, 0), at(values, values.length - 1)];
}

function sorted(samples: readonly number[]): readonly number[] {
  return [...samples].sort((a, b) => a - b);
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) {
    throw new RangeError(`Cannot take sample "${index}": there are ${values.length}`);
  }
  return value;
}
