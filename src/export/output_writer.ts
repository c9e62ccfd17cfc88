/**
 * Where lines are written to: a descriptor whose reader may be slow or gone.
 *
 * A write to a full pipe or a stopped terminal waits for the reader, and on the main thread that
 * would hold up the whole agent. Setting O_NONBLOCK is no way out: it belongs to the open file,
 * which the shell and our children share. So a write runs on Deno's thread pool (8 to 15 us each on
 * a quiet machine), unless poll(2) has said that a small one cannot wait (2 us).
 *
 * @module
 */

/** What a sink writes to. Partial writes are allowed. */
export interface OutputWriter {
  /** Writes some of the bytes off the main thread; they must not change before it resolves. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Bytes that `writeSync()` takes now without waiting for anyone; 0 when that cannot be told. */
  roomNow(): number;
  /** Writes at most `roomNow()` bytes at once. */
  writeSync(bytes: Uint8Array): number;
}

/** The part of `Deno.stdout` that is used. */
export interface StdoutLike {
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
  isTerminal(): boolean;
}

export interface StdoutWriterOptions {
  readonly stdout: StdoutLike;
  /**
   * Whether poll(2) for POLLOUT with timeout 0 says the descriptor is ready. Without it every write
   * goes through the thread pool.
   */
  readonly pollWritable?: () => boolean;
  /** Writes some of the bytes to a regular file and says how many, also when the disk is full. */
  readonly writeFile?: (bytes: Uint8Array<ArrayBuffer>) => Promise<number>;
  /** Path to ask for the kind of file; default `/proc/self/fd/1`. */
  readonly path?: string;
}

/**
 * PIPE_BUF: a pipe that poll(2) calls writable has a free page (fs/pipe.c, pipe_poll), so this many
 * bytes go in at once; page sizes are 4096 or more.
 */
const PIPE_ROOM_SIZE = 4096;

const STDOUT_PATH = "/proc/self/fd/1";

/** A writer for standard output, whatever it is. */
export function openStdoutWriter(options: StdoutWriterOptions): OutputWriter {
  const { stdout, pollWritable } = options;
  const canPoll = pollWritable !== undefined && isPipeOrNull(options);
  const writeFile = isRegularFile(options) ? options.writeFile : undefined;
  return {
    write: writeFile ?? ((bytes) => stdout.write(bytes)),
    writeSync: (bytes) => stdout.writeSync(bytes),
    roomNow: () => canPoll && pollWritable() ? PIPE_ROOM_SIZE : 0,
  };
}

function isRegularFile({ path = STDOUT_PATH }: StdoutWriterOptions): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * For pipes and /dev/null poll(2) can be taken at its word. A terminal can stop in the middle of a
 * write, a socket's room is not known in bytes, and a regular file is always "ready", also when its
 * disk is slow.
 */
function isPipeOrNull(options: StdoutWriterOptions): boolean {
  try {
    const path = options.path ?? STDOUT_PATH;
    if (options.stdout.isTerminal()) return false;
    const { isFifo, isCharDevice } = Deno.statSync(path);
    return isFifo === true || (isCharDevice === true && Deno.readLinkSync(path) === "/dev/null");
  } catch {
    // No /proc here: it cannot be told.
    return false;
  }
}
