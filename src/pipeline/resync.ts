/**
 * Looks at /proc again for what records have not told: after a loss at everything, and at once at a
 * process that an event names and nobody knows. What is found is told as at the start, flag procFS.
 *
 * A look after a loss, in slices between rounds: wait until losses rest; list what there is; wait
 * until every record made before the list is applied; end what is not in the list; read what is not
 * known or runs another file; wait again, so that a record that tells the same better comes first;
 * then tell what is still news, parents before children.
 *
 * @module
 */
import type { FactBase, ProcessFact, ProcessFound } from "../events/mod.ts";
import {
  type CachedProcess,
  type ProcessCache,
  type ProcessReader,
  resolveStartup,
} from "../state/mod.ts";
import type { Clock, Counter, Counters, Loss } from "../telemetry/mod.ts";

/** One slice of a look: with a round before it a turn stays below 20 ms. */
const SLICE_NS = 4_000_000n;
/** Looks at single processes between two slices: a few dozen. */
const LOOK_UPS_NS = 3_000_000n;
/** A look begins when no loss was seen for this long, and at the latest this long after one. */
const QUIET_NS = 1_500_000_000n;
const DELAY_MAX_NS = 5_000_000_000n;
/** The pause after a look is this many times what it worked: 5 % of a CPU at most. */
const PAUSE_FACTOR = 20n;
/** Processes read ahead of their records; more are read in the next part of the same look. */
const HELD_MAX = 1024;
/** Processes waiting for a look of their own; beyond it a look at everything is asked for. */
const WANTED_MAX = 1024;
/** Thread groups remembered as gone, so that each record of them does not look again. */
const GONE_MAX = 4096;
/** Parents of one process that are looked up with it. */
const LINE_MAX = 16;

/** What a resync works with. */
export interface ResyncParts {
  readonly cache: ProcessCache;
  readonly reader: ProcessReader;
  readonly clock: Pick<Clock, "monotonicNs">;
  readonly counters: Counters;
  /** Tells of a process that was found. */
  tell(subject: CachedProcess): void;
}

/** A look at everything, as far as it has come. */
interface Look {
  readonly listedNs: bigint;
  readonly listed: readonly number[];
  /** How many of them were looked at; undefined until those that are gone were ended. */
  next: number | undefined;
  held: ProcessFound[];
  workedNs: bigint;
}

/** The looks of one pipeline. Single-threaded; `work()` and `want()` are bounded in time. */
export class Resync {
  readonly #parts: ResyncParts;
  readonly #counts: ResyncCounts;
  readonly #wanted = new Map<number, bigint>();
  readonly #gone = new Set<string>();
  #firstLossNs: bigint | undefined;
  #lastLossNs = 0n;
  #notBeforeNs = 0n;
  #look: Look | undefined;
  #lookUpsLeftNs = LOOK_UPS_NS;

  constructor(parts: ResyncParts) {
    this.#parts = parts;
    this.#counts = new ResyncCounts(parts.counters);
  }

  /** Whether `work()` should be called again soon. */
  get isBusy(): boolean {
    return this.#look !== undefined || this.#wanted.size > 0;
  }

  /** Records were lost; those about anything but processes say nothing here. */
  noteLoss({ kind, cause }: Pick<Loss, "kind" | "cause">): void {
    if (cause === "sink_queue_full" || cause === "agent_restart") return;
    if (kind !== undefined && cause !== "program_skipped" && !PROCESS_KINDS.has(kind)) return;
    this.#ask();
  }

  /** Before a fact is applied: its parent, if nobody knows it. */
  prepare(fact: ProcessFact): void {
    const { cache } = this.#parts;
    if (fact.type === "process_exited") return;
    if (fact.parentIsKernel || fact.parentTgid === 0) return;
    if (fact.type === "process_executed") {
      if (cache.find(fact.tgid, fact.leaderStartNs)?.parent !== undefined) return;
    }
    this.#wantGroup(fact.parentTgid, fact.parentStartNs);
  }

  /** A record names this process: if nobody knows it, it is looked up now, or soon. */
  want({ tgid, leaderStartNs }: Pick<FactBase, "tgid" | "leaderStartNs">): void {
    if (tgid !== 0) this.#wantGroup(tgid, leaderStartNs);
  }

  /**
   * One slice.
   *
   * @param passedNs all records made before were applied, CLOCK_MONOTONIC ns
   */
  work(passedNs: bigint): void {
    this.#lookUpsLeftNs = LOOK_UPS_NS;
    const fromNs = this.#parts.clock.monotonicNs();
    const untilNs = fromNs + SLICE_NS;
    for (const [tgid, startNs] of this.#wanted) {
      if (this.#parts.clock.monotonicNs() >= untilNs) return;
      this.#wanted.delete(tgid);
      this.#lookUp(tgid, startNs);
    }
    if (this.#look === undefined && !this.#isDue(fromNs)) return;
    this.#look ??= this.#begin(fromNs);
    const look = this.#look;
    if (look.next === undefined) {
      if (passedNs <= look.listedNs) return;
      const ended = this.#parts.cache.endMissing(new Set(look.listed), look.listedNs);
      this.#counts.ended.value += ended;
      look.next = 0;
    }
    this.#read(look, untilNs);
    this.#tellHeld(look, passedNs);
    look.workedNs += this.#parts.clock.monotonicNs() - fromNs;
    if (look.next < look.listed.length || look.held.length > 0) return;
    this.#look = undefined;
    this.#counts.looks.value += 1;
    this.#notBeforeNs = this.#parts.clock.monotonicNs() + look.workedNs * PAUSE_FACTOR;
  }

  #ask(): void {
    this.#lastLossNs = this.#parts.clock.monotonicNs();
    this.#firstLossNs ??= this.#lastLossNs;
  }

  #isDue(nowNs: bigint): boolean {
    if (this.#firstLossNs === undefined || nowNs < this.#notBeforeNs) return false;
    return nowNs >= this.#lastLossNs + QUIET_NS || nowNs >= this.#firstLossNs + DELAY_MAX_NS;
  }

  #begin(nowNs: bigint): Look {
    this.#firstLossNs = undefined;
    this.#gone.clear();
    const listed = this.#parts.reader.list();
    return { listedNs: nowNs, listed, next: undefined, held: [], workedNs: 0n };
  }

