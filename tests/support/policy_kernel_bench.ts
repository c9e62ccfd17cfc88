/**
 * Policies in the running kernel, for processes in a cgroup of the test's own and nobody else.
 *
 * @module
 */
import { type Libbpf, type Libc, openLibbpf, openLibc, possibleCpus } from "../../ffi/mod.ts";
import { PolicyKernel } from "../../src/enforcement/mod.ts";
import type { PolicyHit } from "../../src/events/mod.ts";
import {
  CgroupMap,
  CGROUPS_MAP,
  type LoadedSensors,
  loadSensors,
  openPayload,
} from "../../src/loader/mod.ts";
import {
  type KernelAbilities,
  knownName,
  type Policy,
  PolicyTables,
  type PolicyTablesOptions,
  randomSipSecret,
  type SipSecret,
} from "../../src/policy/mod.ts";
import { PolicyHitDecoder, type SensorGlobals, SENSORS } from "../../src/sensors/mod.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import { PolicyCount, RecordHeaderOffset, RecordView } from "../../src/wire/mod.ts";
import { countDescriptors, expectDescriptors } from "./leak_check.ts";
import { PerfReader } from "./perf_reader.ts";
import { argumentIs, makePolicy, texts } from "./policy_factory.ts";
import { release, takeShared } from "./shared_bench.ts";
import { type CallArgument, type CallOptions, SystemCaller } from "./system_caller.ts";
import { TestCgroup, v2Hierarchy } from "./test_cgroup.ts";
import { buildWorkload } from "./workload.ts";

/** The set of workloads that the test's cgroup is in; nothing else is in any. */
export const TEST_SET = 1;

const DEADLINE_MS = 60_000;
const LOOK_MS = 1;

/** A selector that has acted. */
export interface Act {
  readonly policy: string;
  readonly selector: number;
  readonly hit: PolicyHit;
}

export interface PolicyKernelBenchOptions {
  readonly mapEntries?: Readonly<Record<string, number>>;
  readonly shares?: SensorGlobals;
  readonly agent?: { readonly tgid: number; readonly pidNamespace: number };
  readonly abilities?: KernelAbilities;
  /** Unless told, policies concern TEST_SET and no other. */
  readonly concerns?: PolicyTablesOptions["concerns"];
}

/** Which bench is shared. */
export interface SharedPolicyBenchOptions {
  readonly abilities?: KernelAbilities;
  readonly isEmpty?: boolean;
}

/** Looks at beginnings and ends of a call that nobody makes, so that these programs stay. */
const KEEPER = makePolicy("keeper", {
  call: "lookup_dcookie",
  types: ["int32", "string"],
  returns: "int32",
  selectors: [{ conditions: [argumentIs(1, texts("text", "nobody's"))] }],
});

/** Sensors, tables and programs. */
export class PolicyKernelBench {
  /**
   * A bench that other tests use, too, one at a time: without policies, with a cgroup of its own
   * for each test, and counts from 0.
   *
   * @param isEmpty false: programs of system calls stay loaded from test to test
   */
  static async shared(
    { abilities, isEmpty = abilities !== undefined }: SharedPolicyBenchOptions = {},
  ): Promise<PolicyKernelBench> {
    const key = `PolicyKernelBench ${abilities === undefined} ${isEmpty}`;
    const options = abilities === undefined ? {} : { abilities };
    const bench = takeShared(key, () => new PolicyKernelBench(options, false));
    const isKept = bench.tables.policies().some(({ name }) => name === KEEPER.name);
    if (!isEmpty && !isKept) {
      const before = countDescriptors();
      await bench.add(KEEPER);
      expectDescriptors(before);
    }
    return bench;
  }

