/** What the agent counts is what interface, sockets and iperf3 have counted. */
import assert from "node:assert/strict";
import { v1Hierarchy, v2Hierarchy } from "../support/test_cgroup.ts";
import { startAgent, textOf } from "./agent_metrics.ts";
import type { EventJson } from "./event_json.ts";
import { receivedIn, sentIn, TestContainers, TopWatch } from "./network_workloads.ts";
import { programPath, TestNetwork } from "./test_network.ts";

const SIZE = 3_000_000;
const ANSWER = 1000;
/** IPv4 and TCP with all options. */
const HEADERS_MAX = 20 + 60;
const HEADERS_MIN = 20 + 20;

interface CloseJson extends EventJson {
  readonly process_close?: {
    readonly process?: { readonly pid: number };
    readonly socket: { readonly dport?: number; readonly sport?: number };
    readonly traffic: Readonly<Record<string, string | number>>;
  };
}

/** A line of `ss -tin`, as numbers by their names. */
function socketCounts(text: string): Map<string, number> {
  return new Map(
    Array.from(text.matchAll(/([a-z_]+):(\d+)\b/g), ([, name = "", value]) => [
      name,
      Number(value),
    ]),
  );
}

for (const offload of ["", "ip link set lo gso_max_segs 1"]) {
  const how = offload === "" ? "with" : "without";
  Deno.test(`metrics, top and close tell what lo counts, ${how} segmentation`, async () => {
    using containers = new TestContainers(v1Hierarchy("memory") ?? v2Hierarchy());
    const { options } = containers;
    const { shrike, url } = await startAgent(["--enable-connection-events"], options);
    await using agent = shrike;
    await using network = await TestNetwork.make(offload);
    await using top = await TopWatch.start(options);
    const [near, far] = [containers.make("1"), containers.make("2")];
    await using server = network.client(["serve", "127.0.0.1", 7000, SIZE, ANSWER], {
      cgroup: far.cgroup,
    });
    await server.line(/^listening$/);
    await using client = network.client(["send", "127.0.0.1", 7000, SIZE, ANSWER], {
      cgroup: near.cgroup,
    });
    await client.line(/^exchanged$/);
    const sockets = socketCounts(
      await network.run("ss", "-tinH", "state", "established", "dport", "=", ":7000"),
    );
    await client.finish();
    await server.finish();
    const [lo, counters] = [await network.loopback(), await network.counters()];
    const text = await textOf(`${url}/metrics`);
    const [nearIn, nearOut] = [receivedIn(text, near.name), sentIn(text, near.name)];
    const [farIn, farOut] = [receivedIn(text, far.name), sentIn(text, far.name)];
    assert.ok(lo.bytes > SIZE);
    assert.equal(lo.bytes, counters.get("IpExtInOctets"));
    const packets = nearIn.packets + farIn.packets;
    // Interfaces count a buffer of several segments with one header, the agent one for each.
    const [added, segments] = [nearIn.bytes + farIn.bytes - lo.bytes, packets - lo.packets];
    assert.ok(added >= segments * HEADERS_MIN && added <= segments * HEADERS_MAX, `${added}`);
    // What is sent again has a counter of its own.
    const again = counters.get("TcpRetransSegs")!;
    assert.equal(packets, counters.get("TcpOutSegs")! + again, `${again} sent again`);
    // Segments are counted, not buffers.
    if (offload === "") assert.ok(packets >= lo.packets, `${packets} ${lo.packets}`);
    else assert.equal(nearOut.bytes + farOut.bytes, lo.bytes);
    if (offload !== "") {
      assert.deepEqual([packets, packets], [lo.packets, counters.get("TcpInSegs")]);
    }
    assert.deepEqual([nearOut.packets, farOut.packets], [farIn.packets, nearIn.packets]);
    assert.equal(sockets.get("bytes_sent"), SIZE + (sockets.get("bytes_retrans") ?? 0));

    // The last byte and the end of the sending are two packets at most after `ss` looked.
    const later = nearOut.packets - sockets.get("segs_out")!;
    assert.ok(later >= 1 && later <= 3, `${later}`);
    const closed = await agent.waitFor(
      ({ process_close: close }: CloseJson) =>
        close?.process?.pid === client.pid && close.socket.dport === 7000,
      "the client's close",
    ) as CloseJson;
    const { traffic } = closed.process_close!;
    assert.deepEqual([Number(traffic["bytes_sent"]), Number(traffic["packets_sent"])], [
      nearOut.bytes,
      nearOut.packets,
    ]);
    assert.equal(Number(traffic["bytes_received"]), nearIn.bytes);
    assert.equal(Number(traffic["retransmits"] ?? 0), counters.get("TcpRetransSegs"));
    const shown = await top.until(near.name, (sum) => sum.bytesSent >= nearOut.bytes - 1);
    assert.deepEqual(
      [shown.bytesSent, shown.bytesReceived, shown.packetsSent].map(Math.round),
      [nearOut.bytes, nearIn.bytes, nearOut.packets],
    );
  });
}

const iperf3 = programPath("iperf3");

interface IperfEnd {
  readonly end: {
    readonly sum_sent: { readonly bytes: number; readonly retransmits?: number };
    readonly sum_received: { readonly bytes: number };
  };
}

for (const protocol of ["tcp", "udp"] as const) {
  Deno.test({
    name: `metrics hold all that iperf3 moves over ${protocol}`,
    ignore: iperf3 === undefined,
    async fn() {
      using containers = new TestContainers(v1Hierarchy("memory") ?? v2Hierarchy());
      const { shrike, url } = await startAgent([], containers.options);
      await using _ = shrike;
      await using network = await TestNetwork.make();
      const [near, far] = [containers.make("3"), containers.make("4")];
      const serve = ["--server", "--one-off", "--forceflush"];
      await using server = network.start(iperf3!, serve, { cgroup: far.cgroup });
      await server.line(/^Server listening/);
      const how = protocol === "udp" ? ["--udp", "--bitrate", "50M"] : ["--parallel", "2"];
      const ask = ["--client", "127.0.0.1", "--time", "1", "--json", ...how];
      await using client = network.start(iperf3!, ask, { cgroup: near.cgroup });
      const { end }: IperfEnd = JSON.parse(await client.finish());
      await server.finish();
      const { bytes: payload } = end.sum_sent;
      assert.ok(payload > 1e6, `${payload}`);
      const text = await textOf(`${url}/metrics`);
      const [sent, taken] = [
        sentIn(text, near.name, protocol),
        receivedIn(text, far.name, protocol),
      ];
      if (protocol === "udp") {
        // A word each way begins the stream; each datagram has 28 bytes of headers.
        const words = sent.bytes - payload - 28 * sent.packets;
        assert.ok(words >= 0 && words <= 64, `${words} of ${sent.bytes}`);
        assert.deepEqual(taken, sent, "loopback loses none before the socket");
        return;
      }
      // What iperf3 says to its other end first and last is some kilobytes.
      const resent = (end.sum_sent.retransmits ?? 0) * 65_536;
      for (const counted of [sent, taken]) {
        const most = payload + counted.packets * HEADERS_MAX + resent + 100_000;
        assert.ok(counted.bytes >= end.sum_received.bytes && counted.bytes <= most, `${most}`);
        assert.ok(counted.packets * (65_536 - HEADERS_MIN) >= payload, `${counted.packets}`);
      }
    },
  });
}
