/**
 * Everything of the agent that runs on the main thread, put together as `src/agent.ts` does it, on
 * rings, clocks and runtimes of the simulation.
 *
 * @module
 */
import { type PathReader, trackingOf } from "../../src/agent_cgroups.ts";
import { AgentWorkloads } from "../../src/agent_workloads.ts";
import type { RecordSource } from "../../src/capture/mod.ts";
import { loadConfig } from "../../src/config/mod.ts";
import type { PolicyHit } from "../../src/events/mod.ts";
import { Pipeline, type PipelineOutlet } from "../../src/pipeline/mod.ts";
import type { SelectorOwner } from "../../src/policy/compile/hook_tables.ts";
import { policyOutlook } from "../../src/policy/guarantee.ts";
import { PolicyRecord } from "../../src/policy/hits/policy_record.ts";
import { HitEvents } from "../../src/policy/hits/tell_hits.ts";
import type { Policy } from "../../src/policy/model.ts";
import { cgroupSensor } from "../../src/sensors/cgroup/sensor.ts";
import { processSensor } from "../../src/sensors/process/sensor.ts";
import type { RecordDecoder } from "../../src/sensors/sensor.ts";
import { type CgroupListener, CgroupTable, ProcessCache } from "../../src/state/mod.ts";
import { Counters, type LossLedger } from "../../src/telemetry/mod.ts";
import { WorkloadResolver } from "../../src/workloads/workload_resolver.ts";
import { FakeTimers } from "../support/fake_timers.ts";
import { CAPABLE_KERNEL } from "../support/sample_kernels.ts";
import type { FakeRuntime } from "./fake_runtime.ts";
import { POLICIES_MAX, type RandomHost } from "./random_host.ts";
import { HIT_KIND } from "./record_writer.ts";
import type { SimulatedClock } from "./simulated_clock.ts";

/** Name of the simulated host. */
export const NODE = "simulated";

/** What an agent works with. */
export interface SimulatedAgentParts {
  readonly source: RecordSource;
  readonly sink: PipelineOutlet;
  readonly losses: LossLedger;
  readonly clock: SimulatedClock;
  readonly host: RandomHost;
  readonly runtime: FakeRuntime;
  /** Which policies are there now. */
  readonly policies: readonly boolean[];
  hitOf(record: ArrayBufferLike): PolicyHit;
  onTick(): void;
  onScan(): void;
}

/** One run of an agent. */
export class SimulatedAgent {
  readonly counters = new Counters();
  readonly timers = new FakeTimers();
  readonly workloads: AgentWorkloads;
  readonly #parts: SimulatedAgentParts;
  readonly #pipeline: Pipeline;

  constructor(parts: SimulatedAgentParts) {
    this.#parts = parts;
    const { counters } = this;
    const { clock, host, losses, source, sink } = parts;
    const listeners: CgroupListener[] = [];
    const paths: { reader?: PathReader } = {};
    const table = new CgroupTable({
      ...{ hierarchy: 0, counters },
      track: (path) => trackingOf(path, paths.reader!.recognise(path)),
      exists: (path, id) => host.exists(path, id),
      recall: (id) => host.recall(id),
      onChange: (...change) => listeners.forEach((listener) => listener(...change)),
    });
    this.workloads = this.#openWorkloads({
      table,
      observe: (listener) => void listeners.push(listener),
      trackBy: (reader) => paths.reader = reader,
      retrack: () => table.retrack(),
    });
    const cache = new ProcessCache({
      ...{ nodeName: NODE, clock, counters },
      identityOf: (place, timeNs, tgid) => this.workloads.identityOf(place, timeNs, tgid),
      onEntered: (identity, from) => this.workloads.entered(identity, from),
    });
    this.#pipeline = new Pipeline({
      ...{ source, counters, clock, losses, cache, cgroups: table, sinks: [sink] },
      decoders: [...processSensor.decoders, ...cgroupSensor.decoders, this.#hitDecoder()],
    }, {
      ...{ emitForks: true, emitCgroups: true, policies: this.#openHits() },
      ...{ scanCgroups: () => host.cgroups(), onTick: () => parts.onTick() },
      scan: () => {
        parts.onScan();
        return host.processes();
      },
    });
    this.workloads.listen(this.#pipeline);
    this.workloads.start();
  }

  get started(): Promise<void> {
    return this.#pipeline.started;
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#pipeline.run(signal);
  }

  #openWorkloads(
    cgroups: ConstructorParameters<typeof AgentWorkloads>[0]["cgroups"],
  ): AgentWorkloads {
    const readFile = () => {
      throw Object.assign(new Error("none"), { code: "ENOENT" });
    };
    return new AgentWorkloads({
      ...{ counters: this.counters, cgroups },
      config: loadConfig({ flags: new Map(), environment: {}, readFile }).config,
      open: ({ counters, onLearned, onContext }) => ({
        resolver: new WorkloadResolver({
          ...{ cgroupsMax: 32_768, subjectsMax: 4096, removalDelayMs: 60_000, context: {} },
          ...{ counters, onLearned, onContext, timers: this.timers },
          openLinks: () => ({
            start() {},
            linksFor: ({ kind }) => kind === "container" ? [this.#parts.runtime] : [],
            close() {},
          }),
        }),
        describeRuntimes: () => [],
        probeRuntimes: () => Promise.resolve([]),
      }),
    });
  }

  /** Records of hits are a header; the hits they stand for are kept beside. */
  #hitDecoder(): RecordDecoder {
    return {
      ...{ kind: HIT_KIND, name: "policy_hit" },
      decode: ({ view }) => this.#parts.hitOf(view.buffer),
    };
  }

  #openHits(): HitEvents {
    const records = Array.from({ length: POLICIES_MAX }, (_, i) => makeRecord(`p${i}`));
    const owners = records.map(({ policy }): SelectorOwner => ({
      ...{ policy, hookIndex: 0, selectorIndex: 0, argSlots: [] },
    }));
    return new HitEvents({
      owners: (_hook, _word, bits) =>
        owners.filter((_, i) => (bits & (1n << BigInt(i))) !== 0n && this.#parts.policies[i]),
      recordOf: (policy) => records.find((record) => record.policy === policy),
      ...{ counters: this.counters, architecture: "x86_64" },
    });
  }
}

const PLACE = { file: "simulated.yaml", line: 1, column: 1 };

function makeRecord(name: string): PolicyRecord {
  const selector = { place: PLACE, conditions: [], workloads: [], returnActions: [] };
  const policy: Policy = {
    ...{ name, place: PLACE, mode: "monitor", workloads: [] },
    hooks: [{
      ...{ point: { kind: "syscall", name: "openat" }, place: PLACE, args: [], tags: [] },
      selectors: [{ ...selector, actions: [{ kind: "post" }] }],
    }],
  };
  return new PolicyRecord({
    ...{ key: name, policy, mode: "monitor", source: "api", text: "", isPersistent: false },
    outlook: policyOutlook(policy, CAPABLE_KERNEL),
  });
}
