/**
 * Traffic between two network namespaces: what the interfaces have counted, packets that get lost,
 * and protocols that are neither TCP nor UDP.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { SocketChanged } from "../../src/events/mod.ts";
import { isKernelSince } from "../../src/loader/mod.ts";
import { type DeviceCounts, deviceCounts, NetworkBench, words } from "../support/network_bench.ts";
import { kernelTest, skipLine } from "../support/require_kernel.ts";
import { TestCgroup, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

const SERVER = { 4: "10.9.0.2", 6: "fd09::2" } as const;
/** Bytes of Ethernet's header, which interfaces count and we do not. */
const ETHERNET = 14n;
/** A SYN-ACK of IPv6: before 6.10 the kernel runs no program for it. */
const SYN_ACK6_BYTES = 80n;

/** Words of two namespaces with a cable; the server's run in a child in another cgroup. */
interface Cable {
  readonly server: TestCgroup;
  readonly family: 4 | 6;
  /** From where a connection is accepted as 2, or there as 1. */
  readonly serverWords: string;
  readonly clientWords: string;
}

/** Runs a connection over a veth pair; undefined, and a line, when the kernel has no veth. */
async function runCable(test: string, client: TestCgroup, cable: Cable) {
  const { server, family, serverWords, clientWords } = cable;
  const probe = await client.run(program, words("netns veth va vb"));
  if (probe.code !== 0) return skipLine(test, "this kernel has no veth");
  const address = SERVER[family];
  const run = await client.run(
    program,
    words(`netns pair 8 9
      fork cgroup ${server.directory} netns send 9 1 recv 9 1 up vb ${SERVER[4]} ${SERVER[6]}
        address ${address} socket 0 ${family} tcp bind 0 7000 listen 0 send 9 1 accept 0 2
        ${serverWords} recv 9 1 device vb end
      recv 8 1 veth va vb up va 10.9.0.1 fd09::1 send 8 1 recv 8 1
      address ${address} socket 1 ${family} tcp connect 1 7000
      ${clientWords} device va send 8 1 wait`),
  );
  strictEqual(run.code, 0, run.output);
  return run;
}

/** Bytes of IP packets that an interface has counted. */
function layer3({ receivedBytes, received, sentBytes, sent }: DeviceCounts) {
  return { receive: receivedBytes - ETHERNET * received, transmit: sentBytes - ETHERNET * sent };
}

const INTERFACES = "network sensor counts what interfaces count less Ethernet, IPv4 and IPv6";
kernelTest({
  name: INTERFACES,
  async run() {
    using bench = NetworkBench.shared();
    for (const family of [4, 6] as const) await compareInterfaces(bench, family);
  },
});

async function compareInterfaces(bench: NetworkBench, family: 4 | 6): Promise<void> {
  using client = new TestCgroup(v2Hierarchy());
  using server = client.make("server");
  const run = await runCable(INTERFACES, client, {
    ...{ server, family },
    serverWords: "recv 2 300000 send 2 100000 eof 2 close 2",
    clientWords: "send 1 300000 recv 1 100000 shut 1 eof 1 close 1",
  });
  if (run === undefined) return;
  // A child prints when it ends, before its parent.
  const [ofServer, ofClient] = deviceCounts(run.output).map(layer3);
  ok(ofClient !== undefined && ofServer !== undefined, run.output);
  const bytes = (cgroup: TestCgroup, direction: "receive" | "transmit") =>
    bench.traffic(cgroup.id, { direction, family, protocol: "tcp" }).bytes;
  ok(ofClient.transmit > 300_000n && ofServer.transmit > 100_000n, run.output);
  strictEqual(bytes(client, "transmit"), ofClient.transmit);
  strictEqual(bytes(client, "receive"), ofClient.receive);
  strictEqual(bytes(server, "receive"), ofServer.receive);
  const unseen = ofServer.transmit - bytes(server, "transmit");
  ok(unseen === 0n || (family === 6 && unseen === SYN_ACK6_BYTES), `${unseen}`);
}

kernelTest({
  name: "network sensor counts a ping as other, IPv4 and IPv6",
  async run() {
    using bench = NetworkBench.shared();
    for (const family of [4, 6] as const) {
      using cgroup = new TestCgroup(v2Hierarchy());
      // A raw socket gets the request, too: lo brings it back.
      const { code } = await cgroup.run(
        program,
        words(`netns socket 0 ${family} raw ping 0 recv-any 0 recv-any 0`),
      );
      strictEqual(code, 0);
      const size = BigInt((family === 4 ? 20 : 40) + 64);
      const sent = { direction: "transmit", family, protocol: "other" } as const;
      const { bytes, packets } = bench.traffic(cgroup.id, sent);
      strictEqual(bytes, size * packets);
      // Before 5.18 the kernel answers by a socket of the namespace, in its maker's cgroup.
      ok(packets === 1n || (packets === 2n && !isKernelSince(Deno.osRelease(), [5, 18])));
      deepStrictEqual(bench.traffic(cgroup.id, { direction: "transmit" }), { bytes, packets });
      const received = bench.traffic(cgroup.id, { ...sent, direction: "receive" });
      strictEqual(received.packets, 2n);
      strictEqual(received.bytes, 2n * size);
    }
  },
});

const RETRANSMITS = "network sensor counts segments that were sent again";
kernelTest({
  name: RETRANSMITS,
  async run() {
    using bench = new NetworkBench({ flows: 4096, settings: { report_connections: true } });
    using client = new TestCgroup(v2Hierarchy());
    using server = client.make("server");
    const run = await runCable(RETRANSMITS, client, {
      ...{ server, family: 4 },
      // Without its address the server takes nothing: the first segment and what follows is lost.
      serverWords: `address4 vb 0.0.0.0 send 9 1 until-received vb 3 address4 vb ${SERVER[4]}
        recv 2 1000 eof 2 close 2`,
      clientWords: "recv 8 1 send 1 1000 shut 1 eof 1 retransmits 1 close 1",
    });
    if (run === undefined) return;
    const facts = await bench.cgroups.upTo((fact) =>
      fact.type === "process_exited" && fact.tgid === run.pid
    );
    const count = Number(/^retransmits (\d+)$/m.exec(run.output)?.[1]);
    ok(count >= 1, run.output);
    const close = facts.find((fact): fact is SocketChanged =>
      fact.type === "socket_changed" && fact.change === "close" && fact.tgid === run.pid &&
      fact.tuple.remote.port === 7000
    );
    strictEqual(close?.counts.retransmits, count);
    const rows = (await bench.kernel.drainFlows()).filter(({ trackingId }) =>
      trackingId === client.id
    );
    strictEqual(rows.reduce((sum, { counts }) => sum + counts.retransmits, 0), count);
  },
});
