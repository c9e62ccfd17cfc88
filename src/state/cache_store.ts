/**
 * Where cache entries live: the index by tgid, the references between them, and the bound.
 *
 * An entry holds one reference on itself while it is the running image of its thread group, and one
 * on its parent until it has none left itself. So ancestors outlive descendants, and an entry
 * without references waits a bounded time for late records before it goes.
 *
 * @module
 */
import type { Counter, Counters } from "../telemetry/mod.ts";
import { type CacheEntry, EntryList } from "./cache_entry.ts";

/** Limits of a store. */
export interface CacheLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
  /** How long an entry without references waits for late records. */
  readonly lingerNs: bigint;
}

/**
 * Entries without references that wait at most. Late records come within milliseconds, so in a
 * storm of short processes the oldest go before their time: 2,048 are a fifth of a second at 10,000
 * exits a second, and 4 MB. Not counted: nothing is lost that anybody still refers to.
 */
const RELEASED_MAX = 2048;

/** Index, references, eviction. Knows nothing of facts. */
export class CacheStore {
  readonly #limits: CacheLimits;
  readonly #byTgid = new Map<number, CacheEntry>();
  /** Without references, by the time the last one went. Given up first. */
  readonly #released = new EntryList("exited");
  /** Ended, kept by children, by the time of the end. */
  readonly #ended = new EntryList("exited_with_children");
  /** Running images, least recently used first. */
  readonly #running = new EntryList("running");
  readonly #evictions: ReadonlyMap<EntryList, Counter>;
  #bytes = 0;
  /** Latest CLOCK_MONOTONIC time seen, so that `#released` stays ordered when a late fact comes. */
  #nowNs = 0n;

