import assert from "node:assert/strict";
import { FakeNetworkKernel, RECEIVED, SENT } from "../../tests/support/fake_network_kernel.ts";
import { SAMPLE_WORKLOAD } from "../../tests/support/sample_events.ts";
import { FakeClock } from "../../tests/support/sample_facts.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import type { Workload } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import type { WorkloadTraffic } from "./network_service.ts";
import { OTHER_ROW } from "./network_kernel.ts";
import { sumTraffic, TRAFFIC_CLASSES } from "./traffic_classes.ts";
import { type CgroupOwner, TrafficTotals } from "./traffic_totals.ts";

function service(id: string, fields: Partial<Workload> = {}): Workload {
  return { ...SAMPLE_WORKLOAD, kind: "service", id, name: id, ...fields };
}

function setUp(workloadsMax = 100) {
  const kernel = new FakeNetworkKernel();
  const owners = new Map<bigint, CgroupOwner>();
  const clock = new FakeClock(1_000n);
  const counters = new Counters();
  const totals = new TrafficTotals({
    ...{ kernel, clock, counters, workloadsMax },
    ownerOf: (id) => owners.get(id),
  });
  const rows = () => {
    totals.look();
    return totals.rows();
  };
  const received = (key: string) => {
    const row = rows().find((row) => row.key === key);
    return row && sumTraffic(row.counts).bytesReceived;
  };
  return { kernel, owners, clock, counters, totals, rows, received };
}

Deno.test("TrafficTotals adds up what each workload's cgroups have carried, by class", () => {
  const { kernel, owners, rows } = setUp();
  owners.set(8n, { createdNs: 1n, workload: service("a") });
  owners.set(9n, { createdNs: 2n, workload: service("host", { kind: "host" }) });
  owners.set(10n, { createdNs: 3n, workload: service("host", { kind: "host" }) });
  kernel.transfer(8n, RECEIVED, 100n, 2n);
  kernel.transfer(8n, SENT, 7n);
  kernel.transfer(9n, SENT, 1n);
  kernel.transfer(10n, SENT, 2n);
  const [a, host, ...sums] = rows();
  assert.deepEqual(
    [a?.owner, a?.key, a?.workload?.id, host?.key],
    ["workload", "service:a", "a", "host:host"],
  );
  assert.deepEqual(a?.counts.filter(({ bytes }) => bytes > 0n), [
    { ...RECEIVED, bytes: 100n, packets: 2n },
    { ...SENT, bytes: 7n, packets: 1n },
  ]);
  assert.equal(a?.counts.length, TRAFFIC_CLASSES.length);
  assert.equal(sumTraffic(host!.counts).bytesSent, 3n);
  assert.deepEqual(sums.map(({ key }) => key), ["ended", "unknown", "other"]);
});

Deno.test("TrafficTotals.forget() moves a workload to `ended` with its last cgroup", () => {
  const { kernel, owners, totals, received } = setUp();
  owners.set(8n, { createdNs: 1n, workload: service("a") });
  owners.set(9n, { createdNs: 1n, workload: service("a") });
  kernel.transfer(8n, RECEIVED, 100n);
  kernel.transfer(9n, RECEIVED, 10n);
  assert.equal(received("service:a"), 110n);
  kernel.transfer(8n, RECEIVED, 5n);
  owners.delete(8n);
  totals.forget(8n);
  assert.equal(kernel.rows, 1, "the row of a cgroup that is gone leaves the kernel");
  assert.equal(received("service:a"), 115n, "what came since the last look counts");
  owners.delete(9n);
  totals.forget(9n);
  assert.equal(received("service:a"), undefined);
  assert.equal(received("ended"), 115n);
});

Deno.test("TrafficTotals.forget() counts what came and went between two looks as ended", () => {
  const { kernel, totals, received } = setUp();
  kernel.transfer(8n, RECEIVED, 100n);
  totals.noteExec(8n);
  totals.forget(8n);
  assert.equal(received("ended"), 100n);
  assert.equal(totals.rows().find(({ key }) => key === "ended")?.execs, 1);
});

