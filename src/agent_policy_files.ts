/**
 * Policies from files: read at the start, and again whenever a file changes. The policies of a file
 * stay as they are as long as its new text has a mistake.
 *
 * @module
 */
import { basename, join, resolve } from "node:path";
import { FileWatch } from "./agent_file_watch.ts";
import {
  checkTrusted,
  readTrustedFile,
  signatureOf,
  trustedOwners,
  UntrustedError,
} from "./files/mod.ts";
import type { PolicyComplaint, PolicyService, PolicyStatus } from "./policy/mod.ts";
import type { Counter, Counters, Log } from "./telemetry/mod.ts";

/** What the files of an agent are made with. */
export interface PolicyFilesParts {
  readonly policies: Pick<PolicyService, "add" | "removeFile">;
  /** Watched as a whole; it may come later. */
  readonly directory?: string;
  /** Say so when the directory is missing. */
  readonly needsDirectory: boolean;
  readonly files: readonly string[];
  readonly counters: Counters;
  readonly log: Log;
  /** Uids whose files are read; root and this process unless a test says otherwise. */
  readonly owners?: readonly number[];
  readonly times?: Partial<WatchTimes>;
}

/** How soon is looked, ms. */
export interface WatchTimes {
  readonly quietMs: number;
  /** A file must be gone so long: editors move a file away before they write it anew. */
  readonly goneMs: number;
  readonly pollMs: number;
}

const TIMES: WatchTimes = { quietMs: 200, goneMs: 1000, pollMs: 5000 };

/** As `shrike policy check` has it: hidden ones are what editors leave behind. */
const POLICY_FILE = /^[^.].*\.(ya?ml|json)$/;
const FILE_SIZE_MAX = 1024 * 1024;
/** Of the directory. */
const FILES_MAX = 10_000;
/** Of one file, in the log. */
const COMPLAINTS_TOLD_MAX = 20;

/** What is known of a file. */
interface KnownFile {
  /** Of the last look. */
  signature: string;
  /** What it had then; undefined when it must not or cannot be read. */
  text: string | undefined;
  /** What the policies have of it; undefined: nothing. */
  loaded: string | undefined;
  /** Why that is not the same. */
  complaints: readonly PolicyComplaint[];
  /** As last told, so that it is told once. */
  told: string;
  /** performance.now() of the first look that did not find it. */
  missingSinceMs: number | undefined;
}

/** Keeps the policies of files as the files are, until it is disposed. */
export class PolicyFiles implements Disposable {
  readonly #parts: PolicyFilesParts;
  readonly #times: WatchTimes;
  readonly #owners: readonly number[];
  readonly #directory: string | undefined;
  readonly #files: readonly string[];
  readonly #known = new Map<string, KnownFile>();
  readonly #refused: Counter;
  /** What was told of directories and files that are missing, by path. */
  readonly #told = new Map<string, string>();
  #watch: FileWatch | undefined;
  #isClosed = false;
  #looking: Promise<void> = Promise.resolve();

  constructor(parts: PolicyFilesParts) {
    this.#parts = parts;
    this.#times = { ...TIMES, ...parts.times };
    this.#owners = parts.owners ?? trustedOwners();
    this.#directory = parts.directory === undefined ? undefined : resolve(parts.directory);
    this.#files = parts.files.map((path) => resolve(path));
    this.#refused = parts.counters.counter(
      "shrike_policy_files_refused_total",
      "Texts of policy files that were not taken",
    );
    parts.counters.gauge(
      "shrike_policy_files",
      "Files whose policies are loaded",
      {},
      () => [...this.#known.values()].filter(({ loaded }) => loaded !== undefined).length,
    );
    parts.counters.gauge(
      "shrike_policies",
      "Policies by what they are going through",
      { state: "load_error" },
      () => this.refusals().length,
    );
  }

