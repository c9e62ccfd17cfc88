/**
 * One image of one thread group inside the cache, and the lists that order entries for eviction.
 *
 * @module
 */
import type { Process } from "../events/mod.ts";

/** USER_HZ is 100 on every architecture Linux runs on except alpha: field 22 of /proc/PID/stat. */
export const NS_PER_TICK = 10_000_000n;

/** A cached process as others see it: read it at once, it changes with the next fact. */
export interface CachedProcess {
  readonly process: Process;
  /** What keeps the entry: 1 while it is the running image of its thread group, and 1 per child. */
  readonly references: number;
  /** Undefined when the parent is not known or was evicted. */
  readonly parent: CachedProcess | undefined;
}

/**
 * How children hold their parent. An evicted parent is cut off here once, instead of in each child,
 * so its memory is free at once and the bound of the cache is real.
 */
export interface EntryHandle {
  entry: CacheEntry | undefined;
}

/** What a new entry starts with. */
export interface CacheEntryInit {
  readonly process: Process;
  /**
   * Boot-time ns at which the thread group's leader started; undefined when only ticks are known.
   */
  readonly startNs: bigint | undefined;
  readonly startTicks: bigint;
  /** CLOCK_MONOTONIC ns from which this image is known to run. */
  readonly imageNs: bigint;
  readonly parent: CacheEntry | undefined;
  /** Only forked so far: it still runs the image of its parent. */
  readonly forkOnly: boolean;
  /** Told by /proc, not by a fork record. */
  readonly found: boolean;
  /** Its image was read from /proc after the start: a record of its exec may still come. */
  readonly isLookedUp?: boolean;
  /** Bytes this entry is accounted with. */
  readonly size: number;
}

/** An image of a thread group. Only `CacheStore` changes references, lists and links. */
export class CacheEntry implements CachedProcess {
  /** Another object when more is known of the same image. */
  process: Process;
  readonly startTicks: bigint;
  readonly imageNs: bigint;
  readonly forkOnly: boolean;
  readonly handle: EntryHandle;
  readonly isLookedUp: boolean;
  size: number;
  startNs: bigint | undefined;
  found: boolean;
  references = 1;
  /** No longer the running image: it exited, or an exec replaced it. */
  ended = false;
  /** The thread group has exited. */
  exited = false;
  parentHandle: EntryHandle | undefined;
  /** Whether `references` of the parent counts this entry. */
  holdsParent = false;
  /** CLOCK_MONOTONIC ns at which the last reference went. */
  releasedNs = 0n;

  list: EntryList | undefined;
  previous: CacheEntry | undefined;
  next: CacheEntry | undefined;
  /** Neighbours among the entries of one tgid, newest first. */
  newer: CacheEntry | undefined;
  older: CacheEntry | undefined;
  indexed = false;

  constructor(init: CacheEntryInit) {
    this.process = init.process;
    this.startNs = init.startNs;
    this.startTicks = init.startTicks;
    this.imageNs = init.imageNs;
    this.forkOnly = init.forkOnly;
    this.found = init.found;
    this.size = init.size;
    this.isLookedUp = init.isLookedUp ?? false;
    this.handle = { entry: this };
    this.parentHandle = init.parent?.handle;
  }

  /** The parent, unless it is unknown or evicted. */
  get parent(): CacheEntry | undefined {
    return this.parentHandle?.entry;
  }

  /**
   * Whether this is an image of the thread group that started at `startNs`. An entry from /proc
   * knows its start only in ticks; the first match teaches it the exact time.
   */
  isOf(startNs: bigint): boolean {
    if (this.startNs !== undefined) return this.startNs === startNs;
    if (startNs / NS_PER_TICK !== this.startTicks) return false;
    this.startNs = startNs;
    return true;
  }
}

/** Entries in the order they are given up, first the one to go first. Every operation is O(1). */
export class EntryList {
  #first: CacheEntry | undefined;
  #last: CacheEntry | undefined;
  #size = 0;

  constructor(
    /** Word for the metric that counts evictions from this list. */
    readonly reason: string,
  ) {}

  get first(): CacheEntry | undefined {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  /** All entries; the list must not change meanwhile. */
  *entries(): Generator<CacheEntry> {
    for (let entry = this.#first; entry !== undefined; entry = entry.next) yield entry;
  }

  /** Takes the entry out of the list it is in and puts it at the end of this one. */
  append(entry: CacheEntry): void {
    entry.list?.remove(entry);
    entry.list = this;
    entry.previous = this.#last;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    this.#size += 1;
  }

  /** Takes out an entry of this list. */
  remove(entry: CacheEntry): void {
    if (entry.previous === undefined) this.#first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.#last = entry.previous;
    else entry.next.previous = entry.previous;
    entry.previous = undefined;
    entry.next = undefined;
    entry.list = undefined;
    this.#size -= 1;
  }
}
