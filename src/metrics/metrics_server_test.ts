import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { gunzipSync } from "node:zlib";
import { eventually } from "../../tests/support/eventually.ts";
import { Counters, type Log, type Sample } from "../telemetry/mod.ts";
import { AgentHealth } from "./agent_health.ts";
import { MetricsCounts } from "./metrics_counts.ts";
import { MetricsPages, type PageTimes } from "./metrics_pages.ts";
import { type MetricsLimits, MetricsServer } from "./metrics_server.ts";
import { gauge } from "./sample.ts";

/** A server on a port of its own. */
class Bench implements AsyncDisposable {
  readonly counters = new Counters();
  readonly lines: string[] = [];
  readonly log: Log;
  readonly health = new AgentHealth();
  collected = 0;
  sample: () => Iterable<Sample> = () => [gauge("g", "A gauge", 1)];
  server!: MetricsServer;

  constructor() {
    const write = (text: string, fields: Record<string, unknown> = {}) =>
      void this.lines.push(`${text} ${JSON.stringify(fields)}`);
    this.log = { error: write, warn: write, info: write, debug: write };
  }

  static async open(
    limits: Partial<MetricsLimits> = {},
    path?: string,
    pageTimes: Partial<PageTimes> = {},
  ): Promise<Bench> {
    const bench = new Bench();
    const counts = new MetricsCounts(bench.counters);
    const collect = () => {
      bench.collected++;
      return bench.sample();
    };
    const counted = { name: "counters", collect: () => bench.counters.snapshot() };
    const sources = [{ name: "test", collect }, counted];
    const times = { shareFactor: 0, ...pageTimes };
    const pages = new MetricsPages({ sources, health: bench.health, counts, times });
    const place = path === undefined
      ? { kind: "tcp", host: "127.0.0.1", port: 0 } as const
      : { kind: "unix", path } as const;
    bench.server = await MetricsServer.open({ place, pages, counts, limits, log: bench.log });
    return bench;
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.server.port}${path}`, init);
  }

  socket(): Socket {
    const socket = connect({ host: "127.0.0.1", port: this.server.port });
    socket.on("error", () => {});
    return socket;
  }

  /** Sends text and takes what comes until the server hangs up. */
  async send(text: string): Promise<string> {
    return (await this.sendRaw(text)).toString("latin1");
  }

  sendRaw(text: string): Promise<Buffer> {
    return new Promise((resolve) => {
      const socket = this.socket();
      const chunks: Buffer[] = [];
      socket.on("data", (chunk: Buffer) => chunks.push(chunk));
      socket.on("close", () => resolve(Buffer.concat(chunks)));
      socket.write(text, "latin1");
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

Deno.test("MetricsServer answers metrics, and counts it", async () => {
  await using bench = await Bench.open();
  const response = await bench.fetch("/metrics?x=1");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  assert.match(text, /^# HELP g A gauge\n# TYPE g gauge\ng 1\n/);
  assert.match(text, /\nshrike_metrics_timeouts_total 0\n/);
  assert.match(
    await (await bench.fetch("/metrics")).text(),
    /\nshrike_metrics_requests_total\{page="\/metrics",status="200"\} 1\n/,
  );
});

Deno.test("MetricsServer answers HEAD without body, and says which methods and pages it has", async () => {
  await using bench = await Bench.open();
  const head = await bench.send("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(head, /^HTTP\/1.1 200 OK\r\n.*Content-Length: [1-9]\d+\r\n.*\r\n\r\n$/s);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const refused = await bench.fetch("/metrics", { method });
    assert.equal(refused.status, 405);
    assert.equal(refused.headers.get("allow"), "GET, HEAD");
    await refused.body?.cancel();
  }
  for (const path of ["/", "/metrics/", "/metrics%00", "/debug/pprof", "/../metrics2"]) {
    const none = await bench.fetch(path);
    assert.equal(none.status, 404, path);
    await none.body?.cancel();
  }
  assert.equal(bench.counters.total("shrike_metrics_requests_total"), 10);
});

Deno.test("MetricsServer writes what the scraper asks for: gzip, OpenMetrics", async () => {
  await using bench = await Bench.open();
  const raw = await bench.sendRaw(
    "GET /metrics HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n" +
      "Accept: application/openmetrics-text;version=1.0.0\r\n\r\n",
  );
  const end = raw.indexOf("\r\n\r\n");
  const head = raw.subarray(0, end).toString();
  assert.match(head, /Content-Encoding: gzip/);
  assert.match(head, /Content-Type: application\/openmetrics-text; version=1\.0\.0/);
  const text = gunzipSync(raw.subarray(end + 4)).toString();
  assert.match(text, /# TYPE shrike_metrics_timeouts counter\nshrike_metrics_timeouts_total 0\n/);
  assert.match(text, /\n# EOF\n$/);
});

Deno.test("MetricsServer tells health with a reason", async () => {
  await using bench = await Bench.open();
  const ask = async (path: string) => {
    const response = await bench.fetch(path);
    return [response.status, await response.json()];
  };
  assert.deepEqual(await ask("/healthz"), [200, { status: "starting" }]);
  const [status, { reason }] = await ask("/readyz");
  assert.equal(status, 503);
  assert.match(reason, /is starting/);
  bench.health.started([]);
  assert.deepEqual(await ask("/readyz"), [200, { status: "ready", sensors: [] }]);
  const [, { status: health }] = await ask("/healthz");
  assert.equal(health, "ok");
});

Deno.test("MetricsServer tells the other metrics when a source fails, and counts that", async () => {
  await using bench = await Bench.open();
  bench.sample = () => {
    throw new Error("Cannot read: gone");
  };
  assert.match(await (await bench.fetch("/metrics")).text(), /shrike_metrics_collections_total 0/);
  assert.equal(bench.counters.total("shrike_metrics_source_failures_total"), 1);
  bench.sample = () => [{ ...gauge("g", "A gauge", 1), name: "no name" }];
  const failed = await bench.fetch("/metrics");
  assert.equal(failed.status, 500);
  assert.match(await failed.text(), /^Cannot write the metrics: /);
  bench.sample = () => [];
  assert.equal((await bench.fetch("/metrics")).status, 200);
});

Deno.test("MetricsServer collects once for those who ask at the same time", async () => {
  await using bench = await Bench.open();
  // More than one slice of work, so that the others come meanwhile.
  bench.sample = () => Array.from({ length: 3000 }, (_, i) => gauge(`g_${i}`, "One of many", i));
  const texts = await Promise.all(
    Array.from({ length: 8 }, async () => (await bench.fetch("/metrics")).text()),
  );
  assert.ok(bench.collected < 8, `${bench.collected}`);
  assert.ok(texts.every((text) => text.includes("\ng_2999 2999\n")));
});

Deno.test("MetricsServer ends clients that send nothing, garbage, or too much", async () => {
  await using bench = await Bench.open({ requestTimeoutMs: 100, answerTimeoutMs: 200 });
  const cases: [string, RegExp][] = [
    ["", /^HTTP\/1.1 408 |^$/],
    ["GET /metr", /^HTTP\/1.1 408 |^$/],
    ["\x00\x01\xff\r\n\r\n", /^HTTP\/1.1 400 /],
    [`GET /metrics HTTP/1.1\r\nA: ${"x".repeat(20_000)}\r\n\r\n`, /^HTTP\/1.1 4\d\d /],
    ["POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\nabc", / 405 /],
    ["GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nabc", / 200 /],
  ];
  for (const [text, expected] of cases) assert.match(await bench.send(text), expected);
  assert.equal((await bench.fetch("/healthz")).status, 200);
  assert.ok(bench.counters.total("shrike_metrics_malformed_total") >= 2);
});

Deno.test("MetricsServer lets go of a client that does not take its answer", async () => {
  await using bench = await Bench.open({ answerTimeoutMs: 100 });
  const help = "x".repeat(8 * 1024 ** 2);
  bench.sample = () => [gauge("g", help, 1)];
  const socket = bench.socket();
  socket.pause();
  socket.write("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  await eventually(
    () => bench.counters.total("shrike_metrics_timeouts_total") === 1,
    "it is counted",
  );
  assert.equal((await bench.fetch("/healthz")).status, 200, "others are answered");
  socket.destroy();
});

Deno.test("MetricsServer closes the oldest idle connection for a new one", async () => {
  await using bench = await Bench.open({ connectionsMax: 4 });
  const sockets = Array.from({ length: 12 }, () => bench.socket());
  const displaced = () => bench.counters.total("shrike_metrics_displaced_connections_total");
  await eventually(() => displaced() === 8, "those that came first give way");
  const asked = sockets.filter((socket) => !socket.destroyed).length;
  assert.equal((await bench.fetch("/healthz")).status, 200);
  assert.ok(asked > 0);
  assert.equal(bench.counters.total("shrike_metrics_refused_connections_total"), 0);
  for (const socket of sockets) socket.destroy();
});

Deno.test("MetricsServer answers one of the requests that are sent at once", async () => {
  await using bench = await Bench.open();
  const text = await bench.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5000));
  assert.equal(text.split("HTTP/1.1 200").length - 1, 1);
  assert.equal(bench.counters.total("shrike_metrics_requests_total"), 1);
  assert.equal(bench.collected, 1);
});

Deno.test("MetricsServer has room for probes when scrapes have all of theirs", async () => {
  await using bench = await Bench.open({ connectionsMax: 4, scrapesMax: 2 });
  bench.sample = () => [gauge("g", "x".repeat(8 * 1024 ** 2), 1)];
  const scrapers = [bench.socket(), bench.socket()];
  for (const socket of scrapers) {
    socket.pause();
    socket.write("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  const ok = () => bench.counters.total("shrike_metrics_requests_total");
  await eventually(() => ok() === 2, "both have their answer to take");
  for (const _ of Array(8)) bench.socket();
  assert.equal((await bench.fetch("/healthz")).status, 200);
  let last: Response | undefined;
  await eventually(async () => {
    last = await bench.fetch("/metrics");
    await last.body?.cancel();
    return last.status === 200;
  }, "who does not take the answer gives way to another scrape");
  for (const socket of scrapers) socket.destroy();
});

Deno.test("MetricsServer bounds the bytes that wait for clients", async () => {
  await using bench = await Bench.open({ waitingSizeMax: 9 * 1024 ** 2 });
  bench.sample = () => [gauge("g", "x".repeat(8 * 1024 ** 2), 1)];
  const slow = bench.socket();
  slow.pause();
  slow.write("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  await eventually(
    () => bench.counters.total("shrike_metrics_requests_total") === 1,
    "it has its answer to take",
  );
  const second = await bench.fetch("/metrics", { headers: { "Accept-Encoding": "identity" } });
  assert.equal(second.status, 503);
  assert.equal(second.headers.get("retry-after"), "1");
  await second.body?.cancel();
  slow.destroy();
});

Deno.test("MetricsServer gives a page to those who come soon after", async () => {
  await using bench = await Bench.open({}, undefined, { shareFactor: 1e9, shareMaxMs: 1e9 });
  for (const _ of Array(5)) await (await bench.fetch("/metrics")).text();
  assert.equal(bench.collected, 1);
});

Deno.test("MetricsServer gives the page before to who has waited long", async () => {
  await using bench = await Bench.open({}, undefined, { waitMs: 0 });
  assert.match(await (await bench.fetch("/metrics")).text(), /\ng 1\n/);
  bench.sample = () => Array.from({ length: 30_000 }, (_, i) => gauge(`h_${i}`, "One of many", i));
  assert.match(await (await bench.fetch("/metrics")).text(), /\ng 1\n/);
  assert.equal(bench.counters.total("shrike_metrics_older_pages_total"), 1);
  const collections = () => bench.counters.total("shrike_metrics_collections_total");
  await eventually(() => collections() === 2, "the new page is made all the same");
});

Deno.test("MetricsServer says in one line of the log that clients send garbage", async () => {
  await using bench = await Bench.open();
  const warnings: unknown[] = [];
  const listen = (warning: unknown) => warnings.push(warning);
  process.on("warning", listen);
  try {
    for (const text of [`GET /${"a".repeat(10_000_000)}`, "\0\0\r\n\r\n", "SSH-2.0-x\r\n"]) {
      await bench.send(text);
    }
  } finally {
    process.off("warning", listen);
  }
  assert.deepEqual(warnings, []);
  assert.equal(bench.counters.total("shrike_metrics_malformed_total"), 3);
  assert.equal(bench.lines.length, 1, bench.lines.join("\n"));
  assert.match(bench.lines[0]!, /metrics endpoint.*1 did not send HTTP/);
});

Deno.test("MetricsServer listens at a socket for its owner alone, and ends with open clients", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "shrike-metrics-" });
  try {
    const path = `${folder}/m.sock`;
    const bench = await Bench.open({}, path);
    assert.equal(Deno.lstatSync(path).mode! & 0o777, 0o600);
    const client = connect({ path });
    client.on("error", () => {});
    await new Promise((resolve) => client.on("connect", resolve));
    const closed = new Promise((resolve) => client.on("close", resolve));
    await bench.server[Symbol.asyncDispose]();
    await bench.server[Symbol.asyncDispose]();
    await closed;
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("MetricsServer says that a port is taken", async () => {
  await using first = await Bench.open();
  const { counters } = first;
  const counts = new MetricsCounts(counters);
  const pages = new MetricsPages({ sources: [], health: first.health, counts });
  const place = { kind: "tcp", host: "127.0.0.1", port: first.server.port } as const;
  await assert.rejects(MetricsServer.open({ place, pages, counts, log: first.log }), {
    code: "EADDRINUSE",
  });
});
