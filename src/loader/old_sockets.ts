/**
 * Sockets that are older than the agent: an iterator of the kernel shows all open files, and a
 * program says of each socket among them whose it is.
 *
 * @module
 */
import { Errno, type Libc } from "../../ffi/mod.ts";
import type { LoadedSensors } from "./load_sensors.ts";

/** What `meetOldSockets()` works with. */
export interface OldSocketsParts {
  readonly sensors: Pick<LoadedSensors, "openIterator">;
  readonly libc: Pick<Libc, "symbols" | "errno" | "close">;
  /** Lets others work between two reads. */
  readonly pause?: () => Promise<void>;
}

/** What has come of it. */
export interface OldSocketsReading {
  /** Descriptors that were looked at. */
  readonly files: number;
  /** Whether there were more than are looked at. */
  readonly isCut: boolean;
}

const PROGRAM = "on_old_socket";
/** Files of one read(2): the program writes a byte for each. Some milliseconds. */
const FILES_OF_READ = 4096;
/** Descriptors that are looked at in all; a host has some ten thousand. */
const FILES_MAX = 4 << 20;
/** Reads without anything, which the kernel ends after 1,000,000 objects with EAGAIN. */
const EMPTY_READS_MAX = 64;

/**
 * Reads the iterator to its end, in short turns.
 *
 * @returns undefined where the kernel has no such iterator
 * @throws {LibbpfError} the kernel refuses it.
 */
export async function meetOldSockets(
  { sensors, libc, pause = nextTurn }: OldSocketsParts,
): Promise<OldSocketsReading | undefined> {
  const fd = sensors.openIterator(PROGRAM);
  if (fd === undefined) return undefined;
  const buffer = new Uint8Array(FILES_OF_READ);
  let [files, empty] = [0, 0];
  try {
    while (files < FILES_MAX && empty < EMPTY_READS_MAX) {
      const size = Number(libc.symbols.read(fd, buffer, BigInt(buffer.length)));
      if (size === 0) return { files, isCut: false };
      if (size > 0) files += size;
      else if (isTransient(libc.errno.read())) empty += 1;
      else break;
      await pause();
    }
    return { files, isCut: true };
  } finally {
    libc.close(fd);
  }
}

function isTransient(code: number): boolean {
  return code === Errno.EAGAIN || code === Errno.EINTR;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
