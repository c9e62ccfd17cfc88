import assert from "node:assert/strict";
import {
  HOST_NAMESPACES,
  SAMPLE_WORKLOAD,
  sampleProcess,
  toReference,
} from "../../tests/support/sample_events.ts";
import {
  sampleCounts,
  sampleDnsEvent,
  sampleFlow,
  sampleOtherFlow,
  sampleSocketEvent,
  sampleTuple,
} from "../../tests/support/sample_network_events.ts";
import type { AgentEvent, TaggedEndpoint, Workload } from "../events/mod.ts";
import { amountText } from "./amount_text.ts";
import { CompactEncoder } from "./compact_encoder.ts";
import { JsonEncoder } from "./json_encoder.ts";
import { TableEncoder } from "./table_encoder.ts";

const PLAIN = { hostNamespaces: HOST_NAMESPACES };
const NOWHERE: TaggedEndpoint = { address: "", port: 0, addressClass: "unspecified" };
const WEB: Workload = {
  ...{ kind: "container", name: "web", id: "0123456789abcdef", source: "runtime" },
  container: { runtime: "docker", id: "0123456789abcdef", name: "web" },
};

// deno-lint-ignore no-explicit-any
function encode(event: AgentEvent): any {
  const options = { ...PLAIN, nodeName: "n", enableProcessCred: false, enableProcessNs: false };
  return JSON.parse(new JsonEncoder(options).encode(event))[event.type];
}

function compact(event: AgentEvent): string {
  const line = new CompactEncoder({ ...PLAIN, colour: false, utc: true }).encode(event);
  return line.slice("00:00:00.000 ".length).replace(/ {2,}/g, " ").trimEnd();
}

Deno.test("JsonEncoder.encode() gives a socket Tetragon's names and ours", () => {
  const { process, ...body } = encode(sampleSocketEvent({
    ...{ durationNs: 12_000_000n, state: "SYN_SENT" },
    socket: sampleTuple({
      translated: { address: "10.244.1.7", port: 8443, addressClass: "private" },
    }),
  }));
  assert.equal(process.pid, 4242);
  assert.deepEqual(body, {
    socket: {
      ...{ family: "AF_INET", protocol: "IPPROTO_TCP", saddr: "10.0.0.1", daddr: "93.184.216.34" },
      ...{ sport: 4000, dport: 443, cookie: "9", state: "TCP_SYN_SENT", net_ns: 4026531840 },
      ...{ saddr_class: "same_host", daddr_class: "public", names: ["example.org"] },
      translated: { addr: "10.244.1.7", port: 8443, class: "private" },
    },
    duration_ns: "12000000",
    cpu: 1,
  });
});

Deno.test("JsonEncoder.encode() says why a connection failed and what a closed one carried", () => {
  const failed = encode(sampleSocketEvent({ isFailed: true, error: "ECONNREFUSED" }));
  assert.deepEqual([failed.failed, failed.error], [true, "ECONNREFUSED"]);
  const closed = encode(sampleSocketEvent({
    ...{ type: "process_close", counts: sampleCounts({ retransmits: 2 }), state: "LAST_ACK" },
  }));
  assert.deepEqual(closed.traffic, {
    ...{ bytes_sent: "1300", bytes_received: "35400" },
    ...{ packets_sent: "12", packets_received: "30", retransmits: 2 },
  });
  assert.equal(closed.socket.state, "TCP_LAST_ACK");
  assert.equal("failed" in closed, false);
});

Deno.test("JsonEncoder.encode() leaves out the ends that a socket does not have", () => {
  const socket = sampleTuple({ ...{ remote: NOWHERE, netNs: 0, family: 6, protocol: "132" } });
  const event = sampleSocketEvent({ type: "process_listen", cookie: 0n, socket });
  assert.deepEqual(encode(event).socket, {
    ...{ family: "AF_INET6", protocol: "132", saddr: "10.0.0.1", sport: 4000 },
    saddr_class: "same_host",
  });
});

