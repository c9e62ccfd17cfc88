/**
 * Kernel rings to shared rings, a worker per CPU; and the main thread's way to read them.
 *
 * @module
 */
export { type CaptureEvent, CapturePool, type CapturePoolOptions } from "./capture_pool.ts";
export { AUTO_WORKERS_MAX } from "./cpu_groups.ts";
export { RingOpenError } from "./perf_ring.ts";
export type { RecordRing, RecordSource } from "./record_source.ts";
export { RingInvariantError, SHARED_RING_SIZE_MIN } from "./shared_ring.ts";
export { WorkerError } from "./worker_handle.ts";
