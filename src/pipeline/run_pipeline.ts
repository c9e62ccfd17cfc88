/**
 * The loop of the main thread: read, merge, decode, apply to state, attach context, hand over.
 *
 * Work is done in rounds of bounded length. Between rounds the event loop runs (signals, timers,
 * sockets); when there is nothing to do the loop sleeps until a worker wakes it.
 *
 * @module
 */
import type {
  AgentEvent,
  CgroupFact,
  CgroupPlace,
  KernelFact,
  ProcessFact,
  Workload,
} from "../events/mod.ts";
import { type CachedProcess, type ProcessCache, resolveStartup, TidRule } from "../state/mod.ts";
import type { Counter } from "../telemetry/mod.ts";
import { Amendments } from "./amendments.ts";
import { attachContext, exitStatus } from "./attach_context.ts";
import { cgroupEvent } from "./cgroup_event.ts";
import { DecoderTable } from "./decode_record.ts";
import { isCgroupFact, isProcessFact } from "./fact_kind.ts";
import { FactTellers } from "./fact_teller.ts";
import { MergeStatus, TimeMerge } from "./merge_by_time.ts";
import { Outlets } from "./outlets.ts";
import type { PipelineOptions, PipelineParts } from "./pipeline_parts.ts";
import { gapEvents } from "./report_gaps.ts";
import { Resync } from "./resync.ts";
import { nextTurn, sleep } from "./waits.ts";

/** A round ends after so many records or so much time, whichever comes first. */
const ROUND_RECORDS_MAX = 4096;
const ROUND_MS = 10;
/** The clock is looked at every so many records of a round. */
const CLOCK_EVERY = 256;
const TICK_MS = 1_000;
/** While /proc is looked at in slices. */
const BUSY_WAIT_MS = 5;
/** While records are held back: about the hold-back, timers are not finer. */
const HELD_WAIT_MS = 1;
/** Longest wait for the rings to be empty at the end. */
const STOP_MAX_MS = 500;
/**
 * Records younger than the scan by this much still belong to the window, see `resolveStartup()`.
 */
const WINDOW_AFTER_SCAN_MS = 20;
/** Longest wait for the window to be complete; beyond it start-up goes on with what has come. */
const WINDOW_MAX_MS = 500;
/** Facts of the window kept at most: they are held in memory until the window is complete. */
const WINDOW_FACTS_MAX = 65_536;
/** Events of the start-up that are handed over in one go. */
const BURST_MAX = 512;
const NS_PER_MS = 1_000_000;

/** One pass through the rings. */
type RoundEnd = "more" | "held" | "drained";

/** The data path of the main thread. Use `run()` once. */
export class Pipeline {
  readonly #parts: PipelineParts;
  readonly #options: PipelineOptions;
  readonly #merge: TimeMerge;
  readonly #decoders: DecoderTable;
  readonly #tidRule: TidRule;
  readonly #outlets: Outlets;
  readonly #amendments: Amendments;
  readonly #tellers: FactTellers;
  readonly #resync: Resync | undefined;
  readonly #records: Counter;
  readonly #windowsCut: Counter;
  readonly #started = Promise.withResolvers<void>();
  #nextTickNs = 0;
  /** Time of the last record applied. */
  #lastNs = 0;

