/**
 * The library libbpf.
 *
 * @module
 */
import { BpfObject, type OpenObjectOptions } from "./bpf_object.ts";
import { readCString } from "./c_string.ts";
import { dlopen } from "./dlopen.ts";
import { Errno, type ErrnoReader } from "./errno.ts";
import { type Attempt, LibbpfError, LibraryError, unwrap } from "./errors.ts";
import { openLibcTable } from "./libc.ts";
import { type LibbpfLog, type LibbpfLogLevel, LogBridge } from "./log_bridge.ts";
import { MapElements } from "./map_elements.ts";
import { LIBBPF_SYMBOLS, type LibbpfSymbols, type LibcSymbols } from "./symbols/mod.ts";

/** Older ones lack calls that we make, and kernel features. */
const MAJOR_VERSION_MIN = 1;

/** `enum bpf_stats_type`. */
const BPF_STATS_RUN_TIME = 0;

/** What a `Libbpf` stands on; tests hand in their own. */
export interface LibbpfParts {
  readonly symbols: LibbpfSymbols;
  readonly errno: ErrnoReader;
  readonly libc: Pick<LibcSymbols, "vsnprintf" | "close">;
  close(): void;
}

/**
 * Opens the library at `path` in this thread and makes its log silent. One per process: workers
 * use `openMapElements()`.
 *
 * @throws {LibraryError} it is no libbpf, or too old.
 */
export function openLibbpf(path: string): Libbpf {
  const libc = openLibcTable();
  try {
    const library = dlopen(path, LIBBPF_SYMBOLS);
    const close = () => {
      library.close();
      libc.close();
    };
    try {
      const { symbols, errno } = libc;
      return new Libbpf({ symbols: library.symbols, errno, libc: symbols, close }, path);
    } catch (error) {
      library.close();
      throw error;
    }
  } catch (error) {
    libc.close();
    throw error;
  }
}

/** libbpf, opened. Objects made from it must be disposed before it. */
export class Libbpf {
  /** Such as "1.1". */
  readonly version: string;
  /** Elements of maps by descriptor. */
  readonly elements: MapElements;
  readonly #parts: LibbpfParts;
  readonly #log: LogBridge;
  #possibleCpuCount = 0;
  #open = true;

  /** @throws {LibraryError} the version is too old. */
  constructor(parts: LibbpfParts, path: string) {
    this.#parts = parts;
    this.version = readCString(parts.symbols.libbpf_version_string()).replace(/^v/, "");
    if (!(parseInt(this.version) >= MAJOR_VERSION_MIN)) {
      const hint = `use libbpf ${MAJOR_VERSION_MIN}.0 or newer`;
      throw new LibraryError(path, `it is version "${this.version}"`, hint);
    }
    this.elements = new MapElements(parts.symbols);
    this.#log = new LogBridge(parts.symbols, parts.libc);
  }

  /** Sends libbpf's lines up to level `detail` to `log`; null makes it silent. */
  setLog(log: LibbpfLog | null, detail: LibbpfLogLevel = "info"): void {
    this.#log.set(log, detail);
  }

  /** Opens an object file that is in memory. @throws {LibbpfError} it is no BPF object. */
  openObject(
    bytes: Uint8Array<ArrayBuffer>,
    name: string,
    options: OpenObjectOptions = {},
  ): BpfObject {
    const { symbols, errno } = this.#parts;
    const possibleCpuCount = () => this.possibleCpuCount();
    const shared = { symbols, errno, possibleCpuCount };
    return new BpfObject(shared, this.elements, bytes, name, options);
  }

  /** CPUs the kernel may ever have; per-CPU map values come for each. */
  possibleCpuCount(): number {
    if (this.#possibleCpuCount === 0) {
      const operation = "libbpf_num_possible_cpus";
      const object = "/sys/devices/system/cpu/possible";
      const attempt = { operation, action: "count CPUs in", object };
      this.#possibleCpuCount = unwrap(this.#parts.symbols[operation](), attempt);
    }
    return this.#possibleCpuCount;
  }

  /**
   * Whether the kernel takes programs of this `enum bpf_prog_type`. Loads a tiny one to see. libbpf
   * 1.1 cannot tell for BPF_PROG_TYPE_TRACING on newer kernels (it compares an error text of the
   * verifier that has changed) and says no.
   */
  probeProgramType(type: number): boolean {
    const operation = "libbpf_probe_bpf_prog_type";
    const attempt = { operation, action: "probe program type", object: `${type}` };
    return this.#unwrapProbe(this.#parts.symbols[operation](type, null), attempt);
  }

  /** Whether the kernel takes maps of this `enum bpf_map_type`. Makes a tiny one to see. */
  probeMapType(type: number): boolean {
    const operation = "libbpf_probe_bpf_map_type";
    const attempt = { operation, action: "probe map type", object: `${type}` };
    return this.#unwrapProbe(this.#parts.symbols[operation](type, null), attempt);
  }

  /**
   * libbpf answers 0 for whatever bpf(2) refused, and leaves its error in errno. Of those EPERM
   * says nothing about the kernel: this process may not ask (user namespace, seccomp).
   */
  #unwrapProbe(answer: number, attempt: Attempt): boolean {
    const code = this.#parts.errno.read();
    if (answer === 0 && code === Errno.EPERM) throw new LibbpfError(attempt, code);
    return unwrap(answer, attempt) === 1;
  }

  /** Makes the kernel count program runs until disposed. Costs every BPF program some time. */
  enableStats(): Disposable {
    const attempt = { operation: "bpf_enable_stats", action: "count runs of", object: "programs" };
    const fd = unwrap(this.#parts.symbols.bpf_enable_stats(BPF_STATS_RUN_TIME), attempt);
    let open = true;
    return {
      [Symbol.dispose]: () => {
        if (open) this.#parts.libc.close(fd);
        open = false;
      },
    };
  }

  /** Closes the library. Safe to call twice. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.#log[Symbol.dispose]();
    this.#parts.close();
  }
}
