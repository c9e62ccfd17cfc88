/**
 * One run: the host acts, the agent tells, the model says what it should have told.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AgentEvent, GapEvent, PolicyHit } from "../../src/events/mod.ts";
import { JsonEncoder } from "../../src/export/mod.ts";
import { LossLedger } from "../../src/telemetry/mod.ts";
import { settle } from "../support/fake_timers.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { checkEvent, checkLine } from "./check_event.ts";
import { FakeRuntime } from "./fake_runtime.ts";
import type { Truth } from "./host_truth.ts";
import { type Expected, NaiveAgent } from "./naive_agent.ts";
import { POLICIES_MAX, RandomHost } from "./random_host.ts";
import { RecordWriter } from "./record_writer.ts";
import { NODE, SimulatedAgent } from "./simulated_agent.ts";
import { SimulatedClock } from "./simulated_clock.ts";
import { SimulatedRing } from "./simulated_ring.ts";

/** What a run has come to. */
export interface SimulationResult {
  /** Records that the kernel would have made. */
  readonly made: number;
  readonly lost: number;
  readonly malformed: number;
  /** In rings of an agent that was killed. */
  readonly unread: number;
  readonly events: number;
  readonly amendments: number;
  readonly late: number;
  readonly restarts: number;
}

/** The agent has told something else than what was so. */
export class SimulationError extends Error {
  constructor(readonly seed: number, readonly record: number, cause: Error) {
    super(
      `Cannot go on after record ${record} of seed ${seed}: ${cause.message}\n` +
        `again with: SHRIKE_SEED=${seed} SHRIKE_SIMULATE=${
          record + 10_000
        } deno test -A tests/simulate`,
      { cause },
    );
    this.name = "SimulationError";
  }
}

/** Things that happen between two looks at the rings. */
const BATCH = 1_000;
/** A line of so many is read back. */
const LINES_EVERY = 32;
/** Looks at a stalled ring that show nothing: some of them end before the merge gives up. */
const STALLED_LOOKS_MAX = 40;
const LOOK_NS = 1_000n;
/** Time passes faster while a ring is waited for, or the run would wait for real. */
const STALLED_LOOK_NS = 20_000_000n;

/** After it nothing that was made is held back any more. */
const QUIET_NS = 5_000_000n;

/** The counts of a run, while it goes on. */
type Counts = { -readonly [Key in keyof SimulationResult]: number };