  /** A row for each file whose text of now is not in force, with the first of its mistakes. */
  refusals(): PolicyStatus[] {
    return [...this.#known].flatMap(([path, { complaints, loaded }]) => {
      const [first] = complaints;
      return first === undefined ? [] : [refusalOf(path, first, loaded !== undefined)];
    });
  }

  /** Looks at all files; resolves when the policies have what has changed. Never rejects. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  /** Looks again whenever something changes. */
  watch(): void {
    const directories = this.#directory === undefined ? [] : [this.#directory];
    if (directories.length === 0 && this.#files.length === 0) return;
    const { quietMs, pollMs } = this.#times;
    const { counters, log } = this.#parts;
    const onChange = () => void this.look();
    this.#watch ??= new FileWatch({
      ...{ directories, files: this.#files, quietMs, pollMs, counters, log, onChange },
    });
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#watch?.[Symbol.dispose]();
  }

  async #look(): Promise<void> {
    const paths = this.#list();
    // What is gone may have had the names that another file wants.
    let isProgress = await this.#forgetMissing(new Set(paths));
    for (const path of paths) {
      if (this.#isClosed) return;
      if (this.#readNews(path) && await this.#take(path)) isProgress = true;
    }
    // A binding may stand before its template, also in another file: as long as something helps.
    while (isProgress) {
      isProgress = false;
      for (const path of paths.filter((path) => this.#isWaiting(path))) {
        if (this.#isClosed) return;
        if (await this.#take(path)) isProgress = true;
      }
    }
    for (const path of paths) this.#tell(path);
  }

  /** Paths in the order in which they are read. */
  #list(): string[] {
    const own = this.#files.filter((path) => {
      const isThere = statOf(path) !== undefined;
      if (isThere) this.#told.delete(path);
      else this.#tellMissing(path, "there is no such file");
      return isThere;
    });
    return [...new Set([...this.#listDirectory(), ...own])];
  }

  #listDirectory(): string[] {
    const directory = this.#directory;
    if (directory === undefined) return [];
    try {
      const info = Deno.lstatSync(directory);
      if (!info.isDirectory) {
        throw new UntrustedError(directory, "it is no directory", "name the directory itself");
      }
      checkTrusted(directory, info, this.#owners);
      const names = [...Deno.readDirSync(directory)].map(({ name }) => name)
        .filter((name) => POLICY_FILE.test(name)).sort();
      if (names.length > FILES_MAX) {
        const state = `it has ${names.length} files, ${FILES_MAX} are allowed`;
        throw new UntrustedError(directory, state, "put several policies into a file");
      }
      this.#told.delete(directory);
      return names.map((name) => join(directory, name));
    } catch (error) {
      const isMissing = error instanceof Deno.errors.NotFound;
      if (!isMissing) this.#tellMissing(directory, firstLine(error), hintOf(error));
      else if (this.#parts.needsDirectory) this.#tellMissing(directory, "there is no directory");
      // One that cannot be read says nothing about its files; one that is gone has none.
      return isMissing ? [] : [...this.#known.keys()].filter((path) => !this.#files.includes(path));
    }
  }

  /** @returns whether policies were removed */
  async #forgetMissing(listed: ReadonlySet<string>): Promise<boolean> {
    let isRemoved = false;
    const nowMs = performance.now();
    for (const [path, known] of this.#known) {
      if (listed.has(path)) {
        known.missingSinceMs = undefined;
        continue;
      }
      known.missingSinceMs ??= nowMs;
      const leftMs = known.missingSinceMs + this.#times.goneMs - nowMs;
      if (leftMs > 0) this.#watch?.callAfter(leftMs + 1);
      else {
        this.#known.delete(path);
        if (known.loaded === undefined) continue;
        await this.#remove(path);
        isRemoved = true;
      }
    }
    return isRemoved;
  }

  async #remove(path: string): Promise<void> {
    const { policies, log } = this.#parts;
    try {
      const outcome = await policies.removeFile(path);
      if (outcome.isDone) log.info('"{path}" is gone, and its policies with it', { path });
      else for (const complaint of outcome.complaints) this.#tellComplaint(complaint, true);
    } catch (error) {
      log.error('Cannot remove the policies of "{path}": {error}', { path, error });
    }
  }

  /** Reads a file that has changed; true when there is something to take. */
  #readNews(path: string): boolean {
    const info = statOf(path);
    const signature = info && signatureOf(info);
    const known = this.#known.get(path) ?? newFile();
    const isSame = signature !== "" && known.signature === signature;
    if (signature === undefined || isSame) return false;
    this.#known.set(path, known);
    if (signature === "") this.#watch?.callAfter(this.#times.quietMs);
    if (known.loaded !== undefined && this.#isBeingWritten(info!)) return false;
    try {
      const read = readTrustedFile(path, { sizeMax: FILE_SIZE_MAX, owners: this.#owners });
      known.signature = read.signature;
      known.text = read.text;
      known.complaints = [];
      return read.text !== known.loaded;
    } catch (error) {
      // Moved away just now: the next look sees what has come of it.
      if (error instanceof Deno.errors.NotFound) return false;
      known.signature = signature;
      known.text = undefined;
      known.complaints = [complaintOf(path, error)];
      return false;
    }
  }

  /** Half of a text may be right, and must not take the place of the whole. */
  #isBeingWritten({ mtime }: Deno.FileInfo): boolean {
    const ageMs = Date.now() - (mtime?.getTime() ?? 0);
    if (ageMs < 0 || ageMs >= this.#times.quietMs) return false;
    this.#watch?.callAfter(this.#times.quietMs);
    return true;
  }

  /** Whether there is a text that was not taken. */
  #isWaiting(path: string): boolean {
    const { text, loaded } = this.#known.get(path) ?? newFile();
    return text !== undefined && text !== loaded;
  }

  /** Gives the text of a file to the policies. */
  async #take(path: string): Promise<boolean> {
    const known = this.#known.get(path)!;
    const text = known.text!;
    try {
      const outcome = await this.#parts.policies.add({ file: path, text }, { isWholeFile: true });
      if (outcome.isDone) {
        known.loaded = text;
        known.complaints = [];
        const names = outcome.policies.map(({ name }) => name).join(", ");
        this.#parts.log.info('Took "{path}": {names}', { path, names });
        return true;
      }
      known.complaints = outcome.complaints;
    } catch (error) {
      known.complaints = [complaintOf(path, error)];
    }
    return false;
  }

  /** Each mistake once. */
  #tell(path: string): void {
    const known = this.#known.get(path);
    if (known === undefined) return;
    const told = known.complaints.length === 0 ? "" : JSON.stringify(known.complaints);
    if (known.told === told) return;
    known.told = told;
    if (told !== "") this.#refused.value++;
    for (const complaint of known.complaints.slice(0, COMPLAINTS_TOLD_MAX)) {
      this.#tellComplaint(complaint, known.loaded !== undefined);
    }
  }

  #tellComplaint({ file, line, column, text, hint }: PolicyComplaint, isLoaded: boolean): void {
    const rest = isLoaded ? "with the version before" : "without it";
    this.#parts.log.error("{file}:{line}:{column}: {text}, continuing {rest}", {
      ...{ file, line, column, text, rest, hint },
    });
  }

  #tellMissing(path: string, state: string, hint = "it is read when it comes"): void {
    if (this.#told.get(path) === state) return;
    this.#told.set(path, state);
    this.#parts.log.error('Cannot read policies from "{path}": {state}', { path, state, hint });
  }
}

