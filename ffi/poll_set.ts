/**
 * poll(2) over a fixed set of descriptors.
 *
 * @module
 */
import { Errno } from "./errno.ts";
import { unwrapLibc } from "./errors.ts";
import type { Libc } from "./libc.ts";

/** Bits of `struct pollfd.revents`. */
export const PollEvent = { in: 1, out: 4, error: 8, hangup: 16, invalid: 32 } as const;

/** sizeof(struct pollfd): int fd, short events, short revents. */
const POLLFD_SIZE = 8;
const EVENTS_OFFSET = 4;
const REVENTS_OFFSET = 6;

/** Descriptors to wait for, all for the same `PollEvent` bits. Allocates nothing per wait. */
export class PollSet {
  readonly #libc: Libc;
  readonly #entries: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #count: bigint;

  constructor(libc: Libc, fds: readonly number[], events: number = PollEvent.in) {
    this.#libc = libc;
    this.#entries = new Uint8Array(new ArrayBuffer(fds.length * POLLFD_SIZE));
    this.#view = new DataView(this.#entries.buffer);
    this.#count = BigInt(fds.length);
    fds.forEach((fd, index) => {
      this.#view.setInt32(index * POLLFD_SIZE, fd, true);
      this.#view.setInt16(index * POLLFD_SIZE + EVENTS_OFFSET, events, true);
    });
  }

  /**
   * Blocks this thread until a descriptor is ready or `timeoutMs` has passed; a signal counts as
   * nothing ready.
   *
   * @returns how many are ready.
   * @throws {LibcError}
   */
  wait(timeoutMs: number): number {
    const ready = this.#libc.symbols.poll(this.#entries, this.#count, timeoutMs);
    if (ready >= 0) return ready;
    const code = this.#libc.errno.read();
    if (code === Errno.EINTR) return 0;
    return unwrapLibc(ready, code, { operation: "poll", action: "wait for", object: "events" });
  }

  /** What the last wait found on the descriptor given at `index` (`PollEvent` bits). */
  readyAt(index: number): number {
    return this.#view.getInt16(index * POLLFD_SIZE + REVENTS_OFFSET, true);
  }

  /** Waits for this descriptor no more; poll(2) skips negative ones. */
  ignore(index: number): void {
    this.#view.setInt32(index * POLLFD_SIZE, -1, true);
  }
}