Deno.test("TrafficTotals tells another cgroup with the same id from the one before", () => {
  const { kernel, owners, received, totals } = setUp();
  owners.set(8n, { createdNs: 1n, workload: service("a") });
  kernel.transfer(8n, RECEIVED, 100n);
  assert.equal(received("service:a"), 100n);
  // Nobody has told that the first is gone: the row went on.
  owners.set(8n, { createdNs: 2n, workload: service("b") });
  kernel.transfer(8n, RECEIVED, 11n);
  assert.equal(received("service:b"), 11n);
  assert.equal(received("ended"), 100n);
  totals.forget(8n);
  owners.set(8n, { createdNs: 3n, workload: service("c") });
  kernel.transfer(8n, RECEIVED, 1n);
  assert.equal(received("service:c"), 1n, "a row that was taken out begins at 0");
});

Deno.test("TrafficTotals keeps the numbers of a workload that is known otherwise later", () => {
  const { kernel, owners, received } = setUp();
  owners.set(8n, { createdNs: 0n, workload: service("short") });
  kernel.transfer(8n, RECEIVED, 100n);
  assert.equal(received("service:short"), 100n);
  // The record of its making came after the walk that has found it.
  owners.set(8n, { createdNs: 5n, workload: service("whole-name") });
  kernel.transfer(8n, RECEIVED, 1n);
  assert.equal(received("service:whole-name"), 101n);
  assert.equal(received("ended"), 0n);
});

Deno.test("TrafficTotals counts what has no owner as unknown, and gives its row up after a minute", () => {
  const { kernel, owners, clock, received } = setUp();
  kernel.transfer(8n, RECEIVED, 100n);
  kernel.transfer(0n, RECEIVED, 10n);
  kernel.transfer(OTHER_ROW, RECEIVED, 1n);
  assert.equal(received("unknown"), 110n);
  assert.equal(received("other"), 1n);
  owners.set(8n, { createdNs: 1n, workload: service("late") });
  kernel.transfer(8n, RECEIVED, 5n);
  assert.equal(received("service:late"), 5n, "what was unknown stays so");
  owners.delete(8n);
  assert.equal(received("ended"), 5n);
  clock.nowNs += 61_000_000_000n;
  kernel.transfer(8n, RECEIVED, 1n);
  assert.equal(received("unknown"), 111n);
  assert.equal(kernel.rows, 2, "only the sums stay in the kernel");
});

Deno.test("TrafficTotals adds workloads beyond its bound up as other, each counted once", () => {
  const { kernel, owners, counters, received } = setUp(2);
  for (let id = 1n; id <= 4n; id++) {
    owners.set(id, { createdNs: 1n, workload: service(`s${id}`) });
    kernel.transfer(id, RECEIVED, 10n ** id);
  }
  assert.equal(received("other"), 11_000n);
  assert.equal(received("other"), 11_000n);
  assert.equal(counters.total("shrike_network_workloads_folded_total"), 2);
});

Deno.test("TrafficTotals counts a row that lost its count from 0 on", () => {
  const { kernel, owners, counters, received } = setUp();
  owners.set(8n, { createdNs: 1n, workload: service("a") });
  kernel.transfer(8n, RECEIVED, 100n);
  assert.equal(received("service:a"), 100n);
  kernel.lose(8n);
  kernel.transfer(8n, RECEIVED, 3n);
  assert.equal(received("service:a"), 103n);
  assert.equal(counters.total("shrike_network_rows_restarted_total"), 1);
});

