/**
 * Every cgroup of the tracked hierarchy. Changed only by facts, by the walk of what was there
 * before, and by a slow sweep that finds what facts have missed.
 *
 * Facts are applied in the order of their times, with those about processes, so a process always
 * finds its cgroup as it was. A removed cgroup stays for late events. The kernel has a table of its
 * own (`bpf/include/cgroup.bpf.h`), which `onChange` keeps like this one.
 *
 * @module
 */
import type { CgroupFact, CgroupFound, CgroupPlace } from "../events/mod.ts";
import { CgroupCounts } from "./cgroup_counts.ts";
import { CgroupEntry, type CgroupFields, type KnownCgroup } from "./cgroup_entry.ts";
import type { CgroupTableOptions, RecalledCgroup } from "./cgroup_table_options.ts";

const ENTRIES_MAX = 16_384;
const REMOVAL_DELAY_MS = 60_000;
/** Directories the sweep looks at in one go: 64 system calls. The whole table takes minutes. */
const SWEEP_MAX = 64;
/** Ancestors that are followed; as deep as the kernel's table goes. */
const LEVEL_MAX = 32;
const NS_PER_MS = 1_000_000n;

/** The cgroup table. Single-threaded; never does I/O but for `exists` and `recall`. */
export class CgroupTable {
  readonly #options: CgroupTableOptions;
  readonly #entriesMax: number;
  readonly #removalDelayNs: bigint;
  readonly #entries = new Map<bigint, CgroupEntry>();
  /** In the order of their removal. */
  readonly #removed = new Set<CgroupEntry>();
  /** Not there at the last look. If their removal is not told until the next one, it was missed. */
  #suspects: CgroupEntry[] = [];
  #sweepAt: Iterator<CgroupEntry> | undefined;
  readonly #counts: CgroupCounts;

  constructor(options: CgroupTableOptions) {
    this.#options = options;
    this.#entriesMax = options.entriesMax ?? ENTRIES_MAX;
    this.#removalDelayNs = BigInt(options.removalDelayMs ?? REMOVAL_DELAY_MS) * NS_PER_MS;
    this.#counts = new CgroupCounts(options.counters, this.#entriesMax, () => this.#entries);
  }

  /** Cgroups in the table. */
  get size(): number {
    return this.#entries.size;
  }

  /** All of them, oldest first. */
  entries(): Iterable<KnownCgroup> {
    return this.#entries.values();
  }

  /** The cgroup with that id now; undefined when it is not known. */
  find(id: bigint): KnownCgroup | undefined {
    return this.#entries.get(id);
  }

  /**
   * Where a record says its process was, with what the table knows of that cgroup. Marks the cgroup
   * as running. The same object as long as nothing changes.
   *
   * @param timeNs time of the record: a cgroup that was made later only has the same id
   */
  place(place: CgroupPlace, timeNs: bigint): CgroupPlace {
    const { lookups } = this.#counts;
    if (place.id === 0n) {
      lookups.zero_id.value += 1;
      return place;
    }
    if (place.hierarchy !== this.#options.hierarchy) {
      lookups.other_hierarchy.value += 1;
      return place;
    }
    const known = this.#entries.get(place.id);
    if (known !== undefined && known.createdNs <= timeNs) {
      lookups.found.value += 1;
      if (known.state === "new") known.state = "running";
      return known.place;
    }
    if (known === undefined && place.level === 0) return this.#addRoot(place)?.place ?? place;
    const recalled = known === undefined ? this.#recall(place) : undefined;
    if (recalled !== undefined) lookups.recalled.value += 1;
    else if (known === undefined) lookups.unknown.value += 1;
    else lookups.reused_id.value += 1;
    return recalled?.place ?? place;
  }