  #read(look: Look, untilNs: bigint): void {
    const { cache, reader, clock } = this.#parts;
    let next = look.next ?? 0;
    while (next < look.listed.length && look.held.length < HELD_MAX) {
      if (clock.monotonicNs() >= untilNs) break;
      const tgid = look.listed[next] ?? 0;
      next += 1;
      const startTicks = reader.startTicks(tgid);
      if (startTicks === undefined) continue;
      const known = cache.findByTicks(tgid, startTicks)?.process;
      if (known !== undefined && !known.unknown && !this.#runsAnother(known.exe, tgid)) continue;
      const found = reader.read(tgid);
      if (found !== undefined) look.held.push(found);
    }
    look.next = next;
  }

  #runsAnother(exe: CachedProcess["process"]["exe"], tgid: number): boolean {
    if (exe === undefined) return false;
    const now = this.#parts.reader.readExecutable(tgid);
    return now !== undefined && !(now.path.text === exe.path.text || now.inode === exe.inode);
  }

  /** When the records of the time of reading were applied; what they told is no news then. */
  #tellHeld(look: Look, passedNs: bigint): void {
    const last = look.held.at(-1);
    if (last === undefined || passedNs <= last.readToNs) return;
    if (look.held.length < HELD_MAX && look.next !== look.listed.length) return;
    for (const { fact } of resolveStartup(look.held, []).processes) this.#learn(fact);
    look.held = [];
  }

  #wantGroup(tgid: number, startNs: bigint): void {
    const known = this.#parts.cache.find(tgid, startNs);
    if (known !== undefined && (!known.process.unknown || known.references === 0)) return;
    if (this.#gone.has(`${tgid}:${startNs}`)) return;
    if (this.#lookUpsLeftNs > 0n) {
      const fromNs = this.#parts.clock.monotonicNs();
      this.#lookUp(tgid, startNs);
      this.#lookUpsLeftNs -= this.#parts.clock.monotonicNs() - fromNs;
    } else if (this.#wanted.size < WANTED_MAX) {
      this.#wanted.set(tgid, startNs);
    } else {
      this.#counts.refused.value += 1;
      this.#ask();
    }
  }

  /** The process and those of its parents that nobody knows. */
  #lookUp(tgid: number, startNs: bigint): void {
    const { reader, cache } = this.#parts;
    const found = reader.read(tgid);
    if (found === undefined || found.startTicks !== startNs / NS_PER_TICK) {
      this.#noteGone(`${tgid}:${startNs}`);
      return;
    }
    const line = [found];
    let child = found;
    while (line.length < LINE_MAX && !child.parentIsKernel && !cache.knows(child.parentTgid)) {
      const parent = reader.read(child.parentTgid);
      if (parent === undefined) break;
      line.push(parent);
      child = parent;
    }
    for (const fact of line.reverse()) this.#learn(fact);
  }

  #learn(fact: ProcessFound): void {
    const subject = this.#parts.cache.learn(fact);
    if (subject === undefined) return;
    this.#counts.found.value += 1;
    this.#parts.tell(subject);
  }

  #noteGone(key: string): void {
    this.#counts.gone.value += 1;
    if (this.#gone.size >= GONE_MAX) this.#gone.clear();
    this.#gone.add(key);
  }
}

/** USER_HZ of /proc/PID/stat. */
const NS_PER_TICK = 10_000_000n;
const PROCESS_KINDS: ReadonlySet<string> = new Set([
  "process_fork",
  "process_exec",
  "process_exit",
]);

class ResyncCounts {
  readonly looks: Counter;
  readonly found: Counter;
  readonly ended: Counter;
  readonly gone: Counter;
  readonly refused: Counter;

  constructor(counters: Counters) {
    this.looks = counters.counter(
      "shrike_process_resyncs_total",
      "Looks at all of /proc after records were lost",
    );
    this.found = counters.counter(
      "shrike_process_resync_found_total",
      "Processes, or images of them, that /proc told after the start",
    );
    this.ended = counters.counter(
      "shrike_process_resync_ended_total",
      "Processes whose exit was lost, closed because /proc has them no more",
    );
    this.gone = counters.counter(
      "shrike_process_lookups_gone_total",
      "Looks at a process that had ended already",
    );
    this.refused = counters.counter(
      "shrike_process_lookups_refused_total",
      "Looks at a process that were too many; a look at all of /proc follows",
    );
  }
}
