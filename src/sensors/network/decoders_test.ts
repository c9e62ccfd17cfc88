import assert from "node:assert/strict";
import {
  NETWORK_DNS_RECORD_SIZE,
  NETWORK_SOCKET_RECORD_SIZE,
  NetworkChange,
  NetworkDnsFlag,
  NetworkDnsRecordOffset as Dns,
  NetworkRecordKind,
  NetworkSocketRecordOffset as Socket,
  NetworkTupleOffset as Tuple,
  RecordHeaderOffset as Header,
  RecordView,
} from "../../wire/mod.ts";
import { DnsDecoder } from "./decode_dns.ts";
import { SocketDecoder } from "./decode_socket.ts";
import { networkSensor } from "./sensor.ts";

/** A record behind some bytes of another one, as in a ring. */
const AT = 8;

interface Made {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly record: RecordView;
}

function make(kind: number, size: number): Made {
  const bytes = new Uint8Array(AT + size);
  const view = new DataView(bytes.buffer);
  view.setUint32(AT + Header.size, size, true);
  view.setUint16(AT + Header.kind, kind, true);
  view.setBigUint64(AT + Header.timeNs, 77n, true);
  view.setBigUint64(AT + Header.leaderStartNs, 5n, true);
  view.setUint32(AT + Header.cpu, 1, true);
  view.setUint32(AT + Header.tgid, 40, true);
  view.setUint32(AT + Header.tid, 41, true);
  view.setUint32(AT + Header.namespaceTgid, 4, true);
  view.setBigUint64(AT + Header.cgroupId, 9n, true);
  view.setBigUint64(AT + Header.trackingId, 8n, true);
  const record = new RecordView();
  record.set(bytes, view, AT, size);
  return { view, bytes, record };
}

const BASE = {
  ...{ timeNs: 77n, leaderStartNs: 5n, cpu: 1, tgid: 40, tid: 41, namespaceTgid: 4 },
  cgroup: { id: 9n, trackingId: 8n, level: 0, hierarchy: 0 },
};

function writeTuple({ view, bytes }: Made, at: number, family: number, protocol: number): void {
  view.setUint8(at + Tuple.family, family);
  view.setUint8(at + Tuple.protocol, protocol);
  bytes.set(family === 4 ? [10, 0, 0, 1] : [0xfd, ...Array(14).fill(0), 1], at);
  bytes.set(family === 4 ? [10, 0, 0, 2] : [0xfd, ...Array(14).fill(0), 2], at + 16);
  view.setUint32(at + Tuple.netNs, 4026531840, true);
  view.setUint16(at + Tuple.localPort, 40000, true);
  view.setUint16(at + Tuple.remotePort, 53, true);
}

function socketRecord(change: number, state: number, error: number, family = 4): Made {
  const made = make(NetworkRecordKind.NETWORK_SOCKET_RECORD, NETWORK_SOCKET_RECORD_SIZE);
  const { view } = made;
  view.setBigUint64(AT + Socket.cookie, 0xfeedn, true);
  view.setBigUint64(AT + Socket.openedNs, 70n, true);
  [11n, 12n].forEach((value, i) => view.setBigUint64(AT + Socket.bytes + 8 * i, value, true));
  [1n, 2n].forEach((value, i) => view.setBigUint64(AT + Socket.packets + 8 * i, value, true));
  view.setUint32(AT + Socket.retransmits, 3, true);
  view.setUint32(AT + Socket.error, error, true);
  view.setUint16(AT + Socket.change, change, true);
  view.setUint16(AT + Socket.state, state, true);
  writeTuple(made, AT + Socket.tuple, family, 6);
  return made;
}

Deno.test("SocketDecoder reads who, what, between whom and how much", () => {
  const { record } = socketRecord(NetworkChange.NETWORK_CLOSE, 1, 104);
  assert.deepEqual(new SocketDecoder().decode(record), {
    ...BASE,
    type: "socket_changed",
    change: "close",
    cookie: 0xfeedn,
    openedNs: 70n,
    tuple: {
      ...{ family: 4, protocol: "tcp", netNs: 4026531840 },
      local: { address: "10.0.0.1", port: 40000 },
      remote: { address: "10.0.0.2", port: 53 },
    },
    counts: {
      ...{ bytesSent: 11n, bytesReceived: 12n, packetsSent: 1n, packetsReceived: 2n },
      retransmits: 3,
    },
    state: "ESTABLISHED",
    error: "ECONNRESET",
  });
});