  /**
   * Applies what a record told.
   *
   * @returns the cgroup, or undefined when the fact is of another hierarchy, or told nothing new.
   */
  apply(fact: CgroupFact): KnownCgroup | undefined {
    const { id, hierarchy } = fact.cgroup;
    const createdNs = timeOfMaking(fact);
    if (hierarchy !== this.#options.hierarchy || id === 0n) {
      this.#counts.ignored.value += 1;
      return undefined;
    }
    const before = this.#entries.get(id);
    // Late, about an earlier cgroup with the same id: it has been forgotten for good.
    if (before !== undefined && createdNs !== 0n && createdNs < before.createdNs) return undefined;
    if (fact.isTooDeep && fact.type === "cgroup_created") this.#counts.tooDeep.value += 1;
    const known = this.#current(id, createdNs);
    // The kernel's table has no room of its own for it, so an ancestor stands for it here too.
    if (fact.isOverShare === true && known === undefined) {
      this.#counts.overShare.value += 1;
      return undefined;
    }
    switch (fact.type) {
      case "cgroup_created":
        return known === undefined ? this.#addMade(fact) : this.#adopt(known, fact);
      case "cgroup_renamed":
        return known === undefined ? this.#addMade(fact) : this.#rename(known, fact);
      case "cgroup_attached":
        return known ?? this.#addMade(fact);
      case "cgroup_removed":
        return this.#remove(known ?? this.#addMade(fact), fact.timeNs);
      case "cgroup_released":
        // It may come long after the entry has gone; then nobody needs it any more.
        return known === undefined ? undefined : this.#remove(known, fact.timeNs);
      default:
        return fact satisfies never;
    }
  }

