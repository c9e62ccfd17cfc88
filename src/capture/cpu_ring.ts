/**
 * What the pool needs of a CPU's perf ring.
 *
 * @module
 */

/** The perf ring of one CPU, opened and mapped. */
export interface CpuRing extends Disposable {
  readonly cpu: number;
  readonly watermarkFd: number;
  readonly eachFd: number;
  /** Of the mapping. */
  readonly address: bigint;
  readonly mappedSize: number;
  readonly pageSize: number;
  /** Bytes of the data area, which may be fewer than asked for. */
  readonly size: number;
  /** Low 32 bits of data_head. */
  head(): number;
  /** Whether the CPU still writes to it; false after it went offline. */
  isAlive(): boolean;
}
