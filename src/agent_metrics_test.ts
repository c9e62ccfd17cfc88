import assert from "node:assert/strict";
import { FakePolicyService } from "../tests/support/fake_policy_service.ts";
import { LoggedLines } from "../tests/support/logged_lines.ts";
import { SAMPLE_WORKLOAD } from "../tests/support/sample_events.ts";
import { AgentMetrics, type AgentMetricsParts } from "./agent_metrics.ts";
import { METRIC_TABLE } from "./metrics/generated/metric_table.ts";
import { Counters, LossLedger } from "./telemetry/mod.ts";

const SENSORS = {
  report: [{ sensor: "process", loaded: true, programs: ["on_exec"], leftOut: [] }],
  programInfo: () => [{
    ...{ sensor: "process", program: "on_exec" },
    ...{ runTimeNs: 2_500_000_000n, runCount: 5n, recursionMisses: 1n },
  }],
  mapUsage: () => [{ sensor: "process", map: "records", maxEntries: 2, memorySize: 4096 }],
};

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Metrics of an agent that has no kernel. */
class Bench implements AsyncDisposable {
  readonly log = new LoggedLines();
  readonly losses = new LossLedger();
  readonly policies = Object.assign(new FakePolicyService(), {
    programInfo: () => [
      { program: "on_sys_enter", runTimeNs: 0n, runCount: 0n, recursionMisses: 0n },
    ],
    mapMemorySize: () => 8192,
  });
  readonly port = freePort();
  readonly metrics: AgentMetrics;
  isMeasured = false;

  constructor(
    config: Partial<AgentMetricsParts["config"]> = {},
    parts: Partial<AgentMetricsParts> = {},
  ) {
    const enableStats = () => {
      this.isMeasured = true;
      return { [Symbol.dispose]: () => void (this.isMeasured = false) };
    };
    const build = { version: "1.2.3", commit: "abc", deno: "2" };
    this.metrics = new AgentMetrics({
      config: {
        metricsAddress: { kind: "tcp", host: "127.0.0.1", port: this.port },
        metricsSeriesMax: 100,
        measurePrograms: false,
        ...config,
      },
      libbpf: { enableStats },
      payload: { build: () => build, form: "launcher" },
      sensors: SENSORS,
      ...{ policies: this.policies, counters: new Counters(), losses: this.losses, log: this.log },
      ...parts,
    });
  }