  constructor(limits: CacheLimits, counters: Counters) {
    this.#limits = limits;
    this.#evictions = new Map(
      [this.#released, this.#ended, this.#running].map((list) => [
        list,
        counters.counter(
          "shrike_process_cache_evictions_total",
          "Cache entries given up before their time because the cache was full",
          { reason: list.reason },
        ),
      ]),
    );
    const gauge = (name: string, help: string, read: () => number) =>
      counters.gauge(name, help, {}, read);
    gauge("shrike_process_cache_entries", "Images in the process cache", () => this.size);
    gauge("shrike_process_cache_bytes", "Estimated memory of the process cache", () => this.#bytes);
    gauge(
      "shrike_process_cache_capacity",
      "Images the process cache holds at most",
      () => limits.entriesMax,
    );
  }

  /** Entries in the store. */
  get size(): number {
    return this.#released.size + this.#ended.size + this.#running.size;
  }

  /** Estimated bytes of all entries. */
  get bytes(): number {
    return this.#bytes;
  }

  /** All entries; the store must not change meanwhile. */
  *entries(): Generator<CacheEntry> {
    for (const list of [this.#running, this.#ended, this.#released]) yield* list.entries();
  }

  /** Tells the store the time; time that goes back is ignored. */
  advance(nowNs: bigint): void {
    if (nowNs > this.#nowNs) this.#nowNs = nowNs;
  }

  /** The newest image of the thread group with that tgid and start; undefined when not cached. */
  find(tgid: number, startNs: bigint): CacheEntry | undefined {
    let entry = this.#byTgid.get(tgid);
    while (entry !== undefined && !entry.isOf(startNs)) entry = entry.older;
    return entry;
  }

  /** The entry that used that tgid last. */
  latest(tgid: number): CacheEntry | undefined {
    return this.#byTgid.get(tgid);
  }

  /** The entry that uses `tgid` and was read from /proc with that start. */
  findByTicks(tgid: number, startTicks: bigint): CacheEntry | undefined {
    let entry = this.#byTgid.get(tgid);
    while (entry !== undefined && entry.startTicks !== startTicks) entry = entry.older;
    return entry;
  }

  /** Puts in a new thread group; what is over the limits is evicted first. */
  insert(entry: CacheEntry): void {
    this.#admit(entry);
    const latest = this.#byTgid.get(entry.process.tgid);
    if (latest !== undefined && latest.startTicks > entry.startTicks) {
      // A late record of a group that had this tgid before the latest one.
      link(entry, latest, latest.older);
    } else {
      link(entry, undefined, latest);
      this.#byTgid.set(entry.process.tgid, entry);
    }
    entry.indexed = true;
  }

  /** Puts in the image that replaces `old`, which loses its own reference. */
  replace(old: CacheEntry, image: CacheEntry): void {
    this.#admit(image);
    if (old.indexed) {
      link(image, old.newer, old.older);
      if (image.newer === undefined) this.#byTgid.set(image.process.tgid, image);
      old.newer = old.older = undefined;
      old.indexed = false;
    } else {
      // `old` itself was evicted to make room; the group is known again by its new image.
      const latest = this.#byTgid.get(image.process.tgid);
      link(image, undefined, latest);
      this.#byTgid.set(image.process.tgid, image);
    }
    image.indexed = true;
    this.end(old);
    // A record is about the newest image of its group, so nothing can ask for this one any more.
    if (old.list === this.#released) this.#remove(old);
  }

  /** Puts in an image that had ended before it became known; it is not in the index. */
  insertEnded(image: CacheEntry): void {
    this.#admit(image);
    this.end(image);
  }

  /** Drops the entry's own reference: it exited, or its image was replaced. */
  end(entry: CacheEntry): void {
    if (entry.ended) return;
    entry.ended = true;
    if (entry.list === undefined) return; // evicted: its references are gone already
    this.#ended.append(entry);
    this.#drop(entry);
  }

  /** What an entry is said to be takes `size` bytes now; `parent` was learned, if it had none. */
  amend(entry: CacheEntry, size: number, parent: CacheEntry | undefined): void {
    if (entry.list === undefined) return;
    this.#bytes += size - entry.size;
    entry.size = size;
    if (parent === undefined || parent === entry || entry.parent !== undefined) return;
    entry.parentHandle = parent.handle;
    if (entry.references > 0) this.#hold(entry);
  }

  /** Entries of thread groups that run. */
  running(): Generator<CacheEntry> {
    return this.#running.entries();
  }

  /** Marks a running entry as used, so that it is evicted after those that are idle. */
  touch(entry: CacheEntry): void {
    if (entry.list === this.#running) this.#running.append(entry);
  }

  /** Removes entries whose last reference went longer ago than the linger time. */
  sweep(nowNs: bigint): void {
    this.advance(nowNs);
    let entry = this.#released.first;
    while (entry !== undefined && entry.releasedNs + this.#limits.lingerNs <= this.#nowNs) {
      this.#remove(entry);
      entry = this.#released.first;
    }
  }

  /** Throws when a rule of the store is broken; for tests. Cost: one pass over `entries`. */
  assertInvariants(entries: readonly CacheEntry[]): void {
    const children = new Map<CacheEntry, number>();
    for (const { holdsParent, parent } of entries) {
      if (holdsParent && parent !== undefined) {
        children.set(parent, (children.get(parent) ?? 0) + 1);
      }
    }
    for (const entry of entries) {
      if (entry.list === undefined) continue;
      const expected = (entry.ended ? 0 : 1) + (children.get(entry) ?? 0);
      if (entry.references !== expected) {
        throw new Error(`references ${entry.references}, expected ${expected}`);
      }
      const home = expected === 0 ? this.#released : entry.ended ? this.#ended : this.#running;
      if (entry.list !== home) throw new Error(`entry in list "${entry.list.reason}"`);
    }
  }

  #admit(entry: CacheEntry): void {
    if (entry.parent !== undefined) this.#hold(entry);
    while (
      this.size + 1 > this.#limits.entriesMax || this.#bytes + entry.size > this.#limits.bytesMax
    ) {
      const victim = this.#released.first ?? this.#ended.first ?? this.#running.first;
      if (victim === undefined) break;
      this.#evictions.get(victim.list as EntryList)!.value += 1;
      this.#remove(victim);
    }
    this.#running.append(entry);
    this.#bytes += entry.size;
  }

  /** Takes the reference on the parent; a released parent takes its own parent's back too. */
  #hold(child: CacheEntry): void {
    let entry = child;
    for (;;) {
      const parent = entry.parent;
      if (parent === undefined) return;
      entry.holdsParent = true;
      parent.references += 1;
      this.touch(parent);
      if (parent.list !== this.#released) return;
      this.#ended.append(parent);
      entry = parent;
    }
  }

  /** Drops one reference; a loop, because an exec chain may be as deep as the cache is large. */
  #drop(dropped: CacheEntry): void {
    let entry: CacheEntry | undefined = dropped;
    while (entry !== undefined) {
      entry.references -= 1;
      if (entry.references > 0 || entry.list === undefined) return;
      entry.releasedNs = this.#nowNs;
      this.#released.append(entry);
      const parent: CacheEntry | undefined = entry.holdsParent ? entry.parent : undefined;
      entry.holdsParent = false;
      if (this.#released.size > RELEASED_MAX) this.#remove(this.#released.first!);
      entry = parent;
    }
  }

  #remove(entry: CacheEntry): void {
    entry.list?.remove(entry);
    this.#bytes -= entry.size;
    entry.handle.entry = undefined;
    if (entry.indexed) {
      if (entry.newer === undefined) {
        if (entry.older === undefined) this.#byTgid.delete(entry.process.tgid);
        else this.#byTgid.set(entry.process.tgid, entry.older);
      } else entry.newer.older = entry.older;
      if (entry.older !== undefined) entry.older.newer = entry.newer;
      entry.newer = entry.older = undefined;
      entry.indexed = false;
    }
    if (entry.holdsParent && entry.parent !== undefined) this.#drop(entry.parent);
    entry.holdsParent = false;
    entry.parentHandle = undefined;
  }
}

function link(
  entry: CacheEntry,
  newer: CacheEntry | undefined,
  older: CacheEntry | undefined,
): void {
  entry.newer = newer;
  entry.older = older;
  if (newer !== undefined) newer.older = entry;
  if (older !== undefined) older.newer = entry;
}
