import assert from "node:assert/strict";
import { eventually } from "../support/eventually.ts";
import { request } from "node:http";
import { connect } from "node:net";
import { METRIC_TABLE } from "../../src/metrics/generated/metric_table.ts";
import { answersWell, startWithMetrics as start, textOf } from "./agent_metrics.ts";
import { execWith } from "./event_json.ts";
import { Prometheus, prometheusPath } from "./prometheus.ts";
import { makeMark, RunningShrike, runShrike, runTrue } from "./shrike_process.ts";

const isInstalled = prometheusPath("prometheus") !== undefined;
const OPENMETRICS = { Accept: "application/openmetrics-text; version=1.0.0" };

/** A policy that tells of those who go to a directory. */
const policyAbout = (directory: string) =>
  `apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata:
  name: metrics-test
spec:
  kprobes:
  - call: chdir
    syscall: true
    args: [{ index: 0, type: string }]
    selectors:
    - matchArgs: [{ index: 0, operator: Equal, values: [${directory}] }]
`;

/** Value of a series of the text format, as it is written there: `name{a="b"}`. */
function valueIn(text: string, series: string): number {
  const line = text.split("\n").find((line) => line.startsWith(`${series} `));
  assert.ok(line !== undefined, `${series} is told`);
  return Number(line.slice(series.length + 1));
}

/** Everything told of each metric, by name. */
function familiesIn(text: string): Map<string, { kind: string; help: string; labels: string[] }> {
  const families = new Map<string, { kind: string; help: string; labels: string[] }>();
  const helps = new Map<string, string>();
  const kinds = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, word, name, rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word !== undefined) (word === "HELP" ? helps : kinds).set(name!, rest);
    if (line === "" || line.startsWith("#")) continue;
    const [, metric = "", braces = ""] = /^([a-z0-9_]+)(?:\{(.*)\})? \S+$/.exec(line)!;
    const labels = [...braces.matchAll(/([a-z_]+)="(?:[^"\\]|\\.)*"/g)].map((match) => match[1]!);
    const family = { kind: kinds.get(metric)!, help: helps.get(metric)!, labels: labels.sort() };
    const known = families.get(metric);
    if (known !== undefined) assert.deepEqual(family, known, metric);
    families.set(metric, family);
  }
  return families;
}

/** GET of `path` over a unix socket. */
function getUnix(socketPath: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      let body = "";
      response.on("data", (chunk) => body += chunk);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    }).on("error", reject).end();
  });
}

