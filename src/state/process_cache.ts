/**
 * Every process the agent knows, by thread group. Changed only by facts; gives out immutable
 * `Process` objects.
 *
 * Images: a fork makes one (the parent's image under new ids), each exec makes the next with a new
 * exec_id. The first exec after a fork descends from the forking process and has the flag `clone`;
 * a later one descends from the image before it. Processes from /proc have boot-time ktimes.
 *
 * @module
 */
import type {
  CgroupPlace,
  FactBase,
  Process,
  ProcessExecuted,
  ProcessExited,
  ProcessFact,
  ProcessForked,
  ProcessFound,
  Workload,
} from "../events/mod.ts";
import type { Clock, Counters } from "../telemetry/mod.ts";
import { type CachedProcess, CacheEntry, NS_PER_TICK } from "./cache_entry.ts";
import { CacheStore } from "./cache_store.ts";
import { estimateSize } from "./entry_size.ts";
import { type EntryFacts, makeEntry, makeKernelEntry, startOf } from "./make_entry.ts";
import { isVisitor } from "./process_identity.ts";
import { type IdentitySource, ProcessMaker } from "./process_maker.ts";
import { ProcessCounts } from "./process_counts.ts";
import { sameFile } from "./same_file.ts";

/** What a process cache needs. */
export interface ProcessCacheOptions extends IdentitySource {
  /** Node name; part of every exec_id. */
  readonly nodeName: string;
  readonly clock: Clock;
  readonly counters: Counters;
  /** Images kept at most. Default 65,536, the size Tetragon's cache has. */
  readonly entriesMax?: number;
  /** Estimated bytes kept at most. Default 64 MiB. */
  readonly bytesMax?: number;
  /** How long an image nobody refers to waits for late records. Default 2,000 ms. */
  readonly lingerMs?: number;
}

/** How much of a found process is believed. */
export type FoundImage =
  /** What /proc told is the image it ran before any live record. */
  | "read"
  /** It changed while it was read: only ids and start time hold, live records tell the rest. */
  | "unknown";

const ENTRIES_MAX = 65_536;
const BYTES_MAX = 64 * 1024 * 1024;
const LINGER_MS = 2_000;

/** The process table. Single-threaded; `apply()` costs a few microseconds. */
export class ProcessCache {
  readonly #store: CacheStore;
  readonly #maker: ProcessMaker;
  readonly #kernel: CacheEntry;
  readonly #counts: ProcessCounts;

