/**
 * Traffic by workload: what the programs count is what the interface has counted.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { NETWORK_TRAFFIC_SIZE, NetworkLimit } from "../../src/wire/mod.ts";
import { deviceCounts, NetworkBench, sumOf, words } from "../support/network_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { TestCgroup, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

const SIZE = 1_000_000;
/** 9 bytes with their headers of IPv4 and UDP. */
const DATAGRAM_SIZE = 37n;
/** Place of the class in a row. */
const SENT_UDP4 = 7;

kernelTest({
  name: "network sensor counts TCP to the byte, IPv4 and IPv6, with offload and without",
  async run() {
    using bench = NetworkBench.shared();
    for (const family of [4, 6] as const) {
      for (const offload of ["", "gso-off"]) await countConnection(bench, family, offload);
    }
  },
});

kernelTest({
  name: "network sensor counts in a workload's slot, in its row without one, and both are its own",
  async run() {
    using bench = NetworkBench.shared();
    using cgroup = new TestCgroup(v2Hierarchy());
    const datagrams = async () => {
      const exchange = "send 1 9 recv-any 0 send 1 9 recv-any 0 send 1 9 recv-any 0";
      const sockets = "netns socket 0 4 udp bind 0 7000 socket 1 4 udp connect 1 7000";
      const { code, output } = await cgroup.run(program, words(`${sockets} ${exchange}`));
      strictEqual(code, 0, output);
    };
    const sent = { direction: "transmit" } as const;
    const hashed = () => bench.kernel.counts().get("sockets_entered");
    const hashedBefore = hashed();
    bench.kernel.giveSlot(cgroup.id);
    await datagrams();
    strictEqual(bench.traffic(cgroup.id, sent).bytes, 3n * DATAGRAM_SIZE);
    // A socket's first packet is looked at closely; each is where sockets get no storage.
    const inRow = hashed() === hashedBefore ? 1n : 3n;
    const rowOf = () =>
      bench.recorder.sensors.sensorMap("network", "traffic")
        ?.lookup(new Uint8Array(new BigUint64Array([cgroup.id]).buffer)) ?? null;
    strictEqual(sentOf(rowOf()), inRow * DATAGRAM_SIZE);
    const taken = bench.kernel.takeTraffic(cgroup.id);
    strictEqual(sumOf(taken?.counts ?? [], sent).bytes, 3n * DATAGRAM_SIZE);
    strictEqual(rowOf(), null);
    // Its slot has a rest.
    await datagrams();
    strictEqual(sentOf(rowOf()), 3n * DATAGRAM_SIZE);
    strictEqual(bench.traffic(cgroup.id, sent).bytes, 3n * DATAGRAM_SIZE);
  },
});

/** Bytes of UDP that were sent over IPv4, by a row of `traffic`. */
function sentOf(row: Uint8Array<ArrayBuffer> | null): bigint {
  const words = new BigUint64Array(row?.buffer ?? new ArrayBuffer());
  let bytes = 0n;
  for (let at = 0; at < words.length; at += NETWORK_TRAFFIC_SIZE / 8) {
    bytes += words[at + SENT_UDP4 * NetworkLimit.NETWORK_SUMS]!;
  }
  return bytes;
}

/** What a connection carries, by the sensor and by the interface. */
async function countConnection(bench: NetworkBench, family: 4 | 6, offload: string) {
  using cgroup = new TestCgroup(v2Hierarchy());
  const result = await cgroup.run(
    program,
    words(`netns mtu 1500 ${offload} lo socket 0 ${family} tcp bind 0 7000 listen 0
      socket 1 ${family} tcp connect 1 7000 accept 0 2
      fork send 1 ${SIZE} end recv 2 ${SIZE} wait
      send 2 100 recv 1 100 shut 1 eof 2 close 2 eof 1 lo`),
  );
  strictEqual(result.code, 0, result.output);
  const [before, after] = deviceCounts(result.output);
  ok(before !== undefined && after !== undefined);
  const packets = after.received - before.received;
  const bytes = after.receivedBytes - before.receivedBytes;
  ok(bytes > BigInt(SIZE), `${bytes}`);
  const received = bench.traffic(cgroup.id, { direction: "receive" });
  const sent = bench.traffic(cgroup.id, { direction: "transmit" });
  // lo counts buffers of many segments with headers once; on the wire, each segment has its own.
  const headers = (received.packets - packets) * (family === 4 ? 52n : 72n);
  strictEqual(received.bytes, bytes + headers);
  const own = { direction: "receive", family, protocol: "tcp" } as const;
  deepStrictEqual(bench.traffic(cgroup.id, own), received, "one class only");
  if (offload) {
    strictEqual(received.packets, packets);
  } else {
    ok(received.packets > packets, "segments count, not buffers");
  }
  // Before 6.10 the kernel runs no program for the SYN-ACK of IPv6.
  const unseen = received.packets - sent.packets;
  ok(unseen === 0n || (family === 6 && unseen === 1n), `${unseen}`);
  const unseenBytes = received.bytes - sent.bytes;
  ok(unseen === 0n ? unseenBytes === 0n : unseenBytes <= 80n, `${unseenBytes}`);
}
