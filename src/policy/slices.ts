/**
 * Long work in short turns of the main thread, so that records are read and questions answered
 * while it goes on.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/** Work that may pause wherever it yields. */
export type Steps<Result> = Generator<void, Result>;

/** How slices are made. */
export interface SliceOptions {
  /** Asked after each slice; true ends the work. */
  readonly isCancelled?: () => boolean;
  /** Of a slice; the step that reaches it is the last. */
  readonly sliceMs?: number;
  readonly nowMs?: () => number;
  /** Lets others run. */
  readonly pause?: () => Promise<void>;
}

/** Half of what a turn may last: a step is not cut. */
const SLICE_MS = 5;

/** The work was given up. */
export class CancelledError extends Error {
  override readonly name = "CancelledError";
  readonly hint = "try again when the agent runs";

  constructor() {
    super("Cannot go on reading: the agent ends");
  }
}

/** Does all of it at once. */
export function finish<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value as Result;
  }
}

/**
 * Does it in slices, with others in between.
 *
 * @throws {CancelledError} as `isCancelled` says
 */
export async function finishInSlices<Result>(
  steps: Steps<Result>,
  options: SliceOptions = {},
): Promise<Result> {
  const { isCancelled, sliceMs = SLICE_MS, nowMs = () => performance.now() } = options;
  const pause = options.pause ?? letOthersRun;
  for (;;) {
    const endMs = nowMs() + sliceMs;
    do {
      const { done, value } = steps.next();
      if (done) return value as Result;
    } while (nowMs() < endMs);
    await pause();
    if (isCancelled?.()) throw new CancelledError();
  }
}

function letOthersRun(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
