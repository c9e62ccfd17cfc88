/**
 * Rooms of an agent that write down what is done to them, and fail at one step.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Libbpf, Libc } from "../../ffi/mod.ts";
import type {
  AgentRooms,
  Capture,
  CgroupRoom,
  ControlRoom,
  MetricsRoom,
  NetworkRoom,
  PipelineRoom,
  PolicyRoom,
  PresenceRoom,
  WorkloadRoom,
} from "../../src/agent_contract.ts";
import type { EventSink } from "../../src/export/mod.ts";
import type { LoadedSensors, Payload } from "../../src/loader/mod.ts";
import type { PipelineOptions } from "../../src/pipeline/mod.ts";
import { SystemClock } from "../../src/telemetry/mod.ts";
import { FakePolicyService } from "./fake_policy_service.ts";
import { SAMPLE_WORKLOAD } from "./sample_events.ts";

/** All rooms of one agent. */
export class FakeRooms {
  readonly trace: string[] = [];
  /** Names of what is open now. */
  readonly open = new Set<string>();
  readonly datagrams: string[] = [];
  presenceFailures = 0;
  pipelineOptions: PipelineOptions = {};
  failPipeline: (error: Error) => void = () => {};
  failCapture: (error: Error) => void = () => {};
  readonly #failAt: string;

  constructor(failAt = "") {
    this.#failAt = failAt;
  }

  step(name: string): void {
    this.trace.push(name);
    if (name === this.#failAt) throw new Error(`fake failure of ${name}`);
  }

  #acquire(name: string): Disposable {
    this.step(`open ${name}`);
    this.open.add(name);
    return { [Symbol.dispose]: () => this.#release(name) };
  }

  #release(name: string): void {
    // As the real ones do.
    if (name === "sensors") this.open.delete("hooks");
    assert.ok(this.open.delete(name), `${name} is closed once`);
    this.step(`close ${name}`);
  }

  rooms(): AgentRooms {
    return {
      openLibc: () => this.#libc(),
      openClock: () => new SystemClock(() => BigInt(this.trace.length)),
      openPayload: () => {
        this.step("open payload");
        return { libbpfPath: () => "/libbpf.so" } as Payload;
      },
      openLibbpf: () => ({ ...this.#acquire("libbpf"), setLog: () => {} }) as unknown as Libbpf,
      openPresence: () => this.#presence(),
      openCgroups: () => this.#cgroups(),
      openWorkloads: () => this.#workloads(),
      loadSensors: () => this.#sensors(),
      openCapture: ({ onFailure }) => {
        this.failCapture = onFailure;
        return this.#capture();
      },
      openPolicies: () => this.#policies(),
      openNetwork: () => this.#network(),
      openMetrics: () => this.#metrics(),
      openDrops: () => {
        this.step("open drops");
        return { check: () => this.step("check drops") };
      },
      openProc: () => ({
        scan: () => {
          this.step("scan");
          return [];
        },
        list: () => [],
        startTicks: () => undefined,
        read: () => undefined,
        readExecutable: () => undefined,
      }),
      openPipeline: ({ options }) => this.#pipeline(options),
      openControl: () => this.#control(),
    };
  }

  #policies(): PolicyRoom {
    this.step("open policies");
    this.open.add("policies");
    return {
      ...new FakePolicyService(),
      teller: { take: () => [], expire: () => [], giveUp: () => [] },
      ...{ follow: () => {}, tick: () => {}, amend: () => {}, skippedRuns: () => 0 },
      end: async () => {
        if (this.open.delete("policies")) await this.trace.push("end policies");
      },
    } as unknown as PolicyRoom;
  }

  #network(): NetworkRoom {
    this.step("open network");
    return {
      teller: { take: () => [], expire: () => [], giveUp: () => [] },
      ...{ follow: () => {}, onProcess: () => {}, tick: () => this.step("tick network") },
      attached: () => this.step("network attached"),
      start: () => {
        this.step("start network");
        this.open.add("flows");
      },
      end: async () => {
        if (this.open.delete("flows")) await this.trace.push("tell last flows");
      },
      readTraffic: () => ({ monotonicNs: 0n, workloads: [] }),
      ...{ state: () => ({ state: "ok" }), counts: () => new Map() },
    };
  }

