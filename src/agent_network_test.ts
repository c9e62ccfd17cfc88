import assert from "node:assert/strict";
import {
  FakeNetworkKernel,
  RECEIVED,
  sampleFlowRow,
} from "../tests/support/fake_network_kernel.ts";
import { FakeTimers } from "../tests/support/fake_timers.ts";
import { LoggedLines } from "../tests/support/logged_lines.ts";
import { cgroupFact } from "../tests/support/sample_cgroups.ts";
import { SAMPLE_WORKLOAD, sampleProcess, toReference } from "../tests/support/sample_events.ts";
import { executed, exited, FakeClock } from "../tests/support/sample_facts.ts";
import { socketChanged } from "../tests/support/sample_network_facts.ts";
import { AgentNetwork, type AgentNetworkParts, needsNetwork } from "./agent_network.ts";
import { networkMapEntries, networkSettings } from "./agent_open_network.ts";
import { loadConfig } from "./config/mod.ts";
import type { AgentEvent, FlowEvent, Workload } from "./events/mod.ts";
import { sumTraffic } from "./network/mod.ts";
import { type CachedProcess, type CgroupListener, CgroupTable } from "./state/mod.ts";
import { Counters } from "./telemetry/mod.ts";

const WEB: Workload = { ...SAMPLE_WORKLOAD, kind: "service", id: "web", name: "web" };
const CURL = { tgid: 100, startNs: 5n };

function defaults() {
  const readFile = () => {
    throw Object.assign(new Error("none"), { code: "ENOENT" });
  };
  return loadConfig({ flags: new Map(), environment: {}, readFile }).config;
}

/** A network beside a table of cgroups and processes that the test chooses. */
class Bench {
  readonly kernel = new FakeNetworkKernel();
  readonly clock = new FakeClock(1_000n);
  readonly counters = new Counters();
  readonly log = new LoggedLines();
  readonly timers = new FakeTimers();
  readonly processes = new Map<string, CachedProcess>();
  readonly told: AgentEvent[] = [];
  readonly reads: string[] = [];
  readonly network: AgentNetwork;
  readonly table: CgroupTable;

  constructor({ config, ...parts }: Partial<AgentNetworkParts> = {}) {
    const listeners: CgroupListener[] = [];
    this.table = new CgroupTable({
      ...{ hierarchy: 0, counters: this.counters },
      onChange: (...change) => listeners.forEach((listener) => listener(...change)),
    });
    this.network = new AgentNetwork({
      config: { ...defaults(), ...config },
      ...{ clock: this.clock, counters: this.counters, log: this.log },
      openKernel: () => this.kernel,
      ...{ timers: this.timers, programTime: () => undefined, conntrackPath: "/none" },
      cgroups: { table: this.table, observe: (listener) => void listeners.push(listener) },
      workloads: { workloadAt: () => WEB },
      files: { read: (path) => void this.reads.push(path) },
      ...parts,
    });
    this.network.attached();
    this.network.follow({
      find: (tgid, startNs) => this.processes.get(`${tgid} ${startNs}`),
      processes: () => this.processes.values(),
      tell: (events) => void this.told.push(...events),
    });
  }

  received(key: string): bigint | undefined {
    const row = this.network.readTraffic().workloads.find((row) => row.key === key);
    return row && sumTraffic(row.counts).bytesReceived;
  }
}

const created = (id: bigint) => cgroupFact("cgroup_created", { id, path: "/web.service" }, 1n);

const curl = (cgroup = { id: 8n, trackingId: 8n, level: 1, hierarchy: 0 }): CachedProcess => ({
  process: sampleProcess({ tgid: 100, cgroup, workload: WEB }),
  ...{ references: 1, parent: undefined },
});

Deno.test("AgentNetwork.readTraffic() tells traffic, programs and connections by workload", () => {
  const programs = { runTimeNs: 5n, runs: 2n };
  const bench = new Bench({ programTime: () => programs });
  bench.table.apply(created(8n));
  bench.kernel.transfer(8n, RECEIVED, 100n);
  bench.kernel.open.set(8n, 3);
  bench.network.onProcess(executed(CURL, 10n, "/bin/curl"), curl());
  assert.deepEqual(bench.kernel.calls, ["giveSlot 8"]);
  const reading = bench.network.readTraffic();
  const [web] = reading.workloads;
  assert.deepEqual(
    [web?.key, web?.workload, web?.execs, web?.connections, sumTraffic(web!.counts).bytesReceived],
    ["service:web", WEB, 1, 3, 100n],
  );
  assert.deepEqual(reading.programs, programs);
  assert.equal(reading.monotonicNs, 1_000n);
});

Deno.test("AgentNetwork takes traffic of cgroups that are gone for good", () => {
  const bench = new Bench();
  bench.table.apply(created(8n));
  bench.kernel.transfer(8n, RECEIVED, 100n);
  assert.equal(bench.received("service:web"), 100n);
  bench.table.apply({ ...created(8n), type: "cgroup_removed", timeNs: 50n });
  assert.equal(bench.received("service:web"), 100n, "late packets and events may come");
  bench.kernel.transfer(8n, RECEIVED, 1n);
  bench.table.sweep(120_000_000_000n);
  assert.equal(bench.received("service:web"), undefined);
  assert.equal(bench.received("ended"), 101n);
  assert.equal(bench.kernel.rows, 0);
});

