/**
 * Flows: sums by process and peer, bounds, and nothing lost between two intervals.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { FlowRow } from "../../src/network/mod.ts";
import { OTHER_ROW } from "../../src/network/mod.ts";
import { NetworkBench, words } from "../support/network_bench.ts";
import { IS_GUEST, kernelTest } from "../support/require_kernel.ts";
import { TestCgroup, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

function totals(rows: readonly FlowRow[]): readonly bigint[] {
  const sums = [0n, 0n, 0n, 0n];
  for (const { counts } of rows) {
    const { bytesSent, bytesReceived, packetsSent, packetsReceived } = counts;
    [bytesSent, bytesReceived, packetsSent, packetsReceived]
      .forEach((value, i) => sums[i] = (sums[i] ?? 0n) + value);
  }
  return sums;
}

/** The same of the totals by workload. */
function trafficOf(bench: NetworkBench, id: bigint): readonly bigint[] {
  const [sent, received] = (["transmit", "receive"] as const)
    .map((direction) => bench.traffic(id, { direction }));
  ok(sent && received);
  return [sent.bytes, received.bytes, sent.packets, received.packets];
}

kernelTest({
  name: "network sensor gathers flows by process and peer, with begin and end",
  async run() {
    using bench = new NetworkBench({ flows: 4096 });
    using cgroup = new TestCgroup(v2Hierarchy());
    const { code, pid } = await cgroup.run(
      program,
      words(`netns socket 0 4 tcp bind 0 7000 listen 0 socket 1 4 tcp connect 1 7000 accept 0 2
        send 1 5000 recv 2 5000 send 2 300 recv 1 300 shut 1 eof 2 close 2 eof 1
        socket 3 6 udp bind 3 7001 socket 4 6 udp connect 4 7001 send 4 100 recv-any 3`),
    );
    strictEqual(code, 0);
    const rows = (await bench.kernel.drainFlows()).filter((row) => row.trackingId === cgroup.id);
    deepStrictEqual(totals(rows), trafficOf(bench, cgroup.id));
    for (const row of rows) {
      strictEqual(row.isOther, false);
      ok(row.firstNs > 0n && row.firstNs <= row.lastNs);
      deepStrictEqual([row.tgid, row.connections > 0], [pid, true]);
    }
    const client = rows.find(({ tuple }) => tuple?.remote.port === 7000);
    const server = rows.find(({ tuple }) => tuple?.local.port === 7000 && tuple.remote.port !== 0);
    ok(client && server);
    deepStrictEqual([client.isOutgoing, client.isStarted, client.isEnded], [true, true, true]);
    deepStrictEqual([server.isOutgoing, server.isStarted, server.isEnded], [false, true, true]);
    ok(client.counts.bytesSent > 5000n);
    // The listener's own packets, before there is a connection, are of the same flow.
    deepStrictEqual([client.connections, server.connections], [1, 1]);
    const datagram = rows.find(({ tuple }) => tuple?.remote.port === 7001);
    deepStrictEqual(datagram?.counts.bytesSent, 148n);
    deepStrictEqual([datagram.tuple?.protocol, datagram.tuple?.family], ["udp", 6]);
    strictEqual((await bench.kernel.drainFlows()).some((row) => row.tgid === pid), false);
  },
});

kernelTest({
  name: "network sensor folds the ports of clients when asked",
  async run() {
    using bench = new NetworkBench({ flows: 4096, settings: { fold_ports: true } });
    using cgroup = new TestCgroup(v2Hierarchy());
    const connections = 20;
    const one = "socket 1 4 tcp connect 1 7000 accept 0 2 send 1 9 recv 2 9 close 1 close 2 ";
    const { code } = await cgroup.run(
      program,
      words(`netns socket 0 4 tcp bind 0 7000 listen 0 ${one.repeat(connections)}`),
    );
    strictEqual(code, 0);
    const rows = (await bench.kernel.drainFlows()).filter((row) =>
      row.trackingId === cgroup.id && row.tuple?.remote.port === 7000
    );
    deepStrictEqual(rows.map((row) => [row.tuple?.local.port, row.connections]), [
      [0, connections],
    ]);
  },
});

