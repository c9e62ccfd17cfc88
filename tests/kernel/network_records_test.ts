/**
 * Records of the network sensor: connections that come and go, and packets of DNS.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { DnsSeen, KernelFact, SocketChanged } from "../../src/events/mod.ts";
import type { SensorSettings } from "../../src/sensors/mod.ts";
import { NetworkLimit } from "../../src/wire/mod.ts";
import { single } from "../support/expect_event.ts";
import { NetworkBench, words } from "../support/network_bench.ts";
import { IS_GUEST, kernelTest } from "../support/require_kernel.ts";
import { TestCgroup, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();
const LOOPBACK = { 4: "127.0.0.1", 6: "::1" } as const;

/** Runs words in a network namespace of their own; what was told of it, in time order. */
async function recordOf(bench: NetworkBench, cgroup: TestCgroup, text: string) {
  const { pid, code, output } = await cgroup.run(program, words(`netns ${text}`));
  strictEqual(code, 0, output);
  const facts = await bench.cgroups.upTo((fact) =>
    fact.type === "process_exited" && fact.tgid === pid
  );
  const own = facts.filter((fact) => fact.cgroup.id === cgroup.id);
  return {
    pid,
    changes: own.filter((fact): fact is SocketChanged => fact.type === "socket_changed"),
    dns: own.filter((fact): fact is DnsSeen => fact.type === "dns_seen"),
    facts,
  };
}

function changesTo(facts: readonly SocketChanged[], change: SocketChanged["change"]) {
  return facts.filter((fact) => fact.change === change);
}

/** A test of both families with the same sensor: to load it takes longer than all the rest. */
function testFamilies({ name, settings, run }: {
  readonly name: string;
  readonly settings: SensorSettings;
  readonly run: (bench: NetworkBench, family: 4 | 6) => Promise<void>;
}): void {
  kernelTest({
    name,
    async run() {
      using bench = NetworkBench.shared({ settings });
      for (const family of [4, 6] as const) await run(bench, family);
    },
  });
}

testFamilies({
  name: "network sensor tells TCP connections from begin to end, IPv4 and IPv6",
  settings: { report_connections: true },
  async run(bench, family) {
    const address = LOOPBACK[family];
    using cgroup = new TestCgroup(v2Hierarchy());
    const { changes, pid } = await recordOf(
      bench,
      cgroup,
      `socket 0 ${family} tcp bind 0 7000 listen 0 socket 1 ${family} tcp connect 1 7000
       accept 0 2 send 1 5000 recv 2 5000 send 2 300 recv 1 300
       shut 1 eof 2 close 2 eof 1 close 1 close 0`,
    );
    for (const fact of changes) deepStrictEqual([fact.tgid, fact.namespaceTgid], [pid, pid]);
    const listen = single(changesTo(changes, "listen"), "listen");
    deepStrictEqual(listen.tuple.local, { address, port: 7000 });
    const connect = single(changesTo(changes, "connect"), "connect");
    deepStrictEqual(connect.tuple.remote, { address, port: 7000 });
    deepStrictEqual([connect.tuple.family, connect.tuple.protocol], [family, "tcp"]);
    ok(connect.tuple.local.port > 0 && connect.tuple.netNs > 0);
    ok(connect.openedNs > 0n && connect.openedNs < connect.timeNs);
    const accept = single(changesTo(changes, "accept"), "accept");
    deepStrictEqual(accept.tuple.remote, connect.tuple.local);
    deepStrictEqual(accept.tuple.local, connect.tuple.remote);
    const closes = changesTo(changes, "close");
    strictEqual(closes.length, 3);
    const [client, server] = [connect, accept].map((fact) =>
      single(closes.filter(({ cookie }) => cookie === fact.cookie), "close")
    );
    ok(client && server && client.cookie !== server.cookie);
    deepStrictEqual(client.tuple, connect.tuple);
    deepStrictEqual(server.tuple, accept.tuple);
    // Payload and headers; both sides have carried the same, but for what comes at the end.
    ok(client.counts.bytesSent > 5000n && client.counts.bytesSent < 7000n);
    ok(client.counts.bytesReceived > 300n && client.counts.bytesReceived < 3000n);
    ok(server.counts.bytesReceived > 5000n && server.counts.packetsReceived > 0n);
    deepStrictEqual([client.error, server.error], ["", ""]);
    const last = closes.find(({ cookie }) => cookie === listen.cookie);
    strictEqual(last?.state, "LISTEN");
  },
});