function newFile(): KnownFile {
  return {
    ...{ signature: "", text: undefined, loaded: undefined, complaints: [], told: "" },
    missingSinceMs: undefined,
  };
}

/** Which policies it would have had nobody can tell, so it has the name of its file. */
function refusalOf(path: string, complaint: PolicyComplaint, isLoaded: boolean): PolicyStatus {
  const { file, line, column, text, hint } = complaint;
  const place = file === path ? `${line}:${column}` : `${file}:${line}:${column}`;
  const rest = isLoaded ? "; the version before is in force" : "";
  return {
    ...{ name: basename(path), state: "load_error", mode: "monitor_only", guarantee: "observe" },
    ...{ rules: [], workloads: 0, hits: { post: 0, signal: 0, override: 0, monitored: 0 } },
    ...{ kernelSize: 0, source: path, isPersistent: false },
    ...{ error: `${place}: ${text}${rest}`, hint },
  };
}

function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch {
    return undefined;
  }
}

function complaintOf(file: string, error: unknown): PolicyComplaint {
  return { file, line: 1, column: 1, text: firstLine(error), hint: hintOf(error) };
}

function firstLine(error: unknown): string {
  if (error instanceof UntrustedError) return error.state;
  return error instanceof Error ? error.message.split("\n")[0]! : String(error);
}

function hintOf(error: unknown): string {
  const hint = (error as { hint?: unknown } | undefined)?.hint;
  return typeof hint === "string" ? hint : "check its mode and kind";
}