Deno.test("SocketDecoder reads IPv6, unknown states and errors as numbers, and none as text", () => {
  const decode = (state: number, error: number) =>
    new SocketDecoder().decode(
      socketRecord(NetworkChange.NETWORK_CONNECT_FAILED, state, error, 6).record,
    );
  assert.deepEqual(decode(2, 111).tuple.remote, { address: "fd00::2", port: 53 });
  assert.deepEqual([decode(0, 0).state, decode(0, 0).error], ["", ""]);
  assert.deepEqual([decode(77, 4000).state, decode(77, 4000).error], ["77", "4000"]);
});

Deno.test("SocketDecoder throws for what no program writes", () => {
  const decoder = new SocketDecoder();
  assert.throws(() => decoder.decode(socketRecord(0, 1, 0).record), RangeError);
  assert.throws(() => decoder.decode(socketRecord(6, 1, 0).record), RangeError);
  assert.throws(() => decoder.decode(socketRecord(1, 1, 0, 5).record), RangeError);
  const { record } = socketRecord(1, 1, 0);
  record.size -= 1;
  assert.throws(() => decoder.decode(record), RangeError);
});

function dnsRecord(included: number, packetSize: number, payloadOffset: number, flags = 0): Made {
  const made = make(NetworkRecordKind.NETWORK_DNS_RECORD, NETWORK_DNS_RECORD_SIZE + included);
  const { view, bytes } = made;
  view.setBigUint64(AT + Dns.cookie, 3n, true);
  view.setUint32(AT + Dns.sequence, 0xfffffffe, true);
  view.setUint32(AT + Dns.packetSize, packetSize, true);
  view.setUint32(AT + Dns.includedSize, included, true);
  view.setUint32(AT + Dns.payloadOffset, payloadOffset, true);
  view.setUint32(AT + Dns.flags, flags, true);
  writeTuple(made, AT + Dns.tuple, 4, 17);
  for (let i = 0; i < included; i++) bytes[AT + NETWORK_DNS_RECORD_SIZE + i] = i;
  return made;
}

Deno.test("DnsDecoder gives a copy of the payload, and what it was of", () => {
  const flags = NetworkDnsFlag.NETWORK_DNS_SENT | NetworkDnsFlag.NETWORK_DNS_END;
  const { record, bytes } = dnsRecord(31, 31, 28, flags);
  const fact = new DnsDecoder().decode(record);
  bytes.fill(0);
  assert.deepEqual([...fact.payload], [28, 29, 30]);
  assert.deepEqual([fact.isOutgoing, fact.isStart, fact.isEnd], [true, false, true]);
  assert.deepEqual([fact.size, fact.sequence, fact.cookie], [3, 0xfffffffe, 3n]);
  assert.equal(fact.tuple.protocol, "udp");
});

Deno.test("DnsDecoder tells how much there was of a packet that was cut, also within headers", () => {
  const cut = new DnsDecoder().decode(dnsRecord(40, 1028, 28).record);
  assert.deepEqual([cut.payload.length, cut.size], [12, 1000]);
  const headers = new DnsDecoder().decode(dnsRecord(20, 1028, 28).record);
  assert.deepEqual([headers.payload.length, headers.size], [0, 1000]);
});

Deno.test("DnsDecoder throws when sizes do not fit", () => {
  const decoder = new DnsDecoder();
  assert.throws(() => decoder.decode(dnsRecord(40, 39, 28).record), RangeError);
  assert.throws(() => decoder.decode(dnsRecord(40, 50, 51).record), RangeError);
  const { record, view } = dnsRecord(40, 50, 28);
  view.setUint32(AT + Dns.includedSize, 41, true);
  assert.throws(() => decoder.decode(record), RangeError);
  record.size = NETWORK_DNS_RECORD_SIZE - 1;
  assert.throws(() => decoder.decode(record), RangeError);
});

Deno.test("networkSensor has a decoder for each kind, and globals from its settings", () => {
  const kinds = Object.values(NetworkRecordKind).sort();
  assert.deepEqual(networkSensor.decoders.map(({ kind }) => kind).sort(), kinds);
  const globals = networkSensor.globals({
    ...{ cgroup_source: 2, report_dns: true, dns_ports: "53,5353,1,2,65535", flows_max: 9 },
  });
  assert.equal(globals["dns_ports_low"], 53n | 5353n << 16n | 1n << 32n | 2n << 48n);
  assert.equal(globals["dns_ports_high"], 65535n);
  assert.deepEqual([globals["report_dns"], globals["report_flows"]], [true, false]);
  assert.deepEqual([globals["cgroup_source"], globals["flows_max"]], [2, 9]);
  assert.equal(networkSensor.globals({})["dns_ports_low"], 53n);
});

Deno.test("networkSensor needs only what counts traffic", () => {
  const required = networkSensor.programs.filter(({ required }) => required);
  assert.deepEqual(required.map(({ name }) => name), ["on_set_state", "on_ingress", "on_egress"]);
});