Deno.test("AgentNetwork tells flows with processes that run and with those that have ended", async () => {
  const bench = new Bench({ config: { ...defaults(), withFlows: true } });
  bench.table.apply(created(8n));
  bench.network.start();
  bench.processes.set("100 5", curl());
  bench.network.onProcess(exited({ tgid: 101, startNs: 6n }, 10n), curl());
  bench.kernel.flows = [
    ...[sampleFlowRow(), sampleFlowRow({ tgid: 101, leaderStartNs: 6n })],
    sampleFlowRow({ tgid: 102 }),
  ];
  await bench.network.end();
  const flows = bench.told as FlowEvent[];
  assert.deepEqual(flows.map(({ subject }) => subject), [
    ...[toReference(curl().process), toReference(curl().process), undefined],
  ]);
  assert(flows.every(({ workload }) => workload === WEB));
});

Deno.test("AgentNetwork reads no flows unless they are asked for", async () => {
  const bench = new Bench();
  bench.network.start();
  await bench.timers.pass(60_000);
  await bench.network.end();
  bench.network.onProcess(exited(CURL, 10n), curl());
  assert.deepEqual(bench.kernel.calls.filter((call) => call === "drainFlows"), []);
  assert.equal(bench.counters.total("shrike_network_ended_processes"), 0);
});

Deno.test("AgentNetwork.tick() looks at traffic now and then, at own addresses on request", () => {
  const bench = new Bench();
  for (let i = 0; i < 20; i++) bench.network.tick();
  assert.equal(bench.kernel.calls.filter((call) => call === "readTraffic").length, 2);
  assert.deepEqual(bench.reads, []);
  const asked = new Bench({ config: { ...defaults(), withConnections: true } });
  asked.network.tick();
  assert.deepEqual(asked.reads, ["/proc/self/net/fib_trie", "/proc/self/net/if_inet6"]);
});

Deno.test("AgentNetwork.teller tells of sockets", () => {
  const bench = new Bench();
  const subject = toReference(curl().process);
  const context = () => ({ timeNs: 1n, cpu: 0, subject, marks: [] });
  const [event] = bench.network.teller.take(socketChanged(), false, context);
  assert(event?.type === "process_connect");
  assert.equal(event.socket.remote.addressClass, "public");
});

Deno.test("AgentNetwork.state() says why traffic cannot be told apart, the log once", () => {
  const bench = new Bench();
  assert.deepEqual(bench.network.state(), { state: "ok" });
  bench.network.tick();
  bench.kernel.attribution.confirmed = 5;
  bench.kernel.attribution.contradicted = 2;
  const { state, reason, hint } = bench.network.state();
  assert.equal(state, "degraded");
  assert.equal(reason, "the kernel named the wrong cgroup for 2 of 7 sockets");
  assert.match(hint!, /net_cls/);
  bench.network.tick();
  bench.network.tick();
  assert.equal(bench.log.of("warn").length, 1);
});

Deno.test("AgentNetwork.state() says that it is off, and that cgroups are not followed", () => {
  const reason = { reason: "the kernel has no hook", hint: "use another" };
  const off = new Bench({ openKernel: () => reason });
  assert.deepEqual(off.network.state(), { state: "off", ...reason });
  off.network.tick();
  const line = "warn Traffic is not counted: the kernel has no hook; use another";
  assert.deepEqual(off.log.lines, [line]);
  off.table.apply(created(8n));
  off.network.onProcess(executed(CURL, 10n, "/bin/curl"), curl());
  const reading = off.network.readTraffic();
  assert.deepEqual(reading.workloads.map(({ key }) => key), [
    ...["service:web", "ended", "unknown", "other"],
  ]);
  assert.equal(reading.workloads[0]?.connections, undefined, "nobody counts them");
  const blind = new Bench({ cgroups: { table: undefined, observe: () => {} } });
  assert.equal(blind.network.state().state, "degraded");
});

Deno.test("networkSettings() and networkMapEntries() ask the kernel for what is wanted", () => {
  const config = defaults();
  assert.equal(needsNetwork(config), true);
  assert.equal(needsNetwork({ ...config, withNetwork: false }), false);
  assert.equal(needsNetwork({ ...config, withNetwork: false, withDns: true }), true);
  const quiet = networkSettings(config);
  assert.deepEqual(
    [quiet["report_connections"], quiet["report_dns"], quiet["report_flows"]],
    [false, false, false],
  );
  const flows = networkSettings({ ...config, withFlows: true });
  assert.deepEqual([flows["report_dns"], flows["report_flows"]], [true, true]);
  assert.equal(networkMapEntries(config)["flows_a"], 1);
  assert.equal(networkMapEntries({ ...config, withFlows: true })["flows_b"], 32_768 + 1_024);
});