  constructor(parts: PipelineParts, options: PipelineOptions = {}) {
    const { counters, losses } = parts;
    this.#parts = parts;
    this.#options = options;
    this.#merge = new TimeMerge(counters, () => this.#nowNs(), options);
    this.#decoders = new DecoderTable(parts.decoders, counters, losses);
    this.#tidRule = new TidRule(counters);
    this.#outlets = new Outlets(parts.sinks, counters);
    this.#amendments = new Amendments(counters);
    const { cache, clock } = parts;
    const { reader } = options;
    this.#resync = reader === undefined ? undefined : new Resync({
      ...{ cache, clock, counters, reader },
      tell: (subject) => this.#emitFound(subject),
    });
    this.#tellers = new FactTellers({
      ...{ cache, clock, withAncestors: options.ancestors ?? false },
      ...{ policies: options.policies, network: options.network },
      emit: (event) => this.#outlets.push(event),
      want: (fact) => this.#resync?.want(fact),
      pathOf: ({ cgroupId, hierarchy }) => {
        const place = parts.cgroups?.find(cgroupId)?.place;
        return place?.hierarchy === hierarchy ? place.path : undefined;
      },
    });
    this.#records = counters.counter("shrike_pipeline_records_total", "Records taken from rings");
    this.#windowsCut = counters.counter(
      "shrike_pipeline_startup_cut_total",
      "Starts that went on before all records made during the scan of /proc had come",
    );
  }

  /** Runs until `signal` is aborted, then empties the rings within half a second and returns. */
  async run(signal: AbortSignal): Promise<void> {
    const wake = () => this.#parts.source.wake();
    signal.addEventListener("abort", wake);
    try {
      this.#nextTickNs = this.#nowNs() + TICK_MS * NS_PER_MS;
      // What was missed before this run stands before what it has seen.
      this.#reportGaps();
      await this.#start(signal);
      this.#started.resolve();
      while (!signal.aborted) {
        const end = this.#round();
        this.#lookAgain(end);
        await this.#pause(end);
      }
      await this.#drain();
      this.#tellers.giveUp();
    } finally {
      signal.removeEventListener("abort", wake);
      this.#started.resolve();
      this.#tick();
      this.#outlets.flush();
    }
  }

  /** Resolves when what ran before is in the cache, or when `run()` has ended without that. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** What runs, as far as it is known. */
  processes(): Iterable<CachedProcess> {
    return this.#parts.cache.running();
  }

  /** The newest image of a thread group, as far as it is known. */
  find(tgid: number, leaderStartNs: bigint): CachedProcess | undefined {
    return this.#parts.cache.find(tgid, leaderStartNs);
  }

  /**
   * Tells events that come from no record. They stand behind what has been applied so far; also
   * after `run()` has ended, as long as the sinks are there.
   */
  tell(events: readonly AgentEvent[]): void {
    for (const event of events) this.#outlets.push(event);
    if (events.length > 0) this.#outlets.flush();
  }

  /**
   * More is known of a workload now: events that come have it, those delivered are amended.
   *
   * @param trackingId the cgroup that names the workload
   * @param workloadAt the workload as processes at that place have it
   */
  amend(
    trackingId: bigint,
    workload: Workload,
    workloadAt: (place: CgroupPlace) => Workload = () => workload,
  ): void {
    const { cache, clock } = this.#parts;
    cache.amend(trackingId, workloadAt);
    const events = this.#amendments.take(trackingId, workload);
    if (events.length === 0) return;
    const timeNs = clock.wallNs(clock.monotonicNs());
    for (const { execId, cgroup } of events) {
      this.#outlets.push({ type: "amend", timeNs, execId, cgroup, workload: workloadAt(cgroup) });
    }
    this.#outlets.flush();
  }

  /** The cgroup that named a workload is forgotten: nothing more can be learned of it. */
  forget(trackingId: bigint): void {
    this.#amendments.forget(trackingId);
  }

  /** Scan, window, then what ran before and the window's facts, in that order. */
  async #start(signal: AbortSignal): Promise<void> {
    const { cache, cgroups } = this.#parts;
    // At once: what the records of the window say of these cgroups came after it or is the same.
    for (const fact of this.#options.scanCgroups?.() ?? []) cgroups?.applyFound(fact);
    const found = this.#options.scan?.();
    if (found === undefined) return;
    const window = await this.#collectWindow(signal);
    // Where this process is says where everything is that was found.
    for (const { fact } of window) {
      if (fact.type === "cgroup_attached") this.#options.onAttached?.(fact);
    }
    const plan = resolveStartup(found, window.map(({ fact }) => fact).filter(isProcessFact));
    this.#emitFound(cache.kernel);
    let count = 0;
    for (const { fact, image } of plan.processes) {
      const entry = cache.applyFound(fact, image);
      if (entry !== undefined && image === "read") this.#emitFound(entry);
      if (++count % BURST_MAX === 0) await this.#breathe();
    }
    for (const { fact, isLate } of window) {
      this.#apply(fact, isLate);
      if (++count % BURST_MAX === 0) await this.#breathe();
    }
    this.#outlets.flush();
  }

  /** Lets the sinks write in a burst that rounds do not bound. */
  async #breathe(): Promise<void> {
    this.#outlets.flush();
    await nextTurn();
  }

  /** The facts of all records up to a little after now, in order. */
  async #collectWindow(signal: AbortSignal): Promise<{ fact: KernelFact; isLate: boolean }[]> {
    const window: { fact: KernelFact; isLate: boolean }[] = [];
    const endNs = this.#nowNs() + WINDOW_AFTER_SCAN_MS * NS_PER_MS;
    const limitNs = endNs + WINDOW_MAX_MS * NS_PER_MS;
    for (;;) {
      const nowNs = this.#nowNs();
      this.#merge.setRings(this.#parts.source.rings);
      let status = this.#merge.next(nowNs);
      while (status === MergeStatus.RELEASED && window.length < WINDOW_FACTS_MAX) {
        const { order, isLate } = this.#merge;
        const fact = this.#take(nowNs);
        if (fact !== undefined) window.push({ fact, isLate });
        if (order > endNs) return window;
        status = this.#merge.next(nowNs);
      }
      const isComplete = status === MergeStatus.DRAINED && nowNs > endNs;
      if (isComplete || signal.aborted) return window;
      if (status === MergeStatus.RELEASED || nowNs > limitNs) {
        this.#windowsCut.value += 1;
        return window;
      }
      await sleep(HELD_WAIT_MS);
    }
  }

  /** Takes what can be released now, within the bounds of a round. */
  #round(): RoundEnd {
    let nowNs = this.#nowNs();
    const endNs = nowNs + ROUND_MS * NS_PER_MS;
    if (nowNs >= this.#nextTickNs) this.#tick();
    this.#merge.setRings(this.#parts.source.rings);
    let status: MergeStatus = MergeStatus.EMPTY;
    let count = 0;
    while (count < ROUND_RECORDS_MAX && nowNs < endNs) {
      status = this.#merge.next(nowNs);
      if (status !== MergeStatus.RELEASED) break;
      const { isLate } = this.#merge;
      const fact = this.#take(nowNs);
      if (fact !== undefined) this.#apply(fact, isLate);
      count += 1;
      if (count % CLOCK_EVERY === 0) nowNs = this.#nowNs();
    }
    if (count > 0) this.#outlets.flush();
    if (status === MergeStatus.RELEASED) return "more";
    return status === MergeStatus.DRAINED ? "drained" : "held";
  }

  /** A slice of what /proc is asked for. */
  #lookAgain(end: RoundEnd): void {
    if (this.#resync === undefined) return;
    const settledNs = this.#nowNs() - WINDOW_AFTER_SCAN_MS * NS_PER_MS;
    this.#resync.work(BigInt(Math.floor(
      end === "drained" ? Math.max(settledNs, this.#lastNs) : this.#lastNs,
    )));
    this.#outlets.flush();
  }

  async #pause(end: RoundEnd): Promise<void> {
    if (end === "more") {
      await nextTurn();
    } else if (end === "held") {
      await sleep(HELD_WAIT_MS);
    } else {
      // wait() returns without a turn of the event loop while records keep coming.
      await nextTurn();
      const untilTickMs = Math.ceil((this.#nextTickNs - this.#nowNs()) / NS_PER_MS);
      const busyMs = this.#resync?.isBusy === true ? BUSY_WAIT_MS : untilTickMs;
      await this.#parts.source.wait(Math.max(1, Math.min(untilTickMs, busyMs)));
    }
  }

  async #drain(): Promise<void> {
    const endNs = this.#nowNs() + STOP_MAX_MS * NS_PER_MS;
    for (;;) {
      const end = this.#round();
      if (end === "drained" || this.#nowNs() > endNs) return;
      await (end === "more" ? nextTurn() : sleep(HELD_WAIT_MS));
    }
  }

  /** Decodes the record the merge stands on and gives its memory back. */
  #take(nowNs: number): KernelFact | undefined {
    const { record, cpu, isBroken, order } = this.#merge;
    this.#lastNs = order;
    const fact = isBroken ? this.#decoders.refuse(cpu, nowNs) : this.#decoders.decode(record, cpu);
    this.#merge.take();
    this.#records.value += 1;
    return fact;
  }

  #apply(fact: KernelFact, isLate: boolean): void {
    if (isProcessFact(fact)) this.#applyProcess(fact, isLate);
    else if (isCgroupFact(fact)) this.#applyCgroup(fact, isLate);
    else this.#tellers.apply(fact, isLate);
  }

  #applyCgroup(fact: CgroupFact, isLate: boolean): void {
    const cgroup = this.#parts.cgroups?.apply(fact);
    if (fact.type === "cgroup_attached") this.#options.onAttached?.(fact);
    if (this.#options.emitCgroups !== true) return;
    const event = cgroupEvent(fact, cgroup, {
      timeNs: this.#parts.clock.wallNs(fact.timeNs),
      isLate,
      subject: this.#parts.cache.find(fact.tgid, fact.leaderStartNs),
    });
    if (event !== undefined) this.#outlets.push(event);
  }

  #applyProcess(fact: ProcessFact, isLate: boolean): void {
    const isTidWrong = this.#tidRule.isBroken(fact);
    this.#resync?.prepare(fact);
    const subject = this.#parts.cache.apply(fact);
    if (subject === undefined) return;
    this.#options.onProcess?.(fact, subject);
    if (fact.type === "process_forked" && !this.#options.emitForks) return;
    const circumstances = {
      // An image starts with its fact, so its time was converted already.
      timeNs: fact.type === "process_exited"
        ? this.#parts.clock.wallNs(fact.timeNs)
        : subject.process.startTimeNs,
      cpu: fact.cpu,
      isLate,
      isTidWrong,
      withAncestors: this.#options.ancestors ?? false,
    };
    switch (fact.type) {
      case "process_forked":
        return this.#outlets.push(attachContext("process_fork", subject, circumstances));
      case "process_executed":
        this.#amendments.note(subject.process);
        return this.#outlets.push(attachContext("process_exec", subject, circumstances));
      case "process_exited":
        return this.#outlets.push({
          ...attachContext("process_exit", subject, circumstances),
          ...exitStatus(fact),
        });
      default:
        fact satisfies never;
    }
  }

  /** A process that ran already is told as an exec at the time it started, flag procFS. */
  #emitFound(subject: ReturnType<ProcessCache["applyFound"]> & object): void {
    this.#amendments.note(subject.process);
    this.#outlets.push(attachContext("process_exec", subject, {
      timeNs: subject.process.startTimeNs,
      cpu: 0,
      isLate: false,
      isTidWrong: false,
      withAncestors: this.#options.ancestors ?? false,
    }));
  }

  #tick(): void {
    const { cache, cgroups, clock } = this.#parts;
    this.#nextTickNs = this.#nowNs() + TICK_MS * NS_PER_MS;
    cache.sweep(clock.monotonicNs());
    cgroups?.sweep(clock.monotonicNs());
    this.#tellers.expire(clock.monotonicNs());
    this.#options.onTick?.();
    this.#reportGaps();
    // Also when nothing happens: sinks may hold events for a time.
    this.#outlets.flush();
  }

  #reportGaps(): void {
    const losses = this.#parts.losses.take();
    if (this.#resync !== undefined) losses.forEach((loss) => this.#resync?.noteLoss(loss));
    const gaps = gapEvents(losses, this.#parts.clock);
    for (const gap of gaps) this.#outlets.push(gap);
    if (gaps.length > 0) this.#outlets.flush();
  }

  /** CLOCK_MONOTONIC as a double: exact enough for order, see `RecordView.order`. */
  #nowNs(): number {
    return Number(this.#parts.clock.monotonicNs());
  }
}