testFamilies({
  name: "network sensor tells why a connection came to nothing, IPv4 and IPv6",
  settings: { report_connections: true },
  async run(bench, family) {
    const address = LOOPBACK[family];
    using cgroup = new TestCgroup(v2Hierarchy());
    const { changes, pid } = await recordOf(
      bench,
      cgroup,
      `socket 0 ${family} tcp fail 0 7001`,
    );
    const failed = single(changes, "change");
    deepStrictEqual([failed.change, failed.error], ["connect_failed", "ECONNREFUSED"]);
    deepStrictEqual([failed.state, failed.tgid], ["SYN_SENT", pid]);
    deepStrictEqual(failed.tuple.remote, { address, port: 7001 });
    ok(failed.tuple.local.port > 0);
  },
});

testFamilies({
  name: "network sensor tells sockets of UDP, IPv4 and IPv6",
  settings: { report_connections: true },
  async run(bench, family) {
    const address = LOOPBACK[family];
    using cgroup = new TestCgroup(v2Hierarchy());
    const { changes } = await recordOf(
      bench,
      cgroup,
      `socket 0 ${family} udp bind 0 5353 socket 1 ${family} udp connect 1 5353
       send 1 100 recv 0 100 send 1 50 recv 0 50 close 1 close 0
       socket 2 ${family} udp bind 2 0 close 2`,
    );
    deepStrictEqual(changes.map(({ change }) => change), ["listen", "connect", "close", "close"]);
    const [listen, connect, client, server] = changes;
    ok(listen && connect && client && server);
    deepStrictEqual(listen.tuple.local, { address, port: 5353 });
    deepStrictEqual(connect.tuple.remote, { address, port: 5353 });
    strictEqual(connect.tuple.protocol, "udp");
    strictEqual(client.cookie, connect.cookie);
    const header = family === 4 ? 28n : 48n;
    deepStrictEqual(
      [client.counts.bytesSent, client.counts.packetsSent, server.counts.bytesReceived],
      [150n + 2n * header, 2n, 150n + 2n * header],
    );
    deepStrictEqual([client.state, client.counts.bytesReceived], ["", 0n]);
  },
});

testFamilies({
  name: "network sensor ends what went to each peer of a UDP socket, IPv4 and IPv6",
  settings: { report_connections: true },
  async run(bench, family) {
    using cgroup = new TestCgroup(v2Hierarchy());
    const { changes } = await recordOf(
      bench,
      cgroup,
      `socket 0 ${family} udp socket 1 ${family} udp bind 1 7001 socket 2 ${family} udp bind 2 7002
       connect 0 7001 send 0 1 recv 1 1 connect 0 7002 send 0 2 send 0 3 recv-any 2 recv-any 2
       disconnect 0 sendto 0 7001 4 recv 1 4 connect 0 7001 send 0 5 recv 1 5 disconnect 0 close 0`,
    );
    const header = family === 4 ? 28n : 48n;
    const cookie = changesTo(changes, "connect")[0]?.cookie;
    const own = changes.filter((fact) => fact.cookie === cookie);
    deepStrictEqual(
      own.map(({ change, tuple, counts }) => [change, tuple.remote.port, counts.bytesSent]),
      [
        // The datagram that shows the connection is counted before it is told.
        ["connect", 7001, 1n + header],
        ["close", 7001, 1n + header],
        ["connect", 7002, 2n + header],
        ["close", 7002, 5n + 2n * header],
        ["close", 0, 4n + header],
        ["connect", 7001, 5n + header],
        ["close", 7001, 5n + header],
      ],
    );
    for (const { change, tuple } of own) {
      if (change === "close" && tuple.remote.port) {
        strictEqual(tuple.remote.address, LOOPBACK[family]);
      }
    }
  },
});