  async get(path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`);
    return { status: response.status, text: await response.text() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.metrics[Symbol.asyncDispose]();
  }
}

function counts(bytes: bigint) {
  return [{
    ...{ direction: "transmit", family: 4, protocol: "tcp" } as const,
    ...{ bytes, packets: bytes / 10n },
  }];
}

Deno.test("AgentMetrics listens nowhere and measures nothing unless it is asked to", async () => {
  for (const metricsAddress of [undefined, { kind: "off" } as const]) {
    await using bench = new Bench({ metricsAddress });
    await bench.metrics.start();
    bench.metrics.tick();
    bench.metrics.started([]);
    bench.metrics.stopping();
    await assert.rejects(bench.get("/metrics"));
    assert.ok(!bench.isMeasured);
    assert.deepEqual(bench.log.of("warn"), []);
  }
});

Deno.test("AgentMetrics is ready between start and stop", async () => {
  await using bench = new Bench();
  await bench.metrics.start();
  assert.equal((await bench.get("/readyz")).status, 503);
  bench.metrics.started(SENSORS.report);
  assert.equal((await bench.get("/readyz")).status, 200);
  bench.metrics.tick();
  assert.equal((await bench.get("/healthz")).status, 200);
  bench.metrics.stopping();
  assert.match((await bench.get("/readyz")).text, /the agent is stopping/);
  await bench.metrics[Symbol.asyncDispose]();
  await assert.rejects(bench.get("/readyz"));
});

Deno.test("AgentMetrics tells all rooms, in documented names and labels", async () => {
  const network = {
    readTraffic: () => ({
      workloads: [
        {
          ...{ owner: "workload", key: "a", workload: SAMPLE_WORKLOAD } as const,
          ...{ counts: counts(1500n), execs: 2, connections: 1 },
        },
        { owner: "ended", key: "ended", counts: counts(70n), execs: 0 } as const,
      ],
    }),
    state: () => ({ state: "degraded" }) as const,
    counts: () => new Map([["sockets_full", 3n]]),
  };
  await using bench = new Bench({ measurePrograms: true }, { network });
  const span = { firstNs: 1n, lastNs: 1n };
  bench.losses.add({ cause: "perf_ring_full", count: 3, ...span });
  await bench.policies.add({ file: "x", text: "policy a" });
  await bench.metrics.start();
  assert.ok(bench.isMeasured);
  const { text } = await bench.get("/metrics");
  const { kind, name } = SAMPLE_WORKLOAD;
  const tcp = 'family="ipv4",protocol="tcp"}';
  for (
    const expected of [
      'shrike_build_info{version="1.2.3",commit="abc",deno="',
      'shrike_loss_total{cause="perf_ring_full"} 3\n',
      'shrike_loss_total{cause="shared_ring_full"} 0\n',
      'shrike_sensor_loaded{sensor="process"} 1\n',
      'shrike_bpf_program_run_seconds_total{sensor="process",program="on_exec"} 2.5\n',
      'shrike_bpf_program_skipped_total{sensor="process",program="on_exec"} 1\n',
      'shrike_bpf_map_memory_bytes{sensor="process",map="records"} 4096\n',
      'shrike_policy_hits_total{policy="a",namespace="",action="override"} ',
      "shrike_policy_map_memory_bytes 8192\n",
      'shrike_bpf_program_runs_total{sensor="policy",program="on_sys_enter"} 0\n',
      'shrike_network_accounting{state="degraded"} 1\n',
      'shrike_network_kernel_total{what="sockets_full"} 3\n',
      `shrike_network_transmit_bytes_total{workload_kind="${kind}",workload="${name}",`,
      `{workload_kind="ended",workload="ended",pod="",namespace="",container="",${tcp} 70\n`,
      "shrike_metrics_workload_series 4\n",
    ]
  ) assert.ok(text.includes(expected), expected);
  const documented = new Map(METRIC_TABLE.map(({ name, labels }) => [name, labels]));
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name, braces = ""] = /^([a-z0-9_]+)(?:\{(.*)\})? \S+$/.exec(line)!;
    const labels = [...braces.matchAll(/([a-z_]+)="(?:[^"\\]|\\.)*"/g)].map((match) => match[1]);
    assert.deepEqual(labels.sort(), documented.get(name!), line);
  }
  await bench.metrics[Symbol.asyncDispose]();
  assert.ok(!bench.isMeasured, "the kernel need not count any longer");
});

Deno.test("AgentMetrics bounds the policies that are told apart", async () => {
  await using bench = new Bench();
  const text = Array.from({ length: 300 }, (_, i) => `policy p${i}`).join("\n");
  await bench.policies.add({ file: "x", text });
  await bench.metrics.start();
  const lines = (await bench.get("/metrics")).text.split("\n")
    .filter((line) => line.startsWith("shrike_policy_hits_total{"));
  assert.equal(lines.length, 4 * 257);
  assert.equal(lines.filter((line) => line.includes('policy="other"')).length, 4);
});

Deno.test("AgentMetrics goes on without what it cannot have, and says what to do", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken = { kind: "tcp", host: "127.0.0.1", port: listener.addr.port } as const;
  const enableStats = () => {
    throw new Error('Cannot count runs of "programs": not permitted');
  };
  await using bench = new Bench({ metricsAddress: taken, measurePrograms: true }, {
    libbpf: { enableStats },
  });
  await bench.metrics.start();
  assert.match(bench.log.of("warn")[0]!, /continuing without --bpf-stats/);
  assert.match(bench.log.of("warn")[1]!, /Cannot listen on "127\.0\.0\.1:\d+".*without metrics/);
  const metricsAddress = { kind: "unix", path: "/no/such/directory/at/all.sock" } as const;
  await using other = new Bench({ metricsAddress });
  await other.metrics.start();
  assert.match(
    other.log.of("warn")[0]!,
    /Cannot listen on "\/no\/such.*continuing without metrics/,
  );
});