Deno.test("TrafficTotals.noteExec() counts programs by workload, and bounds the cgroups", () => {
  const { owners, totals, rows, counters } = setUp();
  owners.set(8n, { createdNs: 1n, workload: service("a") });
  for (let i = 0; i < 3; i++) totals.noteExec(8n);
  totals.noteExec(0n);
  const execs = () => Object.fromEntries(rows().map(({ key, execs }) => [key, execs]));
  assert.deepEqual(execs(), { "service:a": 3, ended: 0, unknown: 1, other: 0 });
  for (let i = 1n; i <= 65_537n; i++) totals.noteExec(i << 20n);
  assert.equal(execs().other, 1);
  assert.equal(counters.total("shrike_network_execs_folded_total"), 1);
});

Deno.test("TrafficTotals adds up the connections of a workload's cgroups", () => {
  const { owners, kernel, rows } = setUp();
  for (const [id, open] of [[8n, 2], [9n, 3], [10n, 7]] as const) {
    owners.set(id, { createdNs: 1n, workload: service(id === 10n ? "b" : "a") });
    kernel.transfer(id, RECEIVED, 1n);
    kernel.open.set(id, open);
  }
  const connections = () =>
    Object.fromEntries(rows().map(({ key, connections }) => [key, connections]));
  const sums = { ended: undefined, unknown: undefined, other: undefined };
  assert.deepEqual(connections(), { "service:a": 5, "service:b": 7, ...sums });
  kernel.open.set(9n, 0);
  assert.deepEqual(connections(), { "service:a": 2, "service:b": 7, ...sums });
});

/** What all rows come to, by class. */
function sums(rows: readonly WorkloadTraffic[]): bigint[] {
  return TRAFFIC_CLASSES.flatMap((_, i) => [
    rows.reduce((sum, { counts }) => sum + counts[i]!.bytes, 0n),
    rows.reduce((sum, { counts }) => sum + counts[i]!.packets, 0n),
  ]);
}

Deno.test("TrafficTotals: all rows together are what went through, and no row goes back", () => {
  const random = SeededRandom.fromEnvironment("TrafficTotals property");
  for (let round = 0; round < 60; round++) {
    const { kernel, owners, clock, totals, rows } = setUp(1 + random.below(6));
    const truth = TRAFFIC_CLASSES.flatMap(() => [0n, 0n]);
    let execs = 0;
    let before = new Map<string, WorkloadTraffic>();
    const id = () =>
      random.chance(0.1) ? random.pick([0n, OTHER_ROW]) : BigInt(1 + random.below(6));
    for (let step = 0; step < 200; step++) {
      const at = id();
      switch (random.below(7)) {
        case 0: // made, found again, renamed, or another one with the same id
          if (at === 0n || at === OTHER_ROW) break;
          owners.set(at, {
            createdNs: BigInt(random.below(3)),
            workload: service(`w${random.below(5)}`),
          });
          break;
        case 1:
          owners.delete(at);
          if (random.chance(0.7) && at !== 0n && at !== OTHER_ROW) totals.forget(at);
          break;
        case 2:
          totals.noteExec(at);
          execs += 1;
          break;
        case 3:
          clock.nowNs += BigInt(random.below(40)) * 1_000_000_000n;
          break;
        case 4: {
          const now = rows();
          assert.deepEqual(sums(now), truth);
          assert.equal(now.reduce((sum, row) => sum + row.execs, 0), execs);
          for (const { key, counts } of now) {
            const earlier = before.get(key)?.counts;
            if (earlier === undefined) continue;
            const isBack = counts.some(({ bytes }, i) => bytes < earlier[i]!.bytes);
            // A workload that ended meanwhile and came again is another one.
            assert(!isBack || !["ended", "unknown", "other"].includes(key), `${key} went back`);
          }
          before = new Map(now.map((row) => [row.key, row]));
          break;
        }
        default: {
          const place = random.below(TRAFFIC_CLASSES.length);
          const bytes = BigInt(random.below(5_000));
          kernel.transfer(at, TRAFFIC_CLASSES[place]!, bytes, 3n);
          truth[2 * place]! += bytes;
          truth[2 * place + 1]! += 3n;
        }
      }
    }
    assert.deepEqual(sums(rows()), truth);
  }
});
