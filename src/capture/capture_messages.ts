/**
 * What pool and worker say to each other. The data does not go this way, it goes through the rings.
 *
 * A worker in its loop cannot receive: the pool sets INTERRUPT in the worker's control memory and
 * writes to its eventfd, the loop returns, and the message is delivered. One command at a time;
 * each has one answer.
 *
 * @module
 */

/** One ring in the hands of a worker. Descriptors and addresses are valid in the whole process. */
export interface RingGrant {
  readonly cpu: number;
  /** The mapping of the perf ring. */
  readonly address: bigint;
  readonly mappedSize: number;
  readonly pageSize: number;
  /** Event that owns the ring and wakes by watermark; the one to poll. */
  readonly watermarkFd: number;
  /** Event with output to the same ring that wakes at each record. */
  readonly eachFd: number;
  readonly shared: SharedArrayBuffer;
  /** The CPU is gone: read what is left, and leave its slot of the records map alone. */
  readonly retired: boolean;
}

export type ToCaptureWorker =
  | {
    readonly type: "start";
    readonly libbpfPath: string;
    readonly recordsMapFd: number;
    readonly eventFd: number;
    readonly control: SharedArrayBuffer;
    readonly doorbell: SharedArrayBuffer;
  }
  /** These rings from now on, instead of those before. */
  | { readonly type: "assign"; readonly rings: readonly RingGrant[] }
  /** Read what is there once more, then end. */
  | { readonly type: "stop" };

/** An error on its way between threads. */
export interface ErrorReport {
  readonly name: string;
  readonly message: string;
  readonly hint: string | null;
  readonly stack: string;
}

export type FromCaptureWorker =
  /** Answers "start". The worker has touched no ring yet. */
  | { readonly type: "ready"; readonly threadId: number }
  /** Answers "assign"; the rings of before are not touched any more. */
  | { readonly type: "assigned"; readonly cpus: readonly number[] }
  /** Answers "stop"; the worker touches no memory any more. */
  | { readonly type: "stopped" }
  /** The worker has ended by an error. */
  | { readonly type: "failed"; readonly error: ErrorReport };

/** Slots of a worker's control memory. */
export const ControlSlot = {
  /** 1: leave the loop, a message has come. Set by the pool, reset by the worker. */
  INTERRUPT: 0,
  /** Grows while the worker is in its loop. */
  HEARTBEAT: 16,
} as const;

/** Bytes of a worker's control memory: two cache lines. */
export const CONTROL_SIZE = 128;

/** An error as a message. */
export function reportError(error: unknown): ErrorReport {
  if (!(error instanceof Error)) {
    return { name: "Error", message: String(error), hint: null, stack: "" };
  }
  const hint = "hint" in error && typeof error.hint === "string" ? error.hint : null;
  return { name: error.name, message: error.message, hint, stack: error.stack ?? "" };
}
