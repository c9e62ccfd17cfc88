/**
 * libbpf's print callback as a function of ours.
 *
 * @module
 */
import { decodeCString } from "./c_string.ts";
import type { LibbpfSymbols, LibcSymbols } from "./symbols/mod.ts";

/** `enum libbpf_print_level`, in its order. */
const LEVELS = ["warn", "info", "debug"] as const;

export type LibbpfLogLevel = typeof LEVELS[number];

/** Gets one line of libbpf without its line end. Must not throw: C is on the stack. */
export type LibbpfLog = (level: LibbpfLogLevel, text: string) => void;

/** A verifier log inside a message is longer; it comes in `VerifierError.log` anyway. */
const LINE_SIZE_MAX = 4096;

const PRINT_FUNCTION = {
  parameters: [
    "i32", // enum libbpf_print_level level
    "pointer", // const char *format
    "pointer", // va_list arguments
  ],
  result: "i32",
} as const;

/**
 * Owns the callback. libbpf has one print function per process, and C waits for the thread that
 * made the callback: only the main thread has a bridge.
 */
export class LogBridge {
  readonly #symbols: Pick<LibbpfSymbols, "libbpf_set_print">;
  readonly #libc: Pick<LibcSymbols, "vsnprintf">;
  readonly #line = new Uint8Array(LINE_SIZE_MAX);
  #callback: Deno.UnsafeCallback<typeof PRINT_FUNCTION> | null = null;
  #log: LibbpfLog | null = null;
  #detail = 0;

  constructor(
    symbols: Pick<LibbpfSymbols, "libbpf_set_print">,
    libc: Pick<LibcSymbols, "vsnprintf">,
  ) {
    this.#symbols = symbols;
    this.#libc = libc;
    this.set(null, "info");
  }

  /** Sends lines up to `detail` to `log`; null makes libbpf silent. */
  set(log: LibbpfLog | null, detail: LibbpfLogLevel): void {
    this.#log = log;
    this.#detail = LEVELS.indexOf(detail);
    if (log === null) {
      this.#symbols.libbpf_set_print(null);
      this.#callback?.close();
      this.#callback = null;
    } else if (this.#callback === null) {
      this.#callback = new Deno.UnsafeCallback(
        PRINT_FUNCTION,
        (level, format, values) => this.#print(level, format, values),
      );
      this.#symbols.libbpf_set_print(this.#callback.pointer);
    }
  }

  /** Makes libbpf silent and frees the callback. Safe to call twice. */
  [Symbol.dispose](): void {
    this.set(null, "info");
  }

  #print(level: number, format: Deno.PointerValue, values: Deno.PointerValue): number {
    const name = LEVELS[level];
    if (name === undefined || level > this.#detail) return 0;
    try {
      const size = this.#libc.vsnprintf(this.#line, BigInt(LINE_SIZE_MAX), format, values);
      this.#log?.(name, decodeCString(this.#line).trimEnd());
      return size;
    } catch {
      // An exception must not unwind through libbpf's frames; a log line is the lesser loss.
      return 0;
    }
  }
}
