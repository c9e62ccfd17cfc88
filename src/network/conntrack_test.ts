import assert from "node:assert/strict";
import { sampleTuple } from "../../tests/support/fake_network_kernel.ts";
import { Counters } from "../telemetry/mod.ts";
import { Conntrack, type ConntrackParts } from "./conntrack.ts";
import { readConntrackLine } from "./conntrack_line.ts";

/** To a service of a cluster, from a pod, and out again under another source. */
const DNAT = "ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.2 dst=10.96.0.1 sport=43210 " +
  "dport=443 src=10.0.0.9 dst=10.0.0.2 sport=6443 dport=43210 [ASSURED] mark=0 zone=0 use=2";
const SNAT = "ipv4     2 udp      17 29 src=10.0.0.2 dst=1.1.1.1 sport=5000 dport=53 [UNREPLIED] " +
  "src=1.1.1.1 dst=192.0.2.7 sport=53 dport=61000 mark=0 zone=0 use=2";
const PLAIN = "ipv4     2 tcp      6 117 TIME_WAIT src=10.0.0.2 dst=10.0.0.3 sport=1 dport=2 " +
  "src=10.0.0.3 dst=10.0.0.2 sport=2 dport=1 [ASSURED] mark=0 use=1";
const PING = "ipv4     2 icmp     1 29 src=10.0.0.2 dst=10.0.0.3 type=8 code=0 id=7 " +
  "src=10.0.0.3 dst=10.0.0.2 type=0 code=0 id=7 mark=0 use=1";
const IPV6 = "ipv6     10 tcp      6 60 SYN_SENT " +
  "src=fd00:0000:0000:0000:0000:0000:0000:0002 dst=fd00:0000:0000:0000:0000:0000:0000:0063 " +
  "sport=9 dport=80 src=fd00:0000:0000:0000:0000:0000:0000:0009 " +
  "dst=fd00:0000:0000:0000:0000:0000:0000:0002 sport=8080 dport=9 mark=0 use=1";

async function read(text: string, parts: Partial<ConntrackParts> = {}) {
  const counters = new Counters();
  const missing: Error[] = [];
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, text);
    const conntrack = new Conntrack({
      ...{ counters, path, onMissing: (error) => void missing.push(error) },
      ...parts,
    });
    await conntrack.refresh();
    await conntrack.refresh();
    return { conntrack, counters, missing };
  } finally {
    await Deno.remove(path);
  }
}

const end = (address: string, port: number) => ({ address, port });

Deno.test("Conntrack tells who asks where the answers come from, IPv4 and IPv6", async () => {
  const { conntrack, missing } = await read([PLAIN, DNAT, IPV6, PING, ""].join("\n"));
  const dnat = sampleTuple({ local: end("10.0.0.2", 43210), remote: end("10.96.0.1", 443) });
  assert.deepEqual(conntrack.find(dnat), end("10.0.0.9", 6443));
  assert.deepEqual(conntrack.find({ ...dnat, local: end("10.0.0.2", 0) }), end("10.0.0.9", 6443));
  assert.equal(conntrack.find({ ...dnat, protocol: "udp" }), undefined);
  assert.equal(conntrack.find({ ...dnat, local: end("10.0.0.2", 43211) }), undefined);
  const ipv6 = sampleTuple({ family: 6, local: end("fd00::2", 9), remote: end("fd00::63", 80) });
  assert.deepEqual(conntrack.find(ipv6), end("fd00::9", 8080));
  const plain = sampleTuple({ local: end("10.0.0.2", 1), remote: end("10.0.0.3", 2) });
  assert.equal(conntrack.find(plain), undefined);
  assert.equal(conntrack.find({ ...plain, remote: end("", 0) }), undefined);
  assert.deepEqual(missing, []);
});

Deno.test("Conntrack tells who answers by which address it was asked", async () => {
  const { conntrack } = await read(`${SNAT}\n`);
  const server = sampleTuple({
    ...{ protocol: "udp", local: end("1.1.1.1", 53), remote: end("192.0.2.7", 61000) },
  });
  assert.deepEqual(conntrack.find(server), end("10.0.0.2", 5000));
  assert.deepEqual(
    conntrack.find({ ...server, remote: end("192.0.2.7", 0) }),
    end("10.0.0.2", 0),
  );
});

Deno.test("Conntrack tells nothing of folded flows that go to several peers", async () => {
  const second = DNAT.replaceAll("43210", "43211").replaceAll("10.0.0.9", "10.0.0.8");
  const { conntrack } = await read([DNAT, second].join("\n"));
  const folded = sampleTuple({ local: end("10.0.0.2", 0), remote: end("10.96.0.1", 443) });
  assert.equal(conntrack.find(folded), undefined);
  assert.deepEqual(
    conntrack.find({ ...folded, local: end("10.0.0.2", 43211) }),
    end("10.0.0.8", 6443),
  );
});

Deno.test("Conntrack reads so many bytes at most, counts that and lines of another form", async () => {
  const lines = Array.from({ length: 2_000 }, (_, i) => DNAT.replaceAll("43210", `${10_000 + i}`));
  const { conntrack, counters } = await read(["nonsense", ...lines].join("\n"), {
    sizeMax: 128 * 1024,
  });
  const at = (port: number) =>
    conntrack.find(sampleTuple({ local: end("10.0.0.2", port), remote: end("10.96.0.1", 443) }));
  assert.deepEqual(at(10_000), end("10.0.0.9", 6443));
  assert.equal(at(11_999), undefined);
  assert.equal(counters.total("shrike_network_conntrack_cut_total"), 2);
  assert.equal(counters.total("shrike_network_conntrack_malformed_total"), 2);
  const endless = await read("x".repeat(1 << 20));
  assert.equal(endless.counters.total("shrike_network_conntrack_cut_total"), 2);
});

Deno.test("Conntrack tells once that the kernel has no such file", async () => {
  const { conntrack, missing } = await read("", { path: "/proc/self/net/none" });
  assert.equal(missing.length, 1);
  assert.equal(conntrack.find(sampleTuple()), undefined);
});

Deno.test("readConntrackLine() refuses what is no line of the file", () => {
  for (const line of ["", "x", "ipv4 2 tcp 6 1 src=1.1.1.1 dst=2.2.2.2"]) {
    assert.throws(() => readConntrackLine(line), RangeError, line);
  }
});
