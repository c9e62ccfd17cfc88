/**
 * Signs that files may have changed: from inotify, and from a slow clock for what inotify does not
 * tell, such as changes on another host of a network file system.
 *
 * @module
 */
import { dirname } from "node:path";
import type { Counter, Counters, Log } from "./telemetry/mod.ts";

/** What a watch is made with. */
export interface FileWatchParts {
  /** Directories and files, absolute; they may come later. */
  readonly directories: readonly string[];
  readonly files: readonly string[];
  /** From the last sign of a change to the call: a save is several changes, ms. */
  readonly quietMs: number;
  /** Between calls without a sign, ms. */
  readonly pollMs: number;
  readonly counters: Counters;
  readonly log: Log;
  /** Something may have changed. */
  onChange(): void;
  /** The system's, unless a test has another. */
  readonly watchFs?: typeof Deno.watchFs;
}

/** Tells of changes until it is disposed. */
export class FileWatch implements Disposable {
  readonly #parts: FileWatchParts;
  readonly #failures: Counter;
  readonly #poll: ReturnType<typeof setInterval>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watcher: Deno.FsWatcher | undefined;
  #isClosed = false;

  constructor(parts: FileWatchParts) {
    this.#parts = parts;
    this.#failures = parts.counters.counter(
      "shrike_policy_watch_failures_total",
      "Times that watching policy files failed, so that only the clock finds changes",
    );
    this.#poll = setInterval(() => this.#call(), parts.pollMs);
    this.#open();
  }

  /** Calls after this time, however many ask for it. */
  callAfter(delayMs: number): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#call(), delayMs);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#poll);
    this.#close();
  }

  #call(): void {
    // What was missing before may be there by now.
    this.#open();
    this.#parts.onChange();
  }

  #open(): void {
    if (this.#watcher !== undefined) return;
    const { directories, files } = this.#parts;
    // An editor's file is another one after each save: only its directory tells of that.
    const wanted = new Set([...directories, ...files.map((path) => dirname(path))]);
    const existing = [...wanted].filter(exists);
    if (existing.length === 0) return;
    try {
      const { watchFs = Deno.watchFs } = this.#parts;
      this.#watcher = watchFs(existing, { recursive: false });
      void this.#follow(this.#watcher, existing.length < wanted.size);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param isPart not all directories are there: they are watched from the next call on */
  async #follow(watcher: Deno.FsWatcher, isPart: boolean): Promise<void> {
    const { directories, quietMs } = this.#parts;
    try {
      for await (const { paths } of watcher) {
        if (!paths.some((path) => this.#isOurs(path))) continue;
        // One that was moved away and made anew is not what is watched.
        const isMoved = paths.some((path) => directories.includes(path));
        if (isPart || isMoved) this.#close();
        this.callAfter(quietMs);
      }
    } catch (error) {
      this.#fail(error);
    }
    if (this.#watcher === watcher) this.#watcher = undefined;
  }

  #isOurs(path: string): boolean {
    const { directories, files } = this.#parts;
    return directories.includes(path) || directories.includes(dirname(path)) ||
      files.includes(path);
  }

  #close(): void {
    const watcher = this.#watcher;
    this.#watcher = undefined;
    try {
      watcher?.close();
    } catch {
      // It has ended by itself.
    }
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#failures.value++;
    if (this.#failures.value > 1) return;
    this.#parts.log.warn("Cannot watch policy files: {error}, looking every {ms} ms", {
      error,
      ms: this.#parts.pollMs,
      hint: "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances",
    });
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