  readonly kernel: PolicyKernel;
  readonly tables: PolicyTables;
  readonly sensors: LoadedSensors;
  readonly cgroups: CgroupMap;
  readonly counters = new Counters();
  readonly secret: SipSecret = randomSipSecret();
  readonly #libbpf: Libbpf;
  readonly #libc: Libc;
  readonly #reader: PerfReader;
  readonly #decoder = new PolicyHitDecoder();
  readonly #hits: PolicyHit[] = [];
  /** Kernel counts when it was started, by row. */
  readonly #countsBefore = new Map<PolicyCount, number>();
  #lostBefore = 0;
  #cgroup: TestCgroup | undefined;

  /** @param starts false: loads only */
  constructor(options: PolicyKernelBenchOptions = {}, starts = true) {
    const payload = openPayload();
    this.#libc = openLibc();
    this.#libbpf = openLibbpf(payload.libbpfPath());
    this.sensors = loadSensors({
      ...{ libbpf: this.#libbpf, payload, settings: {} },
      // Only what keeps the map of cgroups.
      sensors: SENSORS.filter(({ name }) => name === "cgroup").map((sensor) => ({
        ...sensor,
        isOptional: false,
      })),
      log: { warn: fail, debug: () => {} },
    });
    this.#reader = new PerfReader(this.#libbpf, this.#libc, this.sensors.recordsMapFd);
    this.kernel = new PolicyKernel({
      ...{ libbpf: this.#libbpf, libc: this.#libc, payload, cgroupGlobals: {} },
      sensorMap: (name) => this.sensors.sharedMap(name),
      ...{ secret: this.secret, possibleCpus: possibleCpus(), counters: this.counters },
      agent: options.agent ?? { tgid: 0, pidNamespace: 0 },
      ...(options.mapEntries !== undefined && { mapEntries: options.mapEntries }),
      ...(options.shares !== undefined && { shares: options.shares }),
      ...(options.abilities !== undefined && { abilities: options.abilities }),
    });
    this.tables = new PolicyTables({
      writer: this.kernel.tables,
      // Set 0 is everybody else: never concerned, whatever a policy says.
      concerns: options.concerns ?? ((set) => set === TEST_SET),
      ...{ secret: this.secret, rowsMax: 10_240, slotsMax: 4_096, now: () => performance.now() },
    });
    this.cgroups = new CgroupMap({
      map: this.sensors.sharedMap(CGROUPS_MAP)!,
      ...{ countsMap: undefined, hierarchy: 0, counters: this.counters, sensors: this.sensors },
    });
    if (starts) this.start();
  }

  /** Attaches the sensors and makes the cgroup of a test. */
  start(): void {
    this.take();
    this.#lostBefore = this.#lostEver();
    for (const row of POLICY_COUNTS) this.#countsBefore.set(row, this.kernel.count(row));
    this.sensors.attach();
    this.#cgroup = new TestCgroup(v2Hierarchy(), `/shrike-policy-${Deno.pid}-${counter++}`);
    this.enterSet(this.#cgroup, TEST_SET);
  }

  /** Takes all away that a test has put there. */
  async stop(): Promise<void> {
    const names = this.tables.policies().map(({ name }) => name);
    await this.remove(...names.filter((name) => name !== KEEPER.name));
    this.detachUnused();
    this.sensors.detach();
    this.#removeCgroup();
  }

  /** The cgroup whose processes policies concern. */
  get cgroup(): TestCgroup {
    if (this.#cgroup === undefined) throw new Error("The bench is not started");
    return this.#cgroup;
  }

  /** What a counter of the kernel has counted since the start. */
  count(row: PolicyCount): number {
    return this.kernel.count(row) - (this.#countsBefore.get(row) ?? 0);
  }

  /** Puts a cgroup into a set of workloads. */
  enterSet(cgroup: TestCgroup, set: number): void {
    const { createdNs } = this.cgroups.find(cgroup.id)!;
    if (!this.cgroups.setPolicySet(cgroup.id, createdNs, set)) {
      throw new Error("The test's cgroup has no policy set");
    }
  }

  /** Starts a process that makes calls in the cgroup. */
  async caller(program?: string): Promise<SystemCaller> {
    return await SystemCaller.start(program ?? await buildWorkload(), this.cgroup);
  }

  /** Adds policies and makes their programs run. */
  async add(...policies: readonly Policy[]): Promise<void> {
    await this.tables.addSet(TEST_SET);
    await this.tables.change({
      add: policies,
      beforeSeen: () => this.kernel.attach(this.tables.hooks()),
    });
  }

  /** Removes policies; programs stay. */
  async remove(...names: readonly string[]): Promise<void> {
    await this.tables.change({ remove: names });
    this.tables.reclaim(() => true);
  }

  /** Ends programs that nobody needs. */
  detachUnused(): void {
    this.kernel.detachUnused(this.tables.hooks());
  }

  /** Makes a call and gives its value with the hits of it. */
  async during(
    caller: SystemCaller,
    name: string,
    args: readonly CallArgument[],
    options: CallOptions = {},
  ): Promise<{ readonly value: bigint; readonly hits: PolicyHit[] }> {
    this.take();
    const value = await caller.call(name, args, options);
    return { value, hits: this.take() };
  }

  /** Tells the kernel which name a process was given before it was looked at. */
  enterName(tgid: number, name: string): void {
    const given = knownName(this.secret, new TextEncoder().encode(name))!;
    this.kernel.enterProcesses([{ tgid, trees: 0n, given }]);
  }

  /** Hits so far, in time order; records of a call are in the ring when the call returns. */
  take(): PolicyHit[] {
    this.#drain();
    return this.#hits.splice(0).sort((a, b) => a.timeNs < b.timeNs ? -1 : 1);
  }

  /** Hits since the last `take()`, which stay. */
  soFar(): readonly PolicyHit[] {
    this.#drain();
    return this.#hits;
  }

  async until(matches: (hit: PolicyHit) => boolean): Promise<PolicyHit> {
    let found: PolicyHit | undefined;
    await this.waitFor(() => {
      this.#drain();
      found = this.#hits.find(matches);
      return found !== undefined;
    });
    return found!;
  }

  async waitFor(isSo: () => boolean): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!isSo()) {
      if (performance.now() > deadline) throw new Error(`It is not so in ${DEADLINE_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Who acted, from the words of hits: "policy/selector". */
  actsOf(hits: readonly PolicyHit[]): Act[] {
    return hits.flatMap((hit) =>
      hit.words.flatMap(({ index, bits }) =>
        this.tables.owners(hit.hook, index, bits).map(({ policy, selectorIndex }) => ({
          policy: policy.name,
          selector: selectorIndex,
          hit,
        }))
      )
    );
  }

  /**
   * Records that were lost since the start; not skipped runs: where there are spares, most lose
   * nothing.
   */
  get lost(): number {
    return this.#lostEver() - this.#lostBefore;
  }

  #lostEver(): number {
    const drops = this.sensors.readDrops(this.#decoder.kind)
      .flatMap(({ counts }) => [...counts]).reduce((sum, count) => sum + count, 0);
    return this.#reader.lost + drops;
  }

  #drain(): void {
    this.#reader.drain((bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const record = new RecordView();
      record.set(bytes, view, 0, view.getUint32(RecordHeaderOffset.size, true));
      if (record.kind === this.#decoder.kind) this.#hits.push(this.#decoder.decode(record));
    });
  }

  #removeCgroup(): void {
    this.#cgroup?.[Symbol.dispose]();
    this.#cgroup = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await release(this);
  }

  close(): void {
    this.kernel[Symbol.dispose]();
    this.sensors.detach();
    this.#reader[Symbol.dispose]();
    this.sensors[Symbol.dispose]();
    this.#libbpf[Symbol.dispose]();
    this.#libc[Symbol.dispose]();
    this.#removeCgroup();
  }
}

const POLICY_COUNTS = Object.values(PolicyCount).filter((row) => row !== PolicyCount.POLICY_COUNTS);

let counter = 0;

function fail(message: unknown): never {
  throw new Error(`The loader complains: ${message}`);
}