testFamilies({
  name: "network sensor tells each connection of a TCP socket that connects again, IPv4 and IPv6",
  settings: { report_connections: true },
  async run(bench, family) {
    using cgroup = new TestCgroup(v2Hierarchy());
    const { changes } = await recordOf(
      bench,
      cgroup,
      `socket 0 ${family} tcp bind 0 7000 listen 0 socket 1 ${family} tcp connect 1 7000
       accept 0 2 send 1 100 recv 2 100 disconnect 1 close 2
       connect 1 7000 accept 0 2 send 1 3000 recv 2 3000 shut 1 eof 2 close 2 eof 1
       close 1 close 0`,
    );
    const client = changesTo(changes, "connect")[0]?.cookie;
    const own = changes.filter(({ cookie }) => cookie === client);
    deepStrictEqual(own.map(({ change }) => change), ["connect", "close", "connect", "close"]);
    const [first, second] = changesTo(own, "close");
    ok(first!.counts.bytesSent > 100n && first!.counts.bytesSent < 1000n);
    ok(second!.counts.bytesSent > 3000n && second!.counts.bytesSent < 4000n);
    ok(second!.openedNs > first!.timeNs - 1n, "it began anew");
    for (const { tuple } of own) {
      deepStrictEqual(tuple.remote, { address: LOOPBACK[family], port: 7000 });
    }
  },
});

testFamilies({
  name: "network sensor counts the packets of a handshake for the accepted socket, IPv4 and IPv6",
  settings: { report_connections: true },
  async run(bench, family) {
    using cgroup = new TestCgroup(v2Hierarchy());
    const { changes } = await recordOf(
      bench,
      cgroup,
      `socket 0 ${family} tcp bind 0 7000 listen 0 socket 1 ${family} tcp connect 1 7000
       accept 0 2 send 1 100 recv 2 100 shut 1 eof 2 close 2 eof 1 close 1 close 0`,
    );
    const closes = changesTo(changes, "close");
    const listener = single(closes.filter(({ state }) => state === "LISTEN"), "listener");
    const cookieOf = (change: SocketChanged["change"]) =>
      single(changesTo(changes, change), change).cookie;
    const countsOf = (cookie: bigint) =>
      single(closes.filter((fact) => fact.cookie === cookie), "close").counts;
    const [client, server] = [countsOf(cookieOf("connect")), countsOf(cookieOf("accept"))];
    deepStrictEqual([listener.counts.packetsReceived, listener.counts.packetsSent], [0n, 0n]);
    // Its SYN and the acknowledgment; the client's last one may find no socket any more.
    const missed = client.packetsSent - server.packetsReceived;
    const unseen = client.packetsReceived - server.packetsSent;
    // In guests with 5.10 and 6.12 what the listener saw does not reach the accepted socket.
    const handshake = IS_GUEST ? 1n : 0n;
    ok(missed >= 0n && missed <= 1n + handshake, `${missed}`);
    // Before 6.10 the kernel runs no program for the SYN-ACK of IPv6.
    ok(unseen === 0n || (unseen === 1n && (IS_GUEST || family === 6)), `${unseen}`);
  },
});

testFamilies({
  name:
    "network sensor counts and tells datagrams of one call as they go over the wire, IPv4 and IPv6",
  settings: { report_connections: true, report_dns: true },
  async run(bench, family) {
    using cgroup = new TestCgroup(v2Hierarchy());
    const { changes, dns } = await recordOf(
      bench,
      cgroup,
      `socket 0 ${family} udp bind 0 53 socket 1 ${family} udp connect 1 53
       segments 1 250 100 recv-any 0 recv-any 0 recv-any 0 close 1 close 0`,
    );
    const sent = dns.filter(({ isOutgoing }) => isOutgoing);
    deepStrictEqual(sent.map(({ size, segmentSize }) => [size, segmentSize]), [[250, 100]]);
    const header = family === 4 ? 28n : 48n;
    const client = changesTo(changes, "close").find(({ tuple }) => tuple.remote.port === 53);
    deepStrictEqual(
      [client?.counts.packetsSent, client?.counts.bytesSent],
      [3n, 250n + 3n * header],
    );
    strictEqual(bench.traffic(cgroup.id, { direction: "transmit" }).bytes, 250n + 3n * header);
  },
});

