/**
 * What the agent carries: BPF objects, libbpf, the worker's code. In a checkout they stand in
 * `.out/`; in the executable they are part of the one file.
 *
 * @module
 */
import { openLibc } from "../../ffi/mod.ts";

/**
 * How this program was put together: run from a checkout, a launcher with a stock Deno and the
 * payload behind it, or made by `deno compile`.
 */
export type PayloadForm = "source" | "launcher" | "compiled";

/** How the launcher started Deno, see `scripts/build/launcher/README.md`. */
export type StartMode = "map" | "cache" | "memfd";

/** Where this build comes from; `build.json` of the payload. */
export interface BuildInfo {
  readonly version: string;
  /** Git commit, "-dirty" behind it when files were changed; "unknown" outside a checkout. */
  readonly commit: string;
  /** Deno the build was made with and, as launcher, runs on. */
  readonly deno: string;
}

/** The files the program carries. */
export interface Payload {
  readonly form: PayloadForm;
  /** Only in form "launcher". */
  readonly start: StartMode | null;
  /**
   * A file by its name below `.out/`: "bpf/manifest.json", "libbpf.so". The bytes are the caller's.
   *
   * @throws {PayloadError} there is none, or it cannot be read.
   */
  read(name: string): Uint8Array<ArrayBuffer>;
  /**
   * A path that dlopen takes in this process and its workers. In an executable that is a file in
   * memory, made at the first call; it lives as long as the process.
   */
  libbpfPath(): string;
  /** Path by which this process can read its executable; null in a checkout. */
  executablePath(): string | null;
  /** Module URL of the capture worker, for `new Worker`. */
  workerUrl(): string;
  build(): BuildInfo;
}

/** A file of the payload is missing or cannot be read. */
export class PayloadError extends Error {
  constructor(readonly file: string, state: string, readonly hint: string, cause?: unknown) {
    super(`Cannot read "${file}" of the program: ${state}`, { cause });
    this.name = "PayloadError";
  }
}

const LIBBPF = "libbpf.so";
const WORKER = "bundle/capture_worker.js";

/** `SHRIKE__BOOT`, as the launcher sets it: start mode, descriptor and offset of the payload. */
const BOOT = /^(map|cache|memfd):(\d+):(\d+)$/;

/** Finds the payload of this program; reads nothing of it yet. */
export function openPayload(): Payload {
  const [, start, fd, offset] = BOOT.exec(Deno.env.get("SHRIKE__BOOT") ?? "") ?? [];
  if (start !== undefined) {
    return new LauncherPayload(start as StartMode, Number(fd), Number(offset));
  }
  return Deno.build.standalone ? new CompiledPayload() : new SourcePayload();
}

/** Files of a checkout. */
class SourcePayload implements Payload {
  readonly form = "source";
  readonly start = null;
  readonly #out = new URL("../../.out/", import.meta.url);

  read(name: string): Uint8Array<ArrayBuffer> {
    try {
      return Deno.readFileSync(new URL(name, this.#out));
    } catch (error) {
      throw new PayloadError(name, describe(error), "run `deno task build`", error);
    }
  }

  libbpfPath(): string {
    return decodeURIComponent(new URL(LIBBPF, this.#out).pathname);
  }

  executablePath(): null {
    return null;
  }

  workerUrl(): string {
    return new URL("../capture/capture_worker.ts", import.meta.url).href;
  }

  build(): BuildInfo {
    return readBuild(this);
  }
}

/** What both forms of executable share: libbpf in memory, the worker from its bytes. */
abstract class ExecutablePayload implements Payload {
  abstract readonly form: PayloadForm;
  abstract readonly start: StartMode | null;
  #libbpfPath: string | null = null;
  #workerUrl: string | null = null;

  abstract read(name: string): Uint8Array<ArrayBuffer>;
  abstract executablePath(): string;

  libbpfPath(): string {
    this.#libbpfPath ??= writeToMemory(LIBBPF, this.read(LIBBPF));
    return this.#libbpfPath;
  }

  workerUrl(): string {
    this.#workerUrl ??= URL.createObjectURL(
      new Blob([this.read(WORKER)], { type: "text/javascript" }),
    );
    return this.#workerUrl;
  }

  build(): BuildInfo {
    return readBuild(this);
  }
}

/** Files embedded by `deno compile`, which shows them in the place they had when it ran. */
class CompiledPayload extends ExecutablePayload {
  readonly form = "compiled";
  readonly start = null;
  /** Given by the bundler: this code is then a part of `.out/bundle/`. */
  readonly #out = new URL("../", import.meta.url);

  executablePath(): string {
    // The file may have been replaced since; this is the one that runs.
    return "/proc/self/exe";
  }

  read(name: string): Uint8Array<ArrayBuffer> {
    try {
      return Deno.readFileSync(new URL(name, this.#out));
    } catch (error) {
      throw new PayloadError(name, describe(error), "build the executable again", error);
    }
  }
}

/** Position of a file in the payload, bytes. */
interface Place {
  readonly offset: number;
  readonly size: number;
}

/**
 * Files behind the launcher: a u32 (little-endian) with the size of the index, the index (JSON,
 * name to place, counted from the end of the index), the files. The launcher has checked the whole.
 */
class LauncherPayload extends ExecutablePayload {
  readonly form = "launcher";
  readonly start: StartMode;
  readonly #fd: number;
  readonly #offset: number;
  #files: ReadonlyMap<string, Place> | null = null;

  /** @param fd open descriptor of the executable. @param offset of the payload in it, bytes. */
  constructor(start: StartMode, fd: number, offset: number) {
    super();
    this.start = start;
    this.#fd = fd;
    this.#offset = offset;
  }

  executablePath(): string {
    return `/proc/self/fd/${this.#fd}`;
  }

  read(name: string): Uint8Array<ArrayBuffer> {
    try {
      using file = Deno.openSync(`/proc/self/fd/${this.#fd}`);
      this.#files ??= this.#readIndex(file);
      const place = this.#files.get(name);
      if (place !== undefined) return readAt(file, place.offset, place.size);
    } catch (error) {
      throw new PayloadError(name, describe(error), "mount /proc; start the program again", error);
    }
    throw new PayloadError(
      name,
      "it is not in the executable",
      "use an executable of this version",
    );
  }

  #readIndex(file: Deno.FsFile): ReadonlyMap<string, Place> {
    const size = new DataView(readAt(file, this.#offset, 4).buffer).getUint32(0, true);
    const text = new TextDecoder().decode(readAt(file, this.#offset + 4, size));
    const files = new Map<string, Place>();
    for (const [name, place] of Object.entries(JSON.parse(text) as Record<string, Place>)) {
      files.set(name, { offset: this.#offset + 4 + size + place.offset, size: place.size });
    }
    return files;
  }
}

function readAt(file: Deno.FsFile, offset: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let at = 0; at < size;) {
    const count = file.readSync(bytes.subarray(at));
    if (count === null) throw new RangeError(`the file ends after ${offset + at} bytes`);
    at += count;
  }
  return bytes;
}

/** Makes a file in memory that stays open, and returns a path to it. */
function writeToMemory(name: string, bytes: Uint8Array<ArrayBuffer>): string {
  using libc = openLibc();
  const fd = libc.memfdCreate(name);
  for (let at = 0; at < bytes.length;) at += libc.write(fd, bytes.subarray(at));
  return `/proc/self/fd/${fd}`;
}

function readBuild(payload: Payload): BuildInfo {
  return JSON.parse(new TextDecoder().decode(payload.read("build.json"))) as BuildInfo;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
