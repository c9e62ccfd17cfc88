/**
 * Traffic by workload: what the programs count is what the interface has counted.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { deviceCounts, NetworkBench, words } from "../support/network_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { TestCgroup, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

const SIZE = 1_000_000;

kernelTest({
  name: "network sensor counts TCP to the byte, IPv4 and IPv6, with offload and without",
  async run() {
    using bench = NetworkBench.shared();
    for (const family of [4, 6] as const) {
      for (const offload of ["", "gso-off"]) await countConnection(bench, family, offload);
    }
  },
});

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
  strictEqual(received.bytes, bytes);
  const own = { direction: "receive", family, protocol: "tcp" } as const;
  deepStrictEqual(bench.traffic(cgroup.id, own), received, "one class only");
  if (offload) {
    strictEqual(received.packets, packets);
  } else {
    ok(received.packets > packets, "segments count, not buffers");
  }
  // TCP hands over buffers of many segments; where lo cuts them, each gets headers.
  // Before 6.10 the kernel runs no program for the SYN-ACK of IPv6.
  const unseen = received.packets - sent.packets;
  ok(unseen === 0n || (family === 6 && unseen === 1n), `${unseen}`);
  ok(sent.bytes <= bytes && sent.bytes > BigInt(SIZE), `${sent.bytes}`);
}
