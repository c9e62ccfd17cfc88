/**
 * The word that a run of the agent leaves for the next one, in a directory of its own: until when
 * it has watched this host.
 *
 * @module
 */
/** What a run says about itself. */
export interface LastRun {
  /** Of /proc/sys/kernel/random/boot_id; the times and counts below are of that boot. */
  readonly bootId: string;
  /** It ended in order: all that it saw until then was handed over. Else a sign of life. */
  readonly isClean: boolean;
  /** CLOCK_BOOTTIME, ns: CLOCK_MONOTONIC stands still while the machine sleeps. */
  readonly boottimeNs: bigint;
  /** Threads and processes made on this host since it booted; missing when it cannot be told. */
  readonly forks?: number;
  /** Of the agent. */
  readonly version: string;
  /** The same moment for people who look into the file, ns since the epoch. */
  readonly wallNs: bigint;
}

/** The directory or the file in it cannot be used. */
export class LastRunError extends Error {
  override readonly name = "LastRunError";

  constructor(action: string, state: string, readonly hint: string, cause?: unknown) {
    super(`Cannot ${action}: ${state}`, { cause });
  }
}

const FILE_NAME = "last_run.json";
const FILE_MODE = 0o600;
/** Ours has 300 bytes. */
const FILE_SIZE_MAX = 4096;
const OTHERS_MAY_WRITE = 0o022;
const NS_PER_MS = 1_000_000n;

/** The file, held by this run alone until it is disposed. */
export class LastRunFile implements Disposable {
  readonly #path: string;
  /** Its lock ends with the process, however that ends. */
  #directory: Deno.FsFile | undefined;

  /**
   * @param directory must be there and be changed by nobody but us: what stands in it is believed
   * @throws {LastRunError} it cannot be used, or another run uses it
   */
  constructor(directory: string) {
    this.#path = `${directory}/${FILE_NAME}`;
    const action = `use the state directory "${directory}"`;
    const opened = attempt(action, () => {
      checkDirectory(action, Deno.lstatSync(directory));
      return Deno.openSync(directory);
    });
    try {
      if (!attempt(action, () => opened.tryLockSync(true))) {
        throw new LastRunError(action, "another run uses it", "give each its own --state-dir");
      }
      this.#directory = opened;
    } finally {
      if (this.#directory === undefined) opened.close();
    }
  }

  /** What the run before has left; undefined when there was none. @throws {LastRunError} */
  read(): LastRun | undefined {
    const action = `read "${this.#path}"`;
    const refuse = (state: string) =>
      new LastRunError(action, state, "remove it when nobody knows where it comes from");
    return attempt(action, () => {
      const info = lstat(this.#path);
      if (info === undefined) return undefined;
      if (!info.isFile) throw refuse("it is not a file");
      if (info.uid !== Deno.uid()) throw refuse(`it belongs to uid ${info.uid}`);
      if (info.size > FILE_SIZE_MAX) throw refuse(`it has ${info.size} bytes`);
      const run = parse(Deno.readTextFileSync(this.#path));
      if (run === undefined) throw refuse("it was not written by this program");
      return run;
    });
  }

  /** Replaces what is there, whole or not at all. @throws {LastRunError} */
  write(run: LastRun): void {
    const work = `${this.#path}.new`;
    attempt(`write "${this.#path}"`, () => {
      // Of a run that was killed just here. Made anew, it is no link that somebody left.
      if (lstat(work) !== undefined) Deno.removeSync(work);
      // Not synced: after a crash of the kernel it is of another boot.
      Deno.writeTextFileSync(work, format(run), { createNew: true, mode: FILE_MODE });
      Deno.renameSync(work, this.#path);
    });
  }

  [Symbol.dispose](): void {
    this.#directory?.close();
    this.#directory = undefined;
  }
}

function checkDirectory(action: string, info: Deno.FileInfo): void {
  const hint = "use a directory that only the agent's user may change (mode 0700)";
  if (!info.isDirectory) throw new LastRunError(action, "it is not a directory", hint);
  const { uid, mode } = info;
  if (uid !== Deno.uid()) throw new LastRunError(action, `it belongs to uid ${uid}`, hint);
  if (((mode ?? 0) & OTHERS_MAY_WRITE) !== 0) {
    throw new LastRunError(action, "others may write to it", hint);
  }
}

function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function attempt<T>(action: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof LastRunError) throw cause;
    const state = cause instanceof Error ? cause.message.split("\n")[0]! : String(cause);
    throw new LastRunError(action, state, "check that it is there, its mode and its space", cause);
  }
}

function format({ bootId, isClean, boottimeNs, forks, version, wallNs }: LastRun): string {
  return JSON.stringify({
    boot_id: bootId,
    clean: isClean,
    boottime_ns: String(boottimeNs),
    ...(forks !== undefined && { forks }),
    version,
    time: new Date(Number(wallNs / NS_PER_MS)).toISOString(),
  }) + "\n";
}

/** Passes over fields of later versions; undefined when one of ours is not what it should be. */
function parse(text: string): LastRun | undefined {
  const fields = parseObject(text);
  if (fields === undefined) return undefined;
  const { boot_id: bootId, clean, boottime_ns: boottime, forks, version, time } = fields;
  const wallMs = typeof time === "string" ? Date.parse(time) : Number.NaN;
  if (typeof bootId !== "string" || !/^[0-9a-f-]{36}$/.test(bootId)) return undefined;
  if (typeof boottime !== "string" || !/^\d{1,19}$/.test(boottime)) return undefined;
  const isCount = Number.isSafeInteger(forks) && Number(forks) >= 0;
  if (forks !== undefined && !isCount) return undefined;
  if (typeof clean !== "boolean") return undefined;
  if (typeof version !== "string" || !/^[\w.+-]{1,64}$/.test(version)) return undefined;
  if (!Number.isSafeInteger(wallMs)) return undefined;
  return {
    bootId,
    isClean: clean,
    boottimeNs: BigInt(boottime),
    ...(forks !== undefined && { forks: Number(forks) }),
    version,
    wallNs: BigInt(wallMs) * NS_PER_MS,
  };
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