  #control(): ControlRoom {
    this.step("open control");
    this.open.add("control");
    return {
      start: () => {
        this.step("start control");
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: () => {
        this.#release("control");
        return Promise.resolve();
      },
    };
  }

  #metrics(): MetricsRoom {
    this.step("open metrics");
    this.open.add("metrics");
    return {
      start: () => {
        this.step("start metrics");
        return Promise.resolve();
      },
      tick: () => this.step("tick metrics"),
      started: () => void this.trace.push("metrics started"),
      stopping: () => void this.trace.push("metrics stopping"),
      [Symbol.asyncDispose]: () => {
        this.#release("metrics");
        return Promise.resolve();
      },
    };
  }

  #libc(): Libc {
    return {
      ...this.#acquire("libc"),
      trimMalloc: () => {},
      getrusage: () => ({ userNs: 2e6, systemNs: 1e6, maxResidentSize: 4096 }),
      sendDatagram: (_: string, bytes: Uint8Array) =>
        void this.datagrams.push(new TextDecoder().decode(bytes)),
    } as unknown as Libc;
  }

  #presence(): PresenceRoom {
    return {
      ...this.#acquire("presence"),
      begin: () => {
        this.step("begin presence");
        return undefined;
      },
      tick: () => this.step("tick presence"),
      end: () => void this.trace.push("end presence"),
      fail: () => void this.presenceFailures++,
    };
  }

  #cgroups(): CgroupRoom {
    this.step("open cgroups");
    return {
      settings: { all: { cgroup_source: 1 }, cgroup: { cgroup_source: 1 } },
      mapEntries: {},
      table: undefined,
      observe: () => {},
      open: () => undefined,
      scan: () => {
        this.step("walk cgroups");
        return [];
      },
      placeOf: () => ({ id: 0n, trackingId: 0n, level: 0, hierarchy: 0 }),
      onAttached: () => {},
      setPolicySet: () => false,
      policySets: () => new Set(),
      trackBy: () => {},
      retrack: () => {},
      tick: () => this.step("tick cgroups"),
    };
  }

  #sensors(): LoadedSensors {
    return {
      ...this.#acquire("sensors"),
      recordsMapFd: 9,
      report: [],
      attach: () => {
        this.step("attach");
        this.open.add("hooks");
      },
      detach: () => {
        if (this.open.delete("hooks")) this.trace.push("detach");
      },
    } as unknown as LoadedSensors;
  }

  #capture(): Capture {
    this.step("open capture");
    return {
      rings: [],
      wait: () => Promise.resolve(),
      wake: () => {},
      start: () => {
        // A pool that fails half-way leaves workers behind for its stop().
        this.open.add("workers");
        this.step("start workers");
        return Promise.resolve();
      },
      stop: () => Promise.resolve(this.#release("workers")),
      checkCpus: () => Promise.resolve(this.step("check cpus")),
      wasStalled: () => false,
    };
  }

  #workloads(): WorkloadRoom {
    return {
      ...this.#acquire("workloads"),
      start: () => this.step("ask runtimes"),
      listen: () => {},
      identityOf: (cgroup) => ({ cgroup, workload: SAMPLE_WORKLOAD }),
      entered: ({ workload }) => workload,
      workloadAt: () => SAMPLE_WORKLOAD,
    };
  }

  #pipeline(options: PipelineOptions): PipelineRoom {
    this.step("open pipeline");
    this.pipelineOptions = options;
    return {
      amend: () => {},
      forget: () => {},
      started: Promise.resolve(),
      processes: () => [],
      ...{ find: () => undefined, tell: () => {} },
      run: async (signal) => {
        this.open.add("pipeline");
        try {
          this.step("run pipeline");
          options.scanCgroups?.();
          options.scan?.();
          await new Promise<void>((resolve, reject) => {
            this.failPipeline = reject;
            signal.addEventListener("abort", () => resolve());
          });
        } finally {
          this.#release("pipeline");
        }
      },
    };
  }

  sink(): EventSink {
    this.#acquire("sink");
    return {
      name: "fake",
      push: () => {},
      flush: () => {},
      close: () => {
        this.#release("sink");
        return Promise.resolve();
      },
    };
  }
}