Deno.test("shrike run tells metrics as they are documented, and what it did", async () => {
  const folder = await Deno.makeTempDir({ prefix: "shrike-metrics-" });
  try {
    const policy = `${folder}/policy.yaml`;
    await Deno.writeTextFile(policy, policyAbout(folder), { mode: 0o600 });
    const { shrike, url } = await start("--bpf-stats", "--policy", policy);
    await using agent = shrike;
    const before = await textOf(`${url}/metrics`);
    const mark = makeMark("metrics");
    await runTrue(mark);
    await agent.waitFor(execWith(mark), "the exec");
    await new Deno.Command("/bin/sh", { args: ["-c", `cd ${folder}`] }).output();
    await agent.waitFor((event) => "process_kprobe" in event, "the hit");
    const hits = 'shrike_policy_hits_total{policy="metrics-test",namespace="",action="post"}';
    // Who asks twice within a moment gets the same page.
    let after = before;
    await eventually(async () => {
      after = await textOf(`${url}/metrics`);
      return valueIn(after, hits) > valueIn(before, hits);
    }, "a page that is newer than the hit");
    const families = familiesIn(after);
    const table = new Map(METRIC_TABLE.map(({ name, ...rest }) => [name, rest]));
    for (const [name, { kind, help, labels }] of families) {
      assert.deepEqual({ kind, help, labels }, table.get(name), name);
    }
    assert.ok(families.size > 100, `${families.size}`);
    const grown = (series: string) => valueIn(after, series) - valueIn(before, series);
    assert.ok(grown('shrike_pipeline_events_total{type="process_exec"}') >= 1);
    assert.ok(grown('shrike_export_events_total{sink="stdout"}') >= 1);
    assert.equal(grown(hits), 1);
    for (const program of ["on_process_exec", "on_process_exit"]) {
      const labels = `{sensor="process",program="${program}"}`;
      assert.ok(grown(`shrike_bpf_program_runs_total${labels}`) >= 1);
      assert.ok(grown(`shrike_bpf_program_run_seconds_total${labels}`) > 0);
    }
    assert.ok(valueIn(after, 'shrike_bpf_map_memory_bytes{sensor="cgroup",map="cgroups"}') > 4096);
    assert.equal(valueIn(after, 'shrike_loss_total{cause="perf_ring_full"}'), 0);
    assert.ok(Math.abs(valueIn(after, "process_start_time_seconds") - Date.now() / 1000) < 300);
    assert.ok(valueIn(after, "process_resident_memory_bytes") > 20e6);
    assert.ok(valueIn(after, "process_open_fds") > 10);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "promtool check metrics finds nothing wrong with those of shrike run",
  ignore: !isInstalled,
  async fn() {
    const { shrike, url } = await start("--bpf-stats");
    await using _ = shrike;
    const text = await textOf(`${url}/metrics`);
    const child = new Deno.Command(prometheusPath("promtool")!, {
      args: ["check", "metrics"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    const said = new TextDecoder().decode(new Uint8Array([...stdout, ...stderr]));
    assert.deepEqual([code, said], [0, ""]);
  },
});

Deno.test({
  name: "Prometheus scrapes shrike run and answers queries about it",
  ignore: !isInstalled,
  async fn() {
    const { shrike, url } = await start();
    await using agent = shrike;
    await using prometheus = await Prometheus.start(url.slice("http://".length));
    await prometheus.queryUntil("up", ([up]) => up?.value === 1);
    const [build] = await prometheus.queryUntil("shrike_build_info", ({ length }) => length === 1);
    assert.equal(build!.metric["job"], "shrike");
    const events = 'shrike_pipeline_events_total{type="process_exec"}';
    const [told] = await prometheus.queryUntil(events, ({ length }) => length === 1);
    await agent.seeCanary();
    await prometheus.queryUntil(events, ([now]) => now!.value > told!.value);
    // It asks for OpenMetrics: counters have kept their names, and every family was taken.
    const families = familiesIn(await textOf(`${url}/metrics`));
    const counted =
      "count(group by (__name__) ({job='shrike', __name__=~'(shrike|deno|process)_.*'}))";
    await prometheus.queryUntil(counted, ([all]) => all?.value === families.size);
  },
});

Deno.test("shrike run answers health, readiness, and other formats", async () => {
  const { shrike, url } = await start();
  await using agent = shrike;
  const health = JSON.parse(await textOf(`${url}/healthz`));
  assert.equal(health.status, "ok");
  assert.ok(Number.isFinite(health.turn_age_seconds));
  const ready = JSON.parse(await textOf(`${url}/readyz`));
  assert.equal(ready.status, "ready");
  const loaded = ready.sensors.filter((each: { loaded: boolean }) => each.loaded);
  assert.ok(loaded.some(({ sensor }: { sensor: string }) => sensor === "process"));
  const open = await textOf(`${url}/metrics`, { headers: OPENMETRICS });
  assert.match(open, /\n# TYPE shrike_loss counter\nshrike_loss_total\{cause="/);
  assert.ok(open.endsWith("\n# EOF\n"));
  agent.kill("SIGTERM");
  await agent.end();
  await assert.rejects(fetch(`${url}/healthz`));
});

Deno.test("shrike run tells metrics at a unix socket of root's, also after a kill", async () => {
  const folder = await Deno.makeTempDir({ prefix: "shrike-metrics-" });
  try {
    const path = `${folder}/run/metrics.sock`;
    const args = [`--metrics-address=unix:${path}`];
    const first = await RunningShrike.start(args);
    try {
      assert.equal(Deno.lstatSync(path).mode! & 0o777, 0o600);
      assert.match((await getUnix(path, "/metrics")).body, /^shrike_build_info\{/m);
      const second = await runShrike(["run", "--duration", "10ms", "-o", "json", ...args]);
      assert.equal(second.code, 0);
      assert.match(second.stderr, /another agent listens there, continuing without metrics/);
      assert.match(second.stderr, /--metrics-address, or off/);
    } finally {
      first.kill("SIGKILL");
      await first[Symbol.asyncDispose]();
    }
    assert.ok(Deno.lstatSync(path).isSocket, "it was left");
    await using next = await RunningShrike.start(args);
    assert.equal((await getUnix(path, "/healthz")).status, 200);
    next.kill("SIGTERM");
    await next.end();
    assert.deepEqual([...Deno.readDirSync(`${folder}/run`)], []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("shrike run goes on without metrics where it cannot listen", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${listener.addr.port}`;
  const args = ["run", "--duration", "10ms", "-o", "json", `--metrics-address=${address}`];
  const end = await runShrike(args);
  assert.equal(end.code, 0);
  assert.match(end.stderr, /Cannot listen on "127\.0\.0\.1:\d+".*continuing without metrics/);
  assert.match(end.stderr, /another program listens there/);
  const wrong = await runShrike(["run", "--metrics-address", "localhost"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /"localhost" is no address to listen at/);
});

Deno.test("shrike run delivers events while clients stall", async () => {
  const { shrike, url } = await start();
  await using agent = shrike;
  const { hostname: host, port } = new URL(url);
  const sockets = Array.from({ length: 40 }, (_, i) => {
    const socket = connect({ host, port: Number(port) });
    socket.on("error", () => {});
    socket.pause();
    // Some say nothing, some half of a request, some ask and take no answer.
    socket.write(["", "GET /metr", "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20)][i % 3]!);
    return socket;
  });
  try {
    for (let i = 0; i < 3; i++) await agent.seeCanary();
    for (const socket of sockets) socket.destroy();
    await answersWell(`${url}/healthz`);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});