  /** Enters a cgroup that the walk has found. Records may have told of it already, or will. */
  applyFound(fact: CgroupFound): KnownCgroup | undefined {
    const known = this.#entries.get(fact.id);
    if (fact.hierarchy !== this.#options.hierarchy || known !== undefined) return known;
    return this.#add({
      ...{ hierarchy: fact.hierarchy, id: fact.id, parentId: fact.parentId, level: fact.level },
      ...{ createdNs: 0n, path: fact.path, pathSource: "path", removedNs: undefined },
      ...this.#trackingOf(fact.path, fact, fact.parentId) ?? { ...NOT_A_LEAF, trackingId: fact.id },
      state: fact.isPopulated ? "running" : "new",
    });
  }

  /**
   * Puts what the walk has found where it is in the whole hierarchy, once that is known: a cgroup
   * namespace shows paths and levels from its own root on.
   *
   * @param prefix path of the root that the walk has seen, such as "/docker/0123"
   */
  rebase(prefix: string): void {
    const levels = prefix.split("/").length - 1;
    for (const entry of this.#entries.values()) {
      if (entry.pathSource !== "path" || entry.path === undefined) continue;
      entry.path = prefix + (entry.path === "/" ? "" : entry.path);
      entry.level += levels;
      entry.pathSource = "kernel";
      // Parents come first, so they have been moved already.
      Object.assign(entry, this.#trackingOf(entry.path, entry, entry.parentId));
      entry.renewPlace();
      this.#options.onChange?.("changed", entry);
    }
  }

  /** Reads all paths again, because `track` says something else of them by now. */
  retrack(): void {
    for (const entry of this.#entries.values()) {
      const { path, trackingId, isLeaf, isContainer } = entry;
      const told = path === undefined ? undefined : this.#trackingOf(path, entry, entry.parentId);
      if (told === undefined) continue;
      const isSame = told.trackingId === trackingId && told.isLeaf === isLeaf &&
        told.isContainer === isContainer;
      if (isSame) continue;
      Object.assign(entry, told);
      entry.renewPlace();
      this.#options.onChange?.("changed", entry);
    }
  }

  /** Lets go of what has waited long enough and looks for missed removals; about once a second. */
  sweep(nowNs: bigint): void {
    for (const entry of this.#removed) {
      if ((entry.removedNs ?? 0n) + this.#removalDelayNs > nowNs) break;
      this.#forget(entry);
    }
    const exists = this.#options.exists;
    if (exists === undefined) return;
    const isMissing = (entry: CgroupEntry) =>
      entry.state !== "removed" && entry.path !== undefined && !exists(entry.path, entry.id);
    for (const entry of this.#suspects) {
      if (this.#entries.get(entry.id) !== entry || !isMissing(entry)) continue;
      this.#counts.sweepFinds.value += 1;
      this.#remove(entry, nowNs);
    }
    this.#suspects = this.#nextEntries().filter(isMissing);
  }

  /** The next entries in turn; begins again behind the last. */
  #nextEntries(): CgroupEntry[] {
    const entries: CgroupEntry[] = [];
    this.#sweepAt ??= this.#entries.values();
    while (entries.length < SWEEP_MAX) {
      const { value, done } = this.#sweepAt.next();
      if (done === true) {
        this.#sweepAt = undefined;
        break;
      }
      entries.push(value);
    }
    return entries;
  }

  /** The entry a fact is about: one of another making has only the same id, and is gone. */
  #current(id: bigint, createdNs: bigint): CgroupEntry | undefined {
    const known = this.#entries.get(id);
    if (known === undefined || known.createdNs === createdNs) return known;
    // Found by the walk; an id is used again only after its cgroup has gone.
    const { removedNs } = known;
    if (known.createdNs === 0n && (removedNs === undefined || createdNs <= removedNs)) return known;
    if (createdNs === 0n) return known;
    this.#counts.idReuse.value += 1;
    if (known.state !== "removed") this.#options.onChange?.("removed", known);
    this.#forget(known);
    return undefined;
  }

  /** A making of which the walk, or a lookup in the kernel's table, was faster. */
  #adopt(known: CgroupEntry, fact: CgroupFact): KnownCgroup {
    known.createdNs = timeOfMaking(fact);
    known.parentId = fact.parentId;
    known.level = fact.cgroup.level;
    known.path = this.#pathOf(fact) ?? known.path;
    known.pathSource = "kernel";
    const tracking = known.path === undefined
      ? undefined
      : this.#trackingOf(known.path, known, known.parentId);
    if (tracking !== undefined) Object.assign(known, tracking);
    known.renewPlace();
    this.#options.onChange?.("changed", known);
    return known;
  }

  /** What is below it has another path too; what was removed from below it keeps the one it had. */
  #rename(known: CgroupEntry, fact: CgroupFact): KnownCgroup | undefined {
    const before = known.path;
    const after = this.#pathOf(fact);
    if (after === undefined || after === before) return undefined;
    const below = Array.from(this.#entries.values()).filter((entry) =>
      before !== undefined && entry.path?.startsWith(`${before}/`) === true &&
      entry.state !== "removed" && this.#isBelow(entry, known.id)
    );
    for (const entry of [known, ...below]) {
      entry.path = entry === known ? after : after + entry.path!.slice(before!.length);
      entry.pathSource = "kernel";
      Object.assign(entry, this.#trackingOf(entry.path, entry, entry.parentId));
      entry.renewPlace();
      this.#options.onChange?.("changed", entry);
    }
    return known;
  }

  #isBelow(entry: CgroupEntry, id: bigint): boolean {
    let parentId = entry.parentId;
    for (let i = 0; i < LEVEL_MAX && parentId !== 0n; i++) {
      if (parentId === id) return true;
      parentId = this.#entries.get(parentId)?.parentId ?? 0n;
    }
    return false;
  }

  #addMade(fact: CgroupFact): CgroupEntry | undefined {
    const { id, hierarchy, level, trackingId } = fact.cgroup;
    const path = this.#pathOf(fact);
    const guess = { trackingId, isLeaf: fact.isLeaf, isContainer: fact.isContainer };
    return this.#add({
      ...{ hierarchy, id, level, path, parentId: fact.parentId, createdNs: timeOfMaking(fact) },
      ...(path === undefined ? guess : this.#trackingOf(path, fact.cgroup, fact.parentId) ?? guess),
      pathSource: "kernel",
      state: fact.type === "cgroup_created" ? "new" : "running",
      removedNs: undefined,
    });
  }

  /** The tracepoint's path; when the kernel has cut it, the parent's with the name. */
  #pathOf({ path, isPathCut, name, parentId }: CgroupFact): string | undefined {
    if (!isPathCut) return path.text;
    return this.#below(parentId, name.text);
  }

  #below(parentId: bigint, name: string): string | undefined {
    const parent = this.#entries.get(parentId)?.path;
    return parent === undefined ? undefined : `${parent === "/" ? "" : parent}/${name}`;
  }

  /** Nothing but the root has level 0, so it is known also where no walk has begun at it. */
  #addRoot({ id, hierarchy }: CgroupPlace): CgroupEntry | undefined {
    this.#counts.lookups.root.value += 1;
    return this.#add({
      ...{ hierarchy, id, parentId: 0n, level: 0, path: "/", pathSource: "kernel", createdNs: 0n },
      ...this.#trackingOf("/", { id, level: 0 }, 0n) ?? { ...NOT_A_LEAF, trackingId: id },
      ...{ state: "running", removedNs: undefined },
    });
  }

  /** With ancestors whose makings were lost, too: the path is made of their names. */
  #recall({ id, hierarchy }: Pick<CgroupPlace, "id" | "hierarchy">): CgroupEntry | undefined {
    const missing: (readonly [bigint, RecalledCgroup])[] = [];
    let missingId = id;
    while (missing.length < LEVEL_MAX && missingId !== 0n && !this.#entries.has(missingId)) {
      const recalled = this.#options.recall?.(missingId);
      if (recalled === undefined) break;
      missing.push([missingId, recalled]);
      missingId = recalled.parentId;
    }
    for (const [recalledId, recalled] of missing.reverse()) {
      this.#addRecalled({ id: recalledId, hierarchy }, recalled);
    }
    return this.#entries.get(id);
  }

  #addRecalled(
    { id, hierarchy }: Pick<CgroupPlace, "id" | "hierarchy">,
    { name, ...fields }: RecalledCgroup,
  ): void {
    const path = name === undefined ? undefined : this.#below(fields.parentId, name);
    const tracking = path === undefined
      ? undefined
      : this.#trackingOf(path, { id, level: fields.level }, fields.parentId);
    this.#add({
      ...{ ...fields, ...tracking, hierarchy, id, path },
      ...{ pathSource: "kernel", state: "running", removedNs: undefined },
    });
  }

  /** What the path says, when the ancestor that it names is known. */
  #trackingOf(
    path: string,
    { id, level }: { readonly id: bigint; readonly level: number },
    parentId: bigint,
  ): Tracking | undefined {
    const told = this.#options.track?.(path);
    if (told === undefined) return undefined;
    const { isLeaf, isContainer } = told;
    if (told.level >= level) return { trackingId: id, isLeaf, isContainer };
    let ancestor = this.#entries.get(parentId);
    for (let i = 0; i < LEVEL_MAX && ancestor !== undefined; i++) {
      if (ancestor.level === told.level) return { trackingId: ancestor.id, isLeaf, isContainer };
      ancestor = this.#entries.get(ancestor.parentId);
    }
    return undefined;
  }

  #add(fields: CgroupFields): CgroupEntry | undefined {
    if (this.#entries.size >= this.#entriesMax && !this.#makeRoom()) {
      this.#counts.full.value += 1;
      return undefined;
    }
    const entry = new CgroupEntry(fields);
    this.#entries.set(entry.id, entry);
    this.#options.onChange?.("added", entry);
    return entry;
  }

  /** Only removed ones are given up: a live one would be asked for again and again. */
  #makeRoom(): boolean {
    const [oldest] = this.#removed;
    if (oldest === undefined) return false;
    this.#counts.evictions.value += 1;
    this.#forget(oldest);
    return true;
  }

  #remove(entry: CgroupEntry | undefined, timeNs: bigint): KnownCgroup | undefined {
    if (entry === undefined || entry.state === "removed") return undefined;
    entry.state = "removed";
    entry.removedNs = timeNs;
    this.#removed.add(entry);
    this.#options.onChange?.("removed", entry);
    return entry;
  }

  #forget(entry: CgroupEntry): void {
    this.#entries.delete(entry.id);
    this.#removed.delete(entry);
    this.#options.onChange?.("forgotten", entry);
  }
}

/** The kernel keeps no time of a cgroup that found no room in its table. */
function timeOfMaking({ type, createdNs, timeNs }: CgroupFact): bigint {
  return type === "cgroup_created" && createdNs === 0n ? timeNs : createdNs;
}

type Tracking = Pick<CgroupFields, "trackingId" | "isLeaf" | "isContainer">;

const NOT_A_LEAF = { isLeaf: false, isContainer: false };