Deno.test("JsonEncoder.encode() shows a message of DNS", () => {
  const { dns, socket } = encode(sampleDnsEvent({ isTruncated: true, repeats: 3 }));
  assert.deepEqual(dns, {
    ...{ id: 4711, role: "client", response: true, rcode: "NOERROR", truncated: true },
    questions: [{ name: "example.org", type: "A" }],
    answers: [{ name: "example.org", type: "A", ttl: 300, data: "93.184.216.34" }],
    ...{ duration_ns: "1234567", repeats: 3 },
  });
  assert.equal(socket.dport, 53);
});

Deno.test("JsonEncoder.encode() shows a flow with its workload, also without process", () => {
  const flow = encode(sampleFlow({ workload: WEB, isStarted: true, connections: 3 }));
  const { process, socket, workload, ...body } = flow;
  assert.deepEqual([process.pid, process.workload.kind], [4242, "host"]);
  assert.deepEqual([socket.dport, workload.name, workload.container.id], [
    443,
    "web",
    "0123456789abcdef",
  ]);
  assert.deepEqual(body, {
    docker: "0123456789abcdef",
    ...{ outgoing: true, started: true, connections: 3 },
    traffic: {
      ...{ bytes_sent: "1300", bytes_received: "35400" },
      ...{ packets_sent: "12", packets_received: "30" },
    },
    interval_ns: "15000000000",
    first_time: "2026-01-31T23:59:50.000000001Z",
    last_time: "2026-01-31T23:59:58.000000001Z",
  });
  const other = encode(sampleOtherFlow());
  assert.deepEqual([other.other, "process" in other, "socket" in other, "outgoing" in other], [
    ...[true, false, false, false],
  ]);
});

Deno.test("CompactEncoder.encode() says what sockets do", () => {
  const inWeb = sampleProcess({ workload: WEB });
  const start = "4242 0 /usr/bin/ls";
  const cases: [AgentEvent, string][] = [
    [
      sampleSocketEvent({ durationNs: 12_000_000n }, inWeb),
      `conn ${start} -> 93.184.216.34:443 (example.org) tcp after 12.0 ms in container web`,
    ],
    [
      sampleSocketEvent({ isFailed: true, error: "ECONNREFUSED" }),
      `con! ${start} -> 93.184.216.34:443 (example.org) tcp FAILED ECONNREFUSED`,
    ],
    [
      sampleSocketEvent({ type: "process_accept", marks: ["late"] }),
      `acpt ${start} 10.0.0.1:4000 <- 93.184.216.34:443 (example.org) tcp (late)`,
    ],
    [
      sampleSocketEvent({ type: "process_listen", socket: sampleTuple({ remote: NOWHERE }) }),
      `lstn ${start} on 10.0.0.1:4000 tcp`,
    ],
    [
      sampleSocketEvent({
        ...{ type: "process_close", counts: sampleCounts(), durationNs: 1_200_000_000n },
        error: "ECONNRESET",
      }),
      `clos ${start} 10.0.0.1:4000 <> 93.184.216.34:443 (example.org) tcp ` +
      "sent 1.2 KiB received 34.5 KiB after 1.2 s ECONNRESET",
    ],
    [
      sampleSocketEvent({
        ...{ type: "process_close", socket: sampleTuple({ remote: NOWHERE }) },
        counts: sampleCounts({ packetsSent: 0n, packetsReceived: 0n }),
      }),
      `clos ${start} on 10.0.0.1:4000 tcp`,
    ],
    [
      sampleSocketEvent({
        ...{ type: "process_close", counts: sampleCounts() },
        socket: sampleTuple({ protocol: "udp", remote: { ...NOWHERE, address: "0.0.0.0" } }),
      }, sampleProcess({ tgid: 0, unknown: true })),
      "clos - - - on 10.0.0.1:4000 udp sent 1.2 KiB received 34.5 KiB",
    ],
  ];
  for (const [event, line] of cases) assert.equal(compact(event), line);
});

