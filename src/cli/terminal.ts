/**
 * The program's surroundings, handed in so that tests own them.
 *
 * @module
 */
import { writeSync } from "node:fs";
import type { TextLook } from "./text_list.ts";

/** Where a command reads its surroundings and writes. */
export interface Terminal {
  readonly environment: Readonly<Record<string, string>>;
  readonly isStdinTerminal: boolean;
  readonly isStdoutTerminal: boolean;
  readonly isStderrTerminal: boolean;
  /** Width of the terminal in columns; 80 when there is none. */
  columns(): number;
  /**
   * Writes all of it.
   *
   * @throws {ClosedPipeError} the reader has closed the pipe
   * @throws {ClosedStdoutError} the program was started without a standard output
   */
  writeOut(text: string): void;
  /** @throws {ClosedStdoutError} the program was started without a standard output */
  checkOut(): void;
  /** Writes what can be written; never throws: there is nobody to tell. */
  writeError(text: string): void;
  /**
   * Catches the signals that ask for an end until disposed.
   *
   * @param onSecond called when somebody asks again, while the command still tidies up
   * @param onHangup called at SIGHUP, which then asks for no end
   */
  watchSignals(onSecond: () => void, onHangup?: () => void): SignalWatch;
}

/** Signals that ask for an end. */
export interface SignalWatch extends Disposable {
  /** Resolves with the first one. */
  readonly stopped: Promise<Deno.Signal>;
}

/** The reader of stdout has gone; the command ends quietly, as other tools of a pipe do. */
export class ClosedPipeError extends Error {
  override readonly name = "ClosedPipeError";
}

/** The program was started with descriptor 1 closed or open for reading only. */
export class ClosedStdoutError extends Error {
  override readonly name = "ClosedStdoutError";
  readonly hint = "redirect standard output to a file, a pipe or /dev/null";

  constructor() {
    super('Cannot write to "stdout": it is closed');
  }
}

const STDOUT_FD = 1;
const STDERR_FD = 2;
/** The access mode within the flags of an open file (fcntl.h). */
const O_ACCMODE = 3;
const O_RDONLY = 0;
/** Time between tries when a non-blocking pipe is full, ms, and how often it is tried. */
const FULL_PIPE_WAIT_MS = 10;
const FULL_PIPE_TRIES_MAX = 500;

/** The real one. */
export function openTerminal(): Terminal {
  return {
    environment: Deno.env.toObject(),
    isStdinTerminal: Deno.stdin.isTerminal(),
    isStdoutTerminal: Deno.stdout.isTerminal(),
    isStderrTerminal: Deno.stderr.isTerminal(),
    columns: terminalColumns,
    writeOut: (text) => {
      checkOut();
      try {
        writeAll(STDOUT_FD, text);
      } catch (error) {
        if ((error as { code?: string }).code === "EPIPE") throw new ClosedPipeError("Closed pipe");
        throw error;
      }
    },
    checkOut,
    writeError: (text) => {
      try {
        writeAll(STDERR_FD, text);
      } catch {
        // Without stderr nothing can be said, and nothing else depends on it.
      }
    },
    watchSignals,
  };
}

/**
 * A write would not say it: the runtime takes EBADF on the standard descriptors for success, as
 * Rust's library does. The launcher fills a closed descriptor with one that is for reading only.
 */
function checkOut(): void {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/self/fdinfo/${STDOUT_FD}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new ClosedStdoutError();
    return;
  }
  const flags = /^flags:\s*([0-7]+)$/m.exec(text)?.[1];
  if (flags !== undefined && (parseInt(flags, 8) & O_ACCMODE) === O_RDONLY) {
    throw new ClosedStdoutError();
  }
}

/** SIGHUP too: the terminal was closed, and tidying up is better than dying. */
const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function watchSignals(onSecond: () => void, onHangup?: () => void): SignalWatch {
  const { promise: stopped, resolve } = Promise.withResolvers<Deno.Signal>();
  let count = 0;
  const listeners = STOP_SIGNALS.map((signal) => {
    const stop = () => ++count === 1 ? resolve(signal) : onSecond();
    return { signal, listener: signal === "SIGHUP" ? onHangup ?? stop : stop };
  });
  for (const { signal, listener } of listeners) Deno.addSignalListener(signal, listener);
  return {
    stopped,
    [Symbol.dispose]: () => {
      for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
    },
  };
}

/** Whether colour is wanted on a stream: see https://no-color.org for the variable. */
export function wantsColor(
  setting: "auto" | "always" | "never",
  isTerminal: boolean,
  environment: Readonly<Record<string, string>>,
): boolean {
  if (setting !== "auto") return setting === "always";
  return isTerminal && !environment["NO_COLOR"] && environment["TERM"] !== "dumb";
}

/** How lists look on stdout; a file or a pipe gets whole lines. */
export function textLook(
  setting: "auto" | "always" | "never",
  { isStdoutTerminal, environment, columns }: Terminal,
): TextLook {
  const color = wantsColor(setting, isStdoutTerminal, environment);
  return isStdoutTerminal ? { color, columns: columns() } : { color };
}

/** Without a terminal, or with one that does not say its size (a serial line). */
const DEFAULT_COLUMNS = 80;

function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || DEFAULT_COLUMNS;
  } catch {
    return DEFAULT_COLUMNS;
  }
}

function writeAll(fd: number, text: string): void {
  let bytes = new TextEncoder().encode(text);
  let triesLeft = FULL_PIPE_TRIES_MAX;
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
      triesLeft = FULL_PIPE_TRIES_MAX;
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN" || --triesLeft === 0) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_WAIT_MS);
    }
  }
}