  constructor(options: ProcessCacheOptions) {
    const { counters } = options;
    this.#store = new CacheStore({
      entriesMax: options.entriesMax ?? ENTRIES_MAX,
      bytesMax: options.bytesMax ?? BYTES_MAX,
      lingerNs: BigInt(options.lingerMs ?? LINGER_MS) * 1_000_000n,
    }, counters);
    this.#maker = new ProcessMaker(options.nodeName, options.clock, options);
    this.#kernel = makeKernelEntry(this.#maker.kernel());
    this.#counts = new ProcessCounts(counters);
  }

  /**
   * The pseudo-process `<kernel>`, parent of init and of what kernel threads start. Never evicted.
   */
  get kernel(): CachedProcess {
    return this.#kernel;
  }

  /** Images in the cache. */
  get size(): number {
    return this.#store.size;
  }

  /** Estimated bytes of all images. */
  get bytes(): number {
    return this.#store.bytes;
  }

  /** What runs, as far as it is cached; the cache must not change meanwhile. */
  *running(): Generator<CachedProcess> {
    for (const entry of this.#store.entries()) if (!entry.ended) yield entry;
  }

  /** The newest image of a thread group; undefined when not cached. */
  find(tgid: number, leaderStartNs: bigint): CachedProcess | undefined {
    return this.#store.find(tgid, leaderStartNs);
  }

  /**
   * Applies what a record told.
   *
   * @returns the image the fact is about, or undefined when the fact told nothing new.
   */
  apply(fact: ProcessFact): CachedProcess | undefined {
    this.#store.advance(fact.timeNs);
    switch (fact.type) {
      case "process_forked":
        return this.#applyFork(fact);
      case "process_executed":
        return this.#applyExec(fact);
      case "process_exited":
        return this.#applyExit(fact);
      default:
        return fact satisfies never;
    }
  }

  /**
   * The image that a process was running when a record about something it did was made, and where
   * it was then. One that is not cached is entered with what the record tells.
   */
  observe(fact: FactBase): CachedProcess {
    this.#store.advance(fact.timeNs);
    if (fact.tgid === 0) return this.#kernel;
    const known = this.#store.find(fact.tgid, fact.leaderStartNs);
    if (known === undefined) {
      this.#counts.unseen.value += 1;
      this.#closeReused(fact.tgid, fact.leaderStartNs);
      return this.#insertUnknown(fact);
    }
    known.process = this.#maker.moved(known.process, fact, known.parent?.process);
    this.#store.touch(known);
    return known;
  }

  /**
   * What a record tells of a process that is not cached, and that may have ended: not entered,
   * because nothing would ever end it.
   */
  standIn(fact: FactBase): CachedProcess {
    return makeEntry({ process: this.#unknownProcess(fact), ...startOf(fact), parent: undefined });
  }

  /**
   * Enters a process read from /proc; parents must come before their children (`resolveStartup()`).
   *
   * @returns its image, or undefined when that thread group is known already.
   */
  applyFound(
    fact: ProcessFound,
    image: FoundImage = "read",
    isLookedUp = false,
  ): CachedProcess | undefined {
    this.#store.advance(fact.readFromNs);
    if (this.#store.findByTicks(fact.tgid, fact.startTicks) !== undefined) return undefined;
    const parent = this.#foundParent(fact);
    const startNs = fact.startTicks * NS_PER_TICK;
    return this.#insert({
      process: image === "read"
        ? this.#maker.found(fact, parent?.process)
        : this.#maker.unknown({ ...fact, startNs, seenNs: fact.readToNs }, parent?.process),
      startNs: undefined,
      startTicks: fact.startTicks,
      imageNs: image === "read" ? fact.readFromNs : 0n,
      parent,
      found: true,
      isLookedUp,
    });
  }

  /**
   * What a look at /proc says after the start. A group that is not known is entered; one of which
   * only ids were known gets its image; one that runs another file had an exec that was lost.
   *
   * @returns the image that is known now, or undefined when that told nothing new
   */
  learn(fact: ProcessFound): CachedProcess | undefined {
    const known = this.#store.findByTicks(fact.tgid, fact.startTicks);
    if (known === undefined) {
      this.#closeReused(fact.tgid, fact.startTicks * NS_PER_TICK);
      return this.applyFound(fact, "read", true);
    }
    this.#store.advance(fact.readFromNs);
    if (known.exited || known.imageNs > fact.readFromNs) return undefined;
    if (known.process.unknown) return this.#complete(known, fact);
    const { exe } = known.process;
    if (exe === undefined || fact.exe === undefined || sameFile(exe, fact.exe)) return undefined;
    const parent = known.forkOnly ? known.parent : known;
    const image = makeEntry({
      process: this.#maker.found(fact, parent?.process, fact.readFromNs),
      startNs: known.startNs,
      startTicks: known.startTicks,
      imageNs: fact.readFromNs,
      parent,
      found: known.found,
      isLookedUp: true,
    });
    this.#store.replace(known, image);
    return image;
  }

  /** Whether a running group of this tgid is known, with its image. */
  knows(tgid: number): boolean {
    const latest = this.#store.latest(tgid);
    return latest !== undefined && !latest.exited && !latest.process.unknown;
  }

  /** The group's image, by the start that /proc shows. */
  findByTicks(tgid: number, startTicks: bigint): CachedProcess | undefined {
    return this.#store.findByTicks(tgid, startTicks);
  }

  /**
   * Ends running groups that are not in a list of all there are: the records of their exits were
   * lost. All records up to the moment of the list must have been applied.
   *
   * @param listedNs CLOCK_MONOTONIC ns before the list was made
   * @returns how many
   */
  endMissing(listed: ReadonlySet<number>, listedNs: bigint): number {
    const missing: CacheEntry[] = [];
    for (const entry of this.#store.running()) {
      if (!listed.has(entry.process.tgid) && entry.imageNs < listedNs) missing.push(entry);
    }
    for (const entry of missing) {
      entry.exited = true;
      this.#store.end(entry);
    }
    return missing.length;
  }

  /** Keeps the exec_id under which the group has been told. */
  #complete(known: CacheEntry, fact: ProcessFound): CacheEntry {
    const parent = known.parent ?? this.#foundParent(fact);
    const { execId, ktimeNs } = known.process;
    known.process = { ...this.#maker.found(fact, parent?.process), execId, ktimeNs };
    this.#store.amend(known, estimateSize(known.process, parent?.process), parent);
    return known;
  }

  /**
   * Gives all images of a workload what was learned of it. Costs a pass over the cache: 65,536
   * images take about a millisecond.
   *
   * @param trackingId the cgroup that names the workload
   * @param workloadAt the workload as processes at that place have it
   * @returns how many images are others now
   */
  amend(trackingId: bigint, workloadAt: (place: CgroupPlace) => Workload): number {
    let count = 0;
    for (const entry of this.#store.entries()) {
      const { process } = entry;
      if (process.cgroup.trackingId !== trackingId || isVisitor(process.workload)) continue;
      const workload = workloadAt(process.cgroup);
      if (process.workload === workload) continue;
      entry.process = { ...process, workload };
      count += 1;
    }
    return count;
  }

  /** Lets go of images nobody needs any more; call it about once a second. */
  sweep(nowNs: bigint): void {
    this.#store.sweep(nowNs);
    this.#maker.refresh();
  }

  #applyFork(fact: ProcessForked): CacheEntry | undefined {
    const known = this.#store.find(fact.tgid, fact.leaderStartNs);
    if (known !== undefined) {
      if (known.found) this.#counts.adopted.value += 1;
      else this.#counts.duplicates.process_forked.value += 1;
      return undefined;
    }
    const parent = this.#parentOf(fact);
    if (parent === undefined) this.#counts.unknown.process_forked.value += 1;
    this.#closeReused(fact.tgid, fact.leaderStartNs);
    return this.#insert({
      process: this.#maker.forked(fact, parent?.process),
      ...startOf(fact),
      parent,
      forkOnly: true,
    });
  }

  #applyExec(fact: ProcessExecuted): CacheEntry {
    const before = this.#store.find(fact.tgid, fact.leaderStartNs);
    if (before === undefined) return this.#insertMissed(fact);
    const late = fact.timeNs < before.imageNs;
    const parent = before.forkOnly || late ? before.parent ?? this.#parentOf(fact) : before;
    const process = this.#maker.executed(fact, parent?.process, {
      afterFork: before.forkOnly,
      missed: false,
      before: before.process,
    });
    const image = new CacheEntry({
      process,
      ...startOf(fact),
      parent,
      forkOnly: false,
      found: before.found,
      size: estimateSize(process, undefined),
    });
    // An image that was looked up is the one whose record comes now, or a later one.
    if (late && !before.isLookedUp || before.exited) {
      image.exited = true;
      this.#store.insertEnded(image);
    } else {
      this.#store.replace(before, image);
    }
    return image;
  }

  /**
   * The exec of a group whose fork or earlier images were missed: flag `miss`, the parent the
   * kernel named.
   */
  #insertMissed(fact: ProcessExecuted): CacheEntry {
    this.#counts.unknown.process_executed.value += 1;
    const parent = this.#parentOf(fact);
    this.#closeReused(fact.tgid, fact.leaderStartNs);
    return this.#insert({
      process: this.#maker.executed(fact, parent?.process, { afterFork: false, missed: true }),
      ...startOf(fact),
      parent,
    });
  }

  #applyExit(fact: ProcessExited): CacheEntry | undefined {
    const known = this.#store.find(fact.tgid, fact.leaderStartNs);
    if (known === undefined) return this.#insertUnknownExit(fact);
    if (known.exited) {
      this.#counts.duplicates.process_exited.value += 1;
      return undefined;
    }
    known.exited = true;
    // A process may have been moved since its last exec, such as into its login session.
    known.process = this.#maker.moved(known.process, fact, known.parent?.process);
    this.#store.end(known);
    return known;
  }

  /**
   * An exit of a group the cache does not know; entered, so that a second record of it is dropped.
   */
  #insertUnknownExit(fact: ProcessExited): CacheEntry {
    this.#counts.unknown.process_exited.value += 1;
    const entry = this.#insertUnknown(fact);
    entry.exited = true;
    this.#store.end(entry);
    return entry;
  }

  #insertUnknown(fact: FactBase): CacheEntry {
    return this.#insert({
      process: this.#unknownProcess(fact),
      ...startOf(fact),
      parent: undefined,
    });
  }

  #insert(init: EntryFacts): CacheEntry {
    const entry = makeEntry(init);
    this.#store.insert(entry);
    return entry;
  }

  #unknownProcess(fact: FactBase): Process {
    const { tgid, namespaceTgid, cgroup, timeNs: seenNs, leaderStartNs: startNs } = fact;
    const group = { tgid, namespaceTgid, pidNsLevel: 0, startNs, cgroup, seenNs };
    return this.#maker.unknown(group, undefined);
  }

  #parentOf(fact: ProcessForked | ProcessExecuted): CacheEntry | undefined {
    if (fact.parentIsKernel || fact.parentTgid === 0) return this.#kernel;
    return this.#store.find(fact.parentTgid, fact.parentStartNs);
  }

  /** /proc names the parent by tgid alone; one that started after the child is another process. */
  #foundParent(fact: ProcessFound): CacheEntry | undefined {
    if (fact.parentIsKernel || fact.parentTgid === 0) return this.#kernel;
    const parent = this.#store.latest(fact.parentTgid);
    return parent === undefined || parent.startTicks > fact.startTicks ? undefined : parent;
  }

  /** A running group with this tgid and another start has ended without an exit record. */
  #closeReused(tgid: number, leaderStartNs: bigint): void {
    const latest = this.#store.latest(tgid);
    if (latest === undefined || latest.exited) return;
    if (latest.startTicks > leaderStartNs / NS_PER_TICK) return; // the fact is late, not the entry
    this.#counts.tgidReused.value += 1;
    latest.exited = true;
    this.#store.end(latest);
  }
}