Deno.test("CompactEncoder.encode() says what was asked of DNS, and a flow", () => {
  const start = "4242 0 /usr/bin/ls";
  const cases: [AgentEvent, string][] = [
    [
      sampleDnsEvent(),
      `dns ${start} A example.org = 93.184.216.34 @10.0.0.2:53 after 1.2 ms`,
    ],
    [
      sampleDnsEvent({ responseCode: "NXDOMAIN", answers: [], repeats: 3, isTruncated: true }),
      `dns ${start} A example.org NXDOMAIN cut @10.0.0.2:53 after 1.2 ms (3 more times)`,
    ],
    [
      sampleFlow({ workload: WEB, connections: 3 }),
      `flow ${start} -> 93.184.216.34:443 (example.org) tcp ` +
      "sent 1.2 KiB received 34.5 KiB within 15.0 s, 3 connections in container web",
    ],
    [
      sampleFlow({ isOutgoing: false, counts: sampleCounts({ retransmits: 2 }) }),
      `flow ${start} 10.0.0.1:4000 <- 93.184.216.34:443 (example.org) tcp ` +
      "sent 1.2 KiB received 34.5 KiB (2 sent again) within 15.0 s",
    ],
    [
      sampleOtherFlow({ workload: WEB }),
      "flow - - - all other peers sent 1.2 KiB received 34.5 KiB within 15.0 s in container web",
    ],
  ];
  for (const [event, line] of cases) assert.equal(compact(event), line);
  const { durationNs: _, ...query } = sampleDnsEvent({ isResponse: false, answers: [] });
  assert.equal(compact(query), `dns ${start} ? A example.org @10.0.0.2:53`);
  const many = Array.from({ length: 9 }, (_, i) => ({ name: `n${i}`, type: "A" }));
  assert.match(compact({ ...query, questions: many }), /\? A n0, A n1, A n2, A n3 and 5 more @/);
});

Deno.test("CompactEncoder.encode() writes ends of both families, and where they really are", () => {
  const local = { ...NOWHERE, port: 80 };
  const remote = { address: "::1", port: 0, addressClass: "loopback" } as const;
  const translated = { address: "fd00::7", port: 8443, addressClass: "private" } as const;
  const socket = sampleTuple({ family: 6, protocol: "132", local, remote, translated });
  const line = compact(sampleSocketEvent({ type: "process_accept", socket }));
  assert.match(line, /ls :80 <- \[::1\] at \[fd00::7\]:8443 protocol 132$/);
});

Deno.test("CompactEncoder.encode() escapes what DNS says", () => {
  const nasty = "a\x1b[2J\u202eb";
  const lines = [
    compact(sampleDnsEvent({ questions: [{ name: nasty, type: nasty }], responseCode: nasty })),
    compact(sampleDnsEvent({ answers: [{ name: "", type: "TXT", ttl: 1, data: nasty }] })),
    compact(sampleSocketEvent({
      socket: sampleTuple({
        remote: { address: nasty, port: 1, addressClass: "public", names: [nasty] },
      }),
    })),
    compact(sampleSocketEvent({ isFailed: true, error: nasty })),
  ];
  for (const line of lines) {
    assert.match(line, /a\\x1b\[2J\\u\{202e\}b/);
    assert.match(line, /^[ -~]*$/);
  }
});

Deno.test("TableEncoder.encode() has rows for the network", () => {
  const encoder = new TableEncoder({ ...PLAIN, columns: 200, utc: true });
  const row = (event: AgentEvent) => encoder.encode(event).trimEnd().split(/ {2,}/);
  const parent = toReference(sampleProcess({ tgid: 1 }));
  const connect = encoder.encode(sampleSocketEvent({ parent }));
  assert.match(
    connect,
    /^23:59:59\.000 conn +4242 +1 0 +\/usr\/bin\/ls .*-> 93\.184\.216\.34:443 /,
  );
  const flow = encoder.encode(sampleOtherFlow({ workload: WEB }));
  assert.match(flow, /^23:59:59\.000 flow +- +- - +- +web +all other peers sent 1\.2 KiB/);
  assert.equal(row(sampleFlow({ workload: SAMPLE_WORKLOAD })).at(-2), "-");
});

Deno.test("amountText() rounds down to a unit", () => {
  assert.equal(amountText(0n), "0 B");
  assert.equal(amountText(1023), "1023 B");
  assert.equal(amountText(1024n ** 2n - 1n), "1023.9 KiB");
  assert.equal(amountText(2n ** 64n - 1n), "16.0 EiB");
});
