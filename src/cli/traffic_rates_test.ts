import assert from "node:assert/strict";
import {
  EMPTY_SUMS,
  type FakeTraffic,
  sampleTraffic,
} from "../../tests/support/fake_network_service.ts";
import type { TrafficReading, WorkloadTraffic } from "../network/mod.ts";
import { isActive, ratesBetween, sortRates } from "./traffic_rates.ts";

const SECOND_NS = 1_000_000_000n;

function reading(seconds: bigint, rows: readonly WorkloadTraffic[]): TrafficReading {
  return { monotonicNs: seconds * SECOND_NS, workloads: rows };
}

function ended(fields: FakeTraffic): WorkloadTraffic {
  return sampleTraffic("ended", { owner: "ended", ...fields });
}

Deno.test("ratesBetween() divides what was done by the time it took", () => {
  const row = (fields: FakeTraffic) => [sampleTraffic("a", fields)];
  const before = reading(10n, row({ bytesReceived: 1000n, packetsSent: 5n, execs: 1 }));
  const after = reading(
    12n,
    row({ bytesReceived: 5000n, bytesSent: 2n ** 63n, packetsSent: 6n, execs: 8 }),
  );
  const { intervalNs, rates: [rate] } = ratesBetween(before, after);
  assert.equal(intervalNs, 2n * SECOND_NS);
  assert.deepEqual({ ...rate, traffic: undefined }, {
    traffic: undefined,
    ...{ bytesReceived: 2000, bytesSent: 2 ** 62, packetsReceived: 0, packetsSent: 0.5 },
    execs: 3.5,
  });
});

Deno.test("ratesBetween() gives a row that is new all it has done", () => {
  const after = reading(2n, [sampleTraffic("new", { bytesSent: 100n }), ...EMPTY_SUMS]);
  const [rate] = ratesBetween(reading(1n, EMPTY_SUMS), after).rates;
  assert.equal(rate!.bytesSent, 100);
});

Deno.test("ratesBetween() does not tell again what a workload did that has ended", () => {
  const gone = sampleTraffic("gone", { bytesReceived: 1_000_000n, execs: 50 });
  const before = reading(1n, [gone, ended({ bytesReceived: 7n, execs: 2 })]);
  const after = reading(2n, [ended({ bytesReceived: 1_000_107n, execs: 53 })]);
  const [sum] = ratesBetween(before, after).rates;
  assert.deepEqual([sum!.bytesReceived, sum!.execs], [100, 1]);
});

Deno.test("ratesBetween() takes numbers that went back for those of a new agent", () => {
  const before = reading(1n, [sampleTraffic("a", { bytesSent: 900n, execs: 9 })]);
  const after = reading(2n, [sampleTraffic("a", { bytesSent: 30n, execs: 12 })]);
  const [rate] = ratesBetween(before, after).rates;
  assert.deepEqual([rate!.bytesSent, rate!.execs], [30, 12]);
  const programs = { before: { runTimeNs: 9n, runs: 9n }, after: { runTimeNs: 4n, runs: 10n } };
  const { programs: found } = ratesBetween(
    { ...before, programs: programs.before },
    { ...after, programs: programs.after },
  );
  assert.deepEqual(found, { cpuShare: 4e-9, runsPerSecond: 10 });
});

Deno.test("ratesBetween() has no rates without time, and no programs that are not measured", () => {
  const row = [sampleTraffic("a", { bytesSent: 900n })];
  const { rates, programs } = ratesBetween(reading(1n, []), reading(1n, row));
  assert.equal(rates[0]!.bytesSent, 0);
  assert.equal(programs, undefined);
});

Deno.test("sortRates() puts most first and sums last", () => {
  const rows = [
    sampleTraffic("sum", { owner: "unknown", bytesSent: 10n ** 9n }),
    sampleTraffic("a", { bytesSent: 10n, bytesReceived: 1n, connections: 1 }),
    sampleTraffic("b", { bytesReceived: 30n, packetsReceived: 1n, execs: 5 }),
    sampleTraffic("c", { bytesSent: 20n, packetsSent: 9n, connections: 7 }),
  ];
  const { rates } = ratesBetween(reading(1n, []), reading(2n, rows));
  const sorted = (sort: Parameters<typeof sortRates>[1]) =>
    sortRates(rates, sort).map(({ traffic }) => traffic.key).join(" ");
  assert.equal(sorted("traffic"), "b c a sum");
  assert.equal(sorted("received"), "b a c sum");
  assert.equal(sorted("sent"), "c a b sum");
  assert.equal(sorted("packets"), "c b a sum");
  assert.equal(sorted("connections"), "c a b sum");
  assert.equal(sorted("execs"), "b a c sum");
  assert.equal(sorted("name"), "a b c sum");
});

Deno.test("isActive() is about what was done, not about what is open", () => {
  const active = (fields: FakeTraffic) => {
    const [rate] = ratesBetween(reading(1n, []), reading(2n, [sampleTraffic("a", fields)])).rates;
    return isActive(rate!);
  };
  assert.equal(active({ connections: 9 }), false);
  assert.equal(active({ execs: 1 }), true);
  assert.equal(active({ packetsSent: 1n }), true);
});
