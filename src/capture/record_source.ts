/**
 * The main thread's side of capture: what the pipeline reads from.
 *
 * @module
 */
import type { RecordView } from "../wire/mod.ts";

/** Records of one CPU, in the order its kernel ring had them. */
export interface RecordRing {
  readonly cpu: number;
  /**
   * Puts `view` on the oldest record that was not taken.
   *
   * @returns false when the shared ring has none. The view stays valid until `take()`.
   */
  peek(view: RecordView): boolean;
  /** Gives back the memory of the record that `peek()` showed. */
  take(): void;
  /**
   * Whether the kernel's ring and the shared ring of this CPU are both empty. When true at time T,
   * records that come later are younger than T less the time a BPF program takes from reading the
   * clock to its output.
   */
  isDrained(): boolean;
  /** The CPU went offline and its last record was taken; the source drops the ring after this. */
  readonly ended: boolean;
}

/** All rings. */
export interface RecordSource {
  /** One ring per CPU that has a reader; the array is replaced when CPUs come and go. */
  readonly rings: readonly RecordRing[];
  /** Resolves when a record may have come, on `wake()`, or after `timeoutMs`. One waiter only. */
  wait(timeoutMs: number): Promise<void>;
  /** Ends a `wait()` early. */
  wake(): void;
}
