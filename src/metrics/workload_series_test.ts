import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import type { Sample } from "../telemetry/mod.ts";
import type { TrafficReading, WorkloadLabels, WorkloadReading } from "./workload_cells.ts";
import { WorkloadSeries } from "./workload_series.ts";

const RECEIVED = "shrike_network_receive_bytes_total";

function labelsOf(workload: string): WorkloadLabels {
  return { workload_kind: "service", workload, pod: "", namespace: "", container: "" };
}

function tcp(bytes: number): TrafficReading {
  return { direction: "receive", family: 4, protocol: "tcp", bytes: BigInt(bytes), packets: 0n };
}

function reading(
  key: string,
  bytes: number,
  more: Partial<WorkloadReading> = {},
): WorkloadReading {
  const labels = labelsOf(key);
  return { owner: "workload", key, labels, counts: [tcp(bytes)], execs: 0, ...more };
}

function sum(owner: "ended" | "unknown" | "other", bytes: number): WorkloadReading {
  return reading(owner, bytes, { owner });
}

/** Scrapes what the test says. */
class Bench {
  rows: readonly WorkloadReading[] = [];
  readonly series: WorkloadSeries;

  constructor(seriesMax = 100) {
    this.series = new WorkloadSeries({ read: () => this.rows, seriesMax });
  }

  scrape(...rows: WorkloadReading[]): Record<string, number> {
    this.rows = rows;
    return byWorkload(this.series.collect(), RECEIVED);
  }
}

function byWorkload(samples: readonly Sample[], name: string): Record<string, number> {
  return Object.fromEntries(
    samples.filter((sample) => sample.name === name)
      .map(({ labels, value }) => [labels["workload"]!, value]),
  );
}

Deno.test("WorkloadSeries tells traffic by class, execs and connections with all labels", () => {
  const bench = new Bench();
  const counts: TrafficReading[] = [
    { direction: "receive", family: 6, protocol: "udp", bytes: 5n, packets: 1n },
    { direction: "transmit", family: 4, protocol: "other", bytes: 7n, packets: 2n },
  ];
  bench.rows = [reading("a", 0, { counts, execs: 3, connections: 4 })];
  const told = bench.series.collect().filter(({ labels }) => labels["workload"] === "a");
  const words = told.map(({ name, kind, labels, value }) =>
    [name, kind, labels["family"] ?? "-", labels["protocol"] ?? "-", value].join(" ")
  );
  deepStrictEqual(words, [
    "shrike_network_receive_bytes_total counter ipv6 udp 5",
    "shrike_network_transmit_bytes_total counter ipv4 other 7",
    "shrike_network_receive_packets_total counter ipv6 udp 1",
    "shrike_network_transmit_packets_total counter ipv4 other 2",
    "shrike_workload_execs_total counter - - 3",
    "shrike_workload_connections gauge - - 4",
  ]);
  equal(bench.series.used, 6);
});

Deno.test("WorkloadSeries tells a series once more after its workload ended, then in ended", () => {
  const bench = new Bench();
  deepStrictEqual(bench.scrape(reading("a", 10), sum("ended", 0)), { a: 10 });
  // 5 more than were told: its last bytes came after the scrape.
  deepStrictEqual(bench.scrape(sum("ended", 15)), { a: 10, ended: 5 });
  deepStrictEqual(bench.scrape(sum("ended", 15)), { ended: 15 });
  equal(bench.series.used, 0);
});

Deno.test("WorkloadSeries goes on with a series whose next workload has the same names", () => {
  const bench = new Bench();
  bench.scrape(reading("a", 10), sum("ended", 0));
  const again = reading("second", 3, { labels: labelsOf("a") });
  deepStrictEqual(bench.scrape(again, sum("ended", 10)), { a: 13 });
  // The same key with less is another workload.
  deepStrictEqual(
    bench.scrape(reading("second", 1, { labels: labelsOf("a") }), sum("ended", 13)),
    { a: 14 },
  );
});

Deno.test("WorkloadSeries moves to new names with what comes from then on", () => {
  const bench = new Bench();
  bench.scrape(reading("a", 10), sum("ended", 0));
  const renamed = (bytes: number) => reading("a", bytes, { labels: labelsOf("web") });
  deepStrictEqual(bench.scrape(renamed(12), sum("ended", 0)), { a: 10, web: 2 });
  deepStrictEqual(bench.scrape(renamed(13), sum("ended", 0)), { web: 3, ended: 10 });
});

Deno.test("WorkloadSeries adds up what is beyond the budget, and who has a series keeps it", () => {
  const bench = new Bench(1);
  deepStrictEqual(bench.scrape(reading("a", 1), reading("b", 2)), { a: 1, other: 2 });
  const samples = () => bench.series.collect();
  equal(samples().find(({ name }) => name.endsWith("_series_refused"))?.value, 0, "nothing new");
  deepStrictEqual(bench.scrape(reading("b", 5), reading("a", 2)), { a: 2, other: 5 });
  equal(bench.series.used, 1);
  // The room of `a` is free one scrape later, and `other` keeps what it has.
  deepStrictEqual(bench.scrape(reading("b", 6), sum("ended", 2)), { a: 2, other: 6 });
  deepStrictEqual(
    bench.scrape(reading("b", 8), sum("ended", 2)),
    { b: 2, other: 6, ended: 2 },
  );
  deepStrictEqual(
    bench.scrape(reading("b", 8), sum("ended", 2), sum("other", 4), sum("unknown", 1)),
    { b: 2, other: 10, ended: 2, unknown: 1 },
  );
});

Deno.test("WorkloadSeries never goes back and loses nothing, whatever comes and goes", () => {
  const random = SeededRandom.fromEnvironment("workloads that come and go");
  const bench = new Bench(6);
  const bytes = new Map<string, number>();
  const names = new Map<string, string>();
  let [ended, next] = [0, 0];
  let before: Record<string, number> = {};
  for (let scrape = 0; scrape < 3000; scrape++) {
    for (let i = random.below(4); i > 0; i--) {
      const keys = [...bytes.keys()];
      const key = keys[random.below(keys.length + 1)] ?? `k${next++}`;
      const what = random.below(8);
      if (what === 0 && bytes.has(key)) {
        ended += bytes.get(key)!;
        bytes.delete(key);
      } else {
        bytes.set(key, (bytes.get(key) ?? 0) + random.below(100));
        if (what === 1 || !names.has(key)) names.set(key, `name${random.below(9)}`);
      }
    }
    const rows = [...bytes].map(([key, count]) =>
      reading(key, count, { labels: labelsOf(names.get(key)!) })
    );
    const now = bench.scrape(...rows, sum("ended", ended), sum("unknown", scrape));
    const counted = ended + scrape + [...bytes.values()].reduce((a, b) => a + b, 0);
    equal(Object.values(now).reduce((a, b) => a + b, 0), counted, `scrape ${scrape}`);
    for (const [workload, value] of Object.entries(now)) {
      ok(value >= (before[workload] ?? 0), `${workload} at scrape ${scrape}`);
    }
    for (const owner of ["ended", "other"]) ok((now[owner] ?? 0) >= (before[owner] ?? 0), owner);
    ok(bench.series.used <= 6);
    equal(Object.keys(now).filter((name) => name.startsWith("name")).length, bench.series.used);
    before = now;
  }
});