kernelTest({
  name: "network sensor: what has no room goes to rows `other`, and no total is lost",
  async run() {
    using bench = new NetworkBench({ flows: 64, workloadFlows: 16 });
    using many = new TestCgroup(v2Hierarchy());
    const one = "socket 1 4 udp connect 1 7000 send 1 9 recv-any 0 close 1 ";
    const { code } = await many.run(
      program,
      words(`netns socket 0 4 udp bind 0 7000 ${one.repeat(100)}`),
    );
    strictEqual(code, 0);
    const rows = (await bench.kernel.drainFlows()).filter((row) => row.trackingId === many.id);
    strictEqual(rows.filter(({ isOther }) => !isOther).length, 16);
    strictEqual(rows.filter(({ isOther }) => isOther).length, 1);
    deepStrictEqual(totals(rows), trafficOf(bench, many.id));
    ok((bench.kernel.counts().get("flows_over") ?? 0n) > 0n);
    strictEqual(bench.kernel.counts().get("flows_lost"), 0n);
    // The bound is one of each interval.
    await many.run(program, words(`netns socket 0 4 udp bind 0 7000 ${one}`));
    const next = (await bench.kernel.drainFlows()).filter((row) => row.trackingId === many.id);
    strictEqual(next.filter(({ isOther }) => !isOther).length, 2);
  },
});

kernelTest({
  name: "network sensor loses nothing when intervals change under load",
  async run() {
    using bench = new NetworkBench({ flows: 4096 });
    using cgroup = new TestCgroup(v2Hierarchy());
    // Half a second of it here, where a grace period takes some hundredths.
    const size = IS_GUEST ? 60_000_000 : 300_000_000;
    let done = false;
    const run = cgroup.run(
      program,
      words(`netns mtu 1500 socket 0 4 tcp bind 0 7000 listen 0 socket 1 4 tcp connect 1 7000
        accept 0 2 fork send 1 ${size} end recv 2 ${size} wait`),
    ).finally(() => done = true);
    const rows: FlowRow[] = [];
    let intervals = 0;
    while (!done) {
      rows.push(...await bench.kernel.drainFlows());
      intervals++;
    }
    strictEqual((await run).code, 0);
    rows.push(...await bench.kernel.drainFlows());
    ok(intervals > 3, `${intervals} intervals`);
    const own = rows.filter((row) => row.trackingId === cgroup.id);
    deepStrictEqual(totals(own), trafficOf(bench, cgroup.id));
    ok(own.length > 4, `${own.length} rows`);
  },
});

kernelTest({
  name: "network sensor: workloads without a row are counted as `other`",
  async run() {
    using bench = new NetworkBench({ trafficEntries: 2 });
    using outer = new TestCgroup(v2Hierarchy());
    const send =
      "netns socket 0 4 udp bind 0 7000 socket 1 4 udp connect 1 7000 send 1 9 recv-any 0";
    const runs = 4;
    for (let i = 0; i < runs; i++) {
      using cgroup = outer.make(`w${i}`);
      strictEqual((await cgroup.run(program, words(send))).code, 0);
    }
    const rows = bench.kernel.readTraffic();
    ok(rows.length <= 2);
    const other = bench.traffic(OTHER_ROW, { direction: "transmit", protocol: "udp" });
    ok(other.bytes >= BigInt(runs - 1) * 37n, `${other.bytes}`);
    ok((bench.kernel.counts().get("traffic_full") ?? 0n) > 0n);
    strictEqual(bench.kernel.counts().get("traffic_lost"), 0n);
    ok(bench.kernel.takeTraffic(OTHER_ROW) !== undefined);
  },
});

kernelTest({
  name: "network sensor counts sockets that its hash has no room for (kernels before 5.12)",
  async run() {
    const settings = { use_socket_hash: true };
    using bench = new NetworkBench({ socketEntries: 1024, settings });
    using cgroup = new TestCgroup(v2Hierarchy());
    const one = "socket 1 4 udp connect 1 7000 send 1 9 recv-any 0 close 1 ";
    await cgroup.run(program, words(`netns socket 0 4 udp bind 0 7000 ${one.repeat(50)}`));
    const before = bench.kernel.counts();
    strictEqual(before.get("sockets_evicted"), 0n);
    ok((before.get("sockets_deleted") ?? 0n) >= 50n);
    const { code } = await cgroup.run(program, ["net", "netns", "many-sockets", "3000"]);
    strictEqual(code, 0);
    const { evicted } = { evicted: bench.kernel.counts().get("sockets_evicted") ?? 0n };
    ok(evicted >= 1900n && evicted <= 3000n, `${evicted}`);
    strictEqual(bench.traffic(cgroup.id, { direction: "transmit" }).packets, 50n);
  },
});
