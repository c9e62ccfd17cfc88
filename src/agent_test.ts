import assert from "node:assert/strict";
import type { Libbpf, Libc } from "../ffi/mod.ts";
import { startAgent } from "./agent.ts";
import type {
  AgentOptions,
  AgentRooms,
  Capture,
  CgroupRoom,
  ControlRoom,
  PipelineRoom,
  PolicyRoom,
  PresenceRoom,
  WorkloadRoom,
} from "./agent_contract.ts";
import { loadConfig } from "./config/mod.ts";
import type { EventSink } from "./export/mod.ts";
import type { LoadedSensors, Payload } from "./loader/mod.ts";
import type { PipelineOptions } from "./pipeline/mod.ts";
import { FakePolicyService } from "../tests/support/fake_policy_service.ts";
import { SAMPLE_WORKLOAD } from "../tests/support/sample_events.ts";
import { Counters, type Log, SystemClock } from "./telemetry/mod.ts";

const SILENT: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

/** Rooms that write down what is done to them, and fail at one step. */
class FakeRooms {
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
      openDrops: () => {
        this.step("open drops");
        return { check: () => this.step("check drops") };
      },
      scan: () => {
        this.step("scan");
        return [];
      },
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

function optionsFor(fakes: FakeRooms, more: Partial<AgentOptions> = {}): AgentOptions {
  const readFile = () => {
    throw Object.assign(new Error("none"), { code: "ENOENT" });
  };
  return {
    config: loadConfig({ flags: new Map(), environment: {}, readFile }).config,
    nodeName: "node",
    environment: {},
    counters: new Counters(),
    openSinks: () => [fakes.sink()],
    needsForks: false,
    log: () => SILENT,
    ...more,
  };
}

const START = [
  "open libc",
  "open payload",
  "open presence",
  "open libbpf",
  "open cgroups",
  "open workloads",
  "ask runtimes",
  "open sensors",
  "open capture",
  "start workers",
  "open sink",
  "open policies",
  "open drops",
  "attach",
  "begin presence",
  "open pipeline",
  "run pipeline",
  "walk cgroups",
  "scan",
  "open control",
  "start control",
];
const STOP = [
  "close control",
  "end presence",
  "detach",
  "end policies",
  "close pipeline",
  "close sink",
  "close workers",
  "close sensors",
  "close workloads",
  "close libbpf",
  "close presence",
  "close libc",
];

Deno.test("startAgent() starts rooms in order, stop() ends them in reverse", async () => {
  const fakes = new FakeRooms();
  const agent = await startAgent(optionsFor(fakes), fakes.rooms());
  assert.deepEqual(fakes.trace, START);
  const summary = await agent.stop();
  assert.deepEqual(fakes.trace.slice(START.length), STOP);
  assert.deepEqual([...fakes.open], []);
  assert.equal(summary.cpuMs, 3);
  assert.equal(summary.memoryPeakSize, 4096);
  assert.equal(fakes.presenceFailures, 0);
  await agent.ended;
});

for (const failAt of START) {
  Deno.test(`startAgent() leaves nothing behind when "${failAt}" fails`, async () => {
    const fakes = new FakeRooms(failAt);
    await assert.rejects(
      startAgent(optionsFor(fakes), fakes.rooms()),
      { message: `fake failure of ${failAt}` },
    );
    assert.deepEqual([...fakes.open], []);
  });
}

for (const failAt of STOP.filter((step) => step.startsWith("close"))) {
  Deno.test(`Agent.stop() ends all rooms although "${failAt}" fails`, async () => {
    const fakes = new FakeRooms(failAt);
    const agent = await startAgent(optionsFor(fakes), fakes.rooms());
    await agent.stop().catch(() => {});
    assert.deepEqual(fakes.trace.slice(START.length), STOP);
    assert.deepEqual([...fakes.open], []);
  });
}

Deno.test("Agent.stop() gives the same summary to each caller and stops once", async () => {
  const fakes = new FakeRooms();
  const agent = await startAgent(optionsFor(fakes), fakes.rooms());
  const [first, second] = await Promise.all([agent.stop(), agent.stop()]);
  assert.equal(first, second);
  assert.equal(fakes.trace.length, START.length + STOP.length);
});

Deno.test("Agent.ended rejects when the pipeline fails, and stop() still tidies up", async () => {
  const fakes = new FakeRooms();
  const agent = await startAgent(optionsFor(fakes), fakes.rooms());
  fakes.failPipeline(new Error("broken invariant"));
  await assert.rejects(agent.ended, { message: "broken invariant" });
  await agent.stop();
  assert.equal(fakes.presenceFailures, 1);
  assert.deepEqual([...fakes.open], []);
});

Deno.test("Agent.ended rejects when capture fails, and stop() still tidies up", async () => {
  const fakes = new FakeRooms();
  const agent = await startAgent(optionsFor(fakes), fakes.rooms());
  fakes.failCapture(new Error("workers die"));
  await assert.rejects(agent.ended, { message: "workers die" });
  assert.equal(fakes.presenceFailures, 1);
  await agent.stop();
  assert.deepEqual(fakes.trace.slice(START.length), STOP);
});

Deno.test("startAgent() gives the pipeline a tick that reads losses and CPUs", async () => {
  const fakes = new FakeRooms();
  const agent = await startAgent(optionsFor(fakes), fakes.rooms());
  fakes.pipelineOptions.onTick!();
  assert.deepEqual(fakes.trace.slice(START.length), [
    ...["check drops", "check cpus", "tick cgroups", "tick presence"],
  ]);
  await agent.stop();
});

Deno.test("startAgent() tells the service manager ready, alive and stopping", async () => {
  const fakes = new FakeRooms();
  const environment = { NOTIFY_SOCKET: "/run/notify", WATCHDOG_USEC: "20000" };
  const agent = await startAgent(optionsFor(fakes, { environment }), fakes.rooms());
  assert.deepEqual(fakes.datagrams, ["READY=1\nSTATUS=Watching 0 CPUs"]);
  const pings = () => fakes.datagrams.filter((text) => text === "WATCHDOG=1").length;
  await eventually(() => pings() === 1);
  fakes.pipelineOptions.onTick!();
  await eventually(() => pings() === 2);
  await agent.stop();
  assert.equal(fakes.datagrams.at(-1), "STOPPING=1\nSTATUS=Stopping");
});

Deno.test("startAgent() emits forks when the config or a filter needs them", async () => {
  for (const needsForks of [false, true]) {
    const fakes = new FakeRooms();
    const agent = await startAgent(optionsFor(fakes, { needsForks }), fakes.rooms());
    assert.equal(fakes.pipelineOptions.emitForks, needsForks);
    await agent.stop();
  }
});

async function eventually(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, "the condition came true in time");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