testFamilies({
  name: "network sensor hands over packets of DNS, IPv4 and IPv6",
  settings: { report_dns: true, dns_ports: "53,5353" },
  async run(bench, family) {
    const address = LOOPBACK[family];
    using cgroup = new TestCgroup(v2Hierarchy());
    const { dns, pid } = await recordOf(
      bench,
      cgroup,
      `socket 0 ${family} udp bind 0 53 socket 1 ${family} udp connect 1 53
       text 1 0102030405 recv-any 0
       socket 2 ${family} udp bind 2 7777 socket 3 ${family} udp connect 3 7777
       text 3 ffff recv-any 2
       socket 4 ${family} tcp bind 4 5353 listen 4 socket 5 ${family} tcp connect 5 5353
       accept 4 6 text 5 00 recv-any 6 text 5 03aabbcc recv-any 6 text 6 0001dd recv-any 5
       shut 5 eof 6 close 6 eof 5`,
    );
    const udp = dns.filter(({ tuple }) => tuple.protocol === "udp");
    deepStrictEqual(udp.map((fact) => [fact.isOutgoing, [...fact.payload], fact.size]), [
      [true, [1, 2, 3, 4, 5], 5],
      [false, [1, 2, 3, 4, 5], 5],
    ]);
    deepStrictEqual(udp[0]?.tuple.remote, { address, port: 53 });
    deepStrictEqual(udp[1]?.tuple.local, { address, port: 53 });
    for (const fact of dns) strictEqual(fact.tgid, pid);
    const tcp = dns.filter(({ tuple, isOutgoing }) =>
      tuple.protocol === "tcp" && tuple.remote.port === 5353 && isOutgoing
    );
    const [start, first, second, end] = tcp;
    ok(start && first && second && end && tcp.length === 4, `${tcp.length}`);
    deepStrictEqual([start.isStart, start.payload.length, end.isEnd], [true, 0, true]);
    deepStrictEqual([[...first.payload], [...second.payload]], [[0], [3, 0xaa, 0xbb, 0xcc]]);
    strictEqual(first.sequence, start.sequence);
    strictEqual(end.sequence, (first.sequence + 5) >>> 0);
    // The SYN was the listener's; the first bytes of either direction say that they are.
    const served = dns.filter(({ tuple, payload }) =>
      tuple.protocol === "tcp" && tuple.local.port === 5353 && payload.length > 0
    );
    deepStrictEqual(served.map((fact) => [fact.isOutgoing, fact.isStart, [...fact.payload]]), [
      [false, true, [0]],
      [false, false, [3, 0xaa, 0xbb, 0xcc]],
      [true, true, [0, 1, 0xdd]],
    ]);
  },
});

kernelTest({
  name: "network sensor cuts packets of DNS that are too long, and counts them",
  async run() {
    using bench = NetworkBench.shared({ settings: { report_dns: true } });
    using cgroup = new TestCgroup(v2Hierarchy());
    const { dns } = await recordOf(
      bench,
      cgroup,
      "socket 0 4 udp bind 0 53 socket 1 4 udp connect 1 53 send 1 30000 recv-any 0",
    );
    strictEqual(dns.length, 2);
    for (const fact of dns) {
      strictEqual(fact.size, 30000);
      strictEqual(fact.payload.length, NetworkLimit.NETWORK_DNS_PACKET_SIZE_MAX - 28);
    }
    strictEqual(bench.kernel.counts().get("dns_cut"), 2n);
  },
});

kernelTest({
  name: "network sensor tells nothing of sockets and DNS unless asked",
  async run() {
    using bench = NetworkBench.shared();
    using cgroup = new TestCgroup(v2Hierarchy());
    const { facts } = await recordOf(
      bench,
      cgroup,
      "socket 0 4 udp bind 0 53 socket 1 4 udp connect 1 53 send 1 10 recv-any 0",
    );
    const told = (fact: KernelFact) => fact.type === "socket_changed" || fact.type === "dns_seen";
    strictEqual(facts.filter(told).length, 0);
    strictEqual(bench.traffic(cgroup.id, { protocol: "udp" }).packets, 2n);
  },
});