/** Use `run()` once. */
export class Simulation {
  readonly #random: SeededRandom;
  readonly #clock = new SimulatedClock();
  readonly #rings: readonly SimulatedRing[];
  readonly #host: RandomHost;
  readonly #writer = new RecordWriter();
  readonly #hits = new WeakMap<ArrayBufferLike, PolicyHit>();
  readonly #policies = Array<boolean>(POLICIES_MAX).fill(true);
  readonly #encoder = new JsonEncoder({
    ...{ nodeName: NODE, enableProcessCred: true, enableProcessNs: true },
  });
  readonly #lostNow = new Map<string, { count: number; firstNs: bigint; lastNs: bigint }>();
  readonly #counts: Counts = {
    ...{ made: 0, lost: 0, malformed: 0, unread: 0, events: 0, amendments: 0, late: 0 },
    restarts: 0,
  };
  /** By cause. */
  readonly #gaps = new Map<string, number>();
  readonly #recordsMax: number;
  #expected: Expected[] = [];
  #expectedAt = 0;
  /** Of what is found at start, in any order; by tgid. */
  readonly #found = new Map<number, Expected>();
  readonly #amends = new Map<string, string>();
  #model!: NaiveAgent;
  #agent!: SimulatedAgent;
  #runtime!: FakeRuntime;
  #losses!: LossLedger;
  #batchesLeft = 0;
  #failure: Error | undefined;
  #stop = new AbortController();

  constructor(readonly seed: number, recordsMax: number) {
    this.#random = new SeededRandom(seed);
    this.#recordsMax = recordsMax;
    this.#host = new RandomHost(this.#random, this.#clock, {
      made: (truth) => this.#made(truth),
      lost: (cpu, kind, timeNs) => this.#lost(cpu, kind, timeNs),
    });
    this.#rings = Array.from(
      { length: this.#host.cpus },
      (_, cpu) => new SimulatedRing(cpu, (truth, ring) => this.#taken(truth, ring)),
    );
  }

  /** @throws {SimulationError} */
  async run(): Promise<SimulationResult> {
    try {
      while (this.#counts.made < this.#recordsMax) await this.#runAgent();
      this.#checkBalance();
    } catch (error) {
      const record = this.#counts.made;
      throw new SimulationError(this.seed, record, this.#failure ?? error as Error);
    }
    return this.#counts;
  }

  /** One agent from its start to its end. */
  async #runAgent(): Promise<void> {
    const { clock, host } = { clock: this.#clock, host: this.#host };
    this.#batchesLeft = 5 + this.#random.below(60);
    this.#stop = new AbortController();
    this.#losses = new LossLedger();
    this.#model = new NaiveAgent(NODE, host.root, this.#policies);
    this.#runtime = new FakeRuntime(this.#random, (id) => {
      for (const execId of this.#model.named(id)) this.#amends.set(execId, id);
    });
    this.#agent = new SimulatedAgent({
      ...{ clock, host, losses: this.#losses, runtime: this.#runtime, policies: this.#policies },
      source: {
        rings: this.#rings,
        wait: () => this.#wait(),
        wake() {},
      } as unknown as ConstructorParameters<typeof SimulatedAgent>[0]["source"],
      sink: { name: "simulated", push: (event) => this.#told(event), flush() {} },
      hitOf: (record) => this.#hits.get(record)!,
      onTick: () => this.#enterLosses(),
      onScan: () => {
        for (const expected of this.#model.start(host.running())) {
          this.#found.set(expected.tgid, expected);
        }
      },
    });
    clock.lookNs = 5_000_000n;
    const ended = this.#agent.run(this.#stop.signal);
    void this.#agent.started.then(() => clock.lookNs = LOOK_NS);
    await ended;
    if (this.#failure !== undefined) throw this.#failure;
    assert.equal(this.#found.size, 0, "processes that run were not told");
    assert.equal(
      this.#expected.length,
      this.#expectedAt,
      "the agent has ended without telling all",
    );
    assert.equal(this.#amends.size, 0, "the agent has ended without amendments");
    this.#agent.workloads[Symbol.dispose]();
    this.#counts.restarts += 1;
  }

  /** The agent has nothing to do: the host acts. */
  async #wait(): Promise<void> {
    const random = this.#random;
    this.#clock.lookNs = LOOK_NS;
    if (this.#failure !== undefined || this.#counts.made >= this.#recordsMax) {
      return this.#stop.abort();
    }
    await this.#answerNames();
    if (--this.#batchesLeft < 0) return this.#end();
    if (random.chance(0.02)) this.#clock.wallOffsetNs += BigInt(random.below(2e9) - 1e9);
    if (random.chance(0.05)) {
      const policy = random.below(POLICIES_MAX);
      this.#policies[policy] = this.#policies[policy] !== true;
    }
    if (random.chance(0.03)) {
      const ring = this.#rings[random.below(this.#rings.length)]!;
      ring.stalledLooks = 1 + random.below(STALLED_LOOKS_MAX);
      ring.mayBeLate = true;
      this.#clock.lookNs = STALLED_LOOK_NS;
    }
    for (let i = 0; i < BATCH; i++) this.#host.step();
    this.#clock.nowNs += QUIET_NS;
  }

  /** What a kill loses is in the rings: nobody reads it, and the next agent begins anew. */
  #end(): void {
    if (this.#random.chance(0.5)) {
      for (let i = 0; i < BATCH; i++) this.#host.step();
      for (const ring of this.#rings) this.#counts.unread += ring.clear();
    }
    this.#stop.abort();
  }

  async #answerNames(): Promise<void> {
    const { timers } = this.#agent;
    await timers.pass(Number(this.#clock.nowNs / 1_000_000n) - timers.nowMs());
    this.#runtime.answerSome();
    await settle();
    assert.equal(this.#amends.size, 0, "a name was learned and events were not amended");
  }

  #made(truth: Truth): void {
    const bytes = this.#writer.write(truth);
    if (truth.hit !== undefined) this.#hits.set(bytes.buffer, truth.hit);
    this.#rings[truth.cpu]!.push(bytes, truth);
    this.#counts.made += 1;
    if (truth.isMalformed) this.#counts.malformed += 1;
  }

  #lost(cpu: number, kind: string, timeNs: bigint): void {
    this.#counts.made += 1;
    this.#counts.lost += 1;
    const key = `${cpu} ${kind}`;
    const known = this.#lostNow.get(key) ?? { count: 0, firstNs: timeNs, lastNs: timeNs };
    this.#lostNow.set(key, { ...known, count: known.count + 1, lastNs: timeNs });
  }

  /** As the reader of the kernel's counters does it. */
  #enterLosses(): void {
    for (const [key, loss] of this.#lostNow) {
      const [cpu, kind] = key.split(" ") as [string, string];
      this.#losses.add({ cause: "perf_ring_full", cpu: Number(cpu), kind, ...loss });
    }
    this.#lostNow.clear();
  }

  #taken(truth: Truth, ring: SimulatedRing): void {
    const expected = this.#model.take(truth, this.#clock.wallOffsetNs);
    if (this.#model.isLate) {
      this.#counts.late += 1;
      if (!ring.mayBeLate) this.#fail(new Error(`ring ${ring.cpu} was released out of order`));
    }
    if (this.#expectedAt > BATCH) {
      this.#expected = this.#expected.slice(this.#expectedAt);
      this.#expectedAt = 0;
    }
    this.#expected.push(...expected);
  }

  #told(event: AgentEvent): void {
    if (this.#failure !== undefined) return;
    try {
      this.#check(event);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#stop.abort();
  }

  #check(event: AgentEvent): void {
    const line = this.#encoder.encode(event);
    if (event.type === "gap") return this.#countGap(event);
    this.#counts.events += 1;
    if (event.type === "amend") {
      this.#counts.amendments += 1;
      assert.equal(
        event.workload.id,
        this.#amends.get(event.execId),
        "an amendment of another event",
      );
      this.#amends.delete(event.execId);
      return;
    }
    const expected = this.#nextExpected(event);
    checkEvent(event, expected);
    if (this.#counts.events % LINES_EVERY === 0) checkLine(line, expected);
  }

  #nextExpected(event: AgentEvent): Expected {
    if (event.type === "process_exec" && event.subject.process.flags.includes("procFS")) {
      const { tgid } = event.subject.process;
      const found = this.#found.get(tgid);
      assert(found !== undefined, `process ${tgid} was told twice, or does not run`);
      this.#found.delete(tgid);
      return found;
    }
    const expected = this.#expected[this.#expectedAt];
    assert(expected !== undefined, `an event that no record has made: ${event.type}`);
    this.#expectedAt += 1;
    return expected;
  }

  #countGap({ cause, count }: GapEvent): void {
    this.#gaps.set(cause, (this.#gaps.get(cause) ?? 0) + count);
  }

  /** Each record is told, or in a gap, or was in the rings of an agent that was killed. */
  #checkBalance(): void {
    const { lost, malformed } = this.#counts;
    assert.equal(this.#gaps.get("perf_ring_full") ?? 0, lost, "losses that no gap tells");
    const told = this.#gaps.get("malformed_record") ?? 0;
    assert(told <= malformed && told >= malformed - this.#counts.unread, "broken records");
  }
}
