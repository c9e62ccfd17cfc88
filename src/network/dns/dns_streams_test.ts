import assert from "node:assert/strict";
import type { DnsSeen } from "../../events/mod.ts";
import { framed } from "../../../tests/support/dns_encoder.ts";
import { CLIENT_TUPLE, dnsSeen, queryOf } from "../../../tests/support/sample_dns.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { Counters } from "../../telemetry/mod.ts";
import { DnsStreams } from "./dns_streams.ts";

const TCP = { ...CLIENT_TUPLE, protocol: "tcp" } as const;
const SECOND_NS = 1_000_000_000n;

/** Streams with what came out of them. */
class Case {
  readonly counters = new Counters();
  readonly streams = new DnsStreams(this.counters);
  readonly messages: { readonly payload: Uint8Array; readonly size: number }[] = [];

  take(payload: Uint8Array, sequence: number, fields: Partial<DnsSeen> = {}): void {
    const fact = dnsSeen(payload, { tuple: TCP, sequence: sequence >>> 0, ...fields });
    for (const { payload, size } of this.streams.take(fact)) {
      this.messages.push({ payload: payload.slice(), size });
    }
  }

  get texts(): string[] {
    return this.messages.map(({ payload }) => textOf(payload));
  }

  get losses(): Record<string, number> {
    return Object.fromEntries(
      this.counters.snapshot()
        .filter(({ name, value }) => name === "shrike_network_dns_stream_losses_total" && value > 0)
        .map(({ labels, value }) => [labels.reason!, value]),
    );
  }

  gauge(name: string): number {
    return this.counters.total(name);
  }
}

const textOf = (bytes: Uint8Array) => [...bytes].join();
const first = queryOf("first.test", { id: 1 });
const second = queryOf("the-second.test", { id: 2 });
const third = queryOf("3.test", { id: 3 });
const stream = Uint8Array.from([...framed(first), ...framed(second), ...framed(third)]);
const whole = [first, second, third].map(textOf);
/** Numbers wrap within the first message. */
const START = 0xffff_fff0;

Deno.test("DnsStreams puts messages together that are split anywhere, over the end of numbers", () => {
  for (let a = 0; a <= stream.length; a++) {
    for (let b = a; b <= stream.length; b += 3) {
      const test = new Case();
      test.take(new Uint8Array(), START, { isStart: true });
      test.take(stream.subarray(0, a), START);
      test.take(stream.subarray(a, b), START + a);
      test.take(stream.subarray(b), START + b, { isEnd: true });
      assert.deepEqual(test.texts, whole, `${a}, ${b}`);
      assert.deepEqual(test.losses, {});
      assert.equal(test.gauge("shrike_network_dns_stream_bytes"), 0);
    }
  }
});

Deno.test("DnsStreams takes one byte at a time", () => {
  const test = new Case();
  for (let i = 0; i < stream.length; i++) {
    test.take(stream.subarray(i, i + 1), START + i, { isStart: i === 0 });
  }
  assert.deepEqual(test.texts, whole);
});

Deno.test("DnsStreams keeps connections and directions apart", () => {
  const test = new Case();
  const half = first.length;
  const bytes = framed(first);
  const others: Partial<DnsSeen>[] = [
    {},
    { isOutgoing: false },
    { cookie: 2n },
    { cookie: 0n },
    { cookie: 0n, isOutgoing: false },
    { cookie: 0n, tuple: { ...TCP, netNs: 2 } },
  ];
  for (const fields of others) test.take(bytes.subarray(0, half), 5, { isStart: true, ...fields });
  assert.deepEqual(test.texts, []);
  assert.equal(test.gauge("shrike_network_dns_streams"), others.length);
  for (const fields of others) test.take(bytes.subarray(half), 5 + half, fields);
  assert.deepEqual(test.texts, others.map(() => textOf(first)));
});

Deno.test("DnsStreams orders segments, and takes those that were sent again once", () => {
  const random = SeededRandom.fromEnvironment("DNS streams");
  for (let round = 0; round < 500; round++) {
    const test = new Case();
    const start = random.u32();
    test.take(new Uint8Array(), start, { isStart: true });
    // Every byte is in one of these, and some in several.
    const cuts = Array.from({ length: 5 }, () => random.below(stream.length)).sort((a, b) => a - b);
    const edges = [0, ...cuts, stream.length];
    const segments = edges.slice(1).map((end, i) => [edges[i]!, end] as const);
    for (let i = 0; i < 4; i++) {
      const at = random.below(stream.length);
      segments.push([at, Math.min(stream.length, at + random.below(30))]);
    }
    segments.map((segment) => ({ segment, rank: random.fraction() }))
      .sort((a, b) => a.rank - b.rank)
      .forEach(({ segment: [from, to] }) => {
        test.take(stream.subarray(from, to), start + from);
        if (random.chance(0.1)) test.take(new Uint8Array(), start, { isStart: true });
      });
    assert.deepEqual(test.texts, whole);
    assert.deepEqual(test.losses, {});
    assert.equal(test.gauge("shrike_network_dns_stream_bytes"), 0);
  }
});

Deno.test("DnsStreams gives the beginning of a message whose rest is lost, and those after it", () => {
  for (const size of [1, 5, second.length - 20]) {
    const test = new Case();
    // Missing: `size` bytes within the second message, or cut off by the kernel.
    const from = framed(first).length + 22;
    test.take(stream.subarray(0, from), START, { isStart: true });
    test.take(stream.subarray(from + size), START + from + size);
    assert.deepEqual(test.texts, whole.slice(0, 1));
    // Too late for it, as any other segment shows.
    test.take(new Uint8Array(), 0, { cookie: 9n, timeNs: 10n * SECOND_NS });
    assert.deepEqual(test.texts, [whole[0], textOf(second.subarray(0, 20)), whole[2]]);
    assert.equal(test.messages[1]?.size, second.length);
    assert.deepEqual(test.losses, { gap: 1 });

    const cut = new Case();
    cut.take(stream.subarray(0, from), START, { isStart: true, size: from + size });
    cut.take(stream.subarray(from + size), START + from + size);
    assert.deepEqual(cut.texts, test.texts);
    assert.deepEqual(cut.losses, { gap: 1 });
  }
});

Deno.test("DnsStreams finds its way after a gap where a message begins", () => {
  const test = new Case();
  test.take(framed(first), 0, { isStart: true });
  // The end of a message that was not seen, then one in a segment of its own.
  test.take(stream.subarray(20), 1000);
  test.take(new Uint8Array(), 0, { cookie: 9n, timeNs: 10n * SECOND_NS });
  test.take(framed(third), 1000 + stream.length - 20, { timeNs: 10n * SECOND_NS });
  assert.deepEqual(test.texts, [whole[0], whole[2]]);
  assert.deepEqual(test.losses, { gap: 1, unsynced: 1 });
});

Deno.test("DnsStreams begins in the middle of a connection only with whole messages", () => {
  const test = new Case();
  test.take(framed(first).subarray(2), 100);
  test.take(framed(second).subarray(0, 10), 200);
  assert.deepEqual(test.losses, ({ gap: 0, unsynced: 1 }).gap === 0 ? { unsynced: 1 } : {});
  assert.deepEqual(test.texts, []);
  const fresh = new Case();
  fresh.take(stream, 100);
  fresh.take(framed(first).subarray(0, 9), 100 + stream.length);
  fresh.take(framed(first).subarray(9), 109 + stream.length);
  assert.deepEqual(fresh.texts, [...whole, whole[0]]);
});

Deno.test("DnsStreams loses what a connection ends within, and takes the next one of those ends", () => {
  const test = new Case();
  const ends = { cookie: 0n };
  test.take(framed(first).subarray(0, 20), 50, { ...ends, isStart: true, isEnd: true });
  assert.deepEqual(test.texts, [textOf(first.subarray(0, 18))]);
  assert.deepEqual(test.losses, { ended: 1 });
  // Sent again after the end.
  test.take(framed(first).subarray(0, 20), 50, { ...ends, isEnd: true });
  test.take(framed(second), 7, { ...ends, isStart: true });
  assert.deepEqual(test.texts.slice(1), [textOf(second)]);
});

Deno.test("DnsStreams gives up what is no DNS", () => {
  const test = new Case();
  const http = new TextEncoder().encode("\0\x03GET / HTTP/1.1\r\n\r\n");
  test.take(http, 0, { isStart: true });
  assert.deepEqual(test.messages.map(({ size }) => size), [3]);
  test.take(http, http.length);
  assert.equal(test.messages.length, 1);
  assert.deepEqual(test.losses, { unsynced: 1 });
});

Deno.test("DnsStreams bounds segments that wait in one connection", () => {
  const test = new Case();
  test.take(framed(first), 0, { isStart: true });
  for (let i = 0; i < 40; i++) test.take(framed(third), 500 + 2 * i * framed(third).length);
  // Every second message is missing; a gap is given up as soon as 33 wait behind it.
  assert.deepEqual(test.losses, { gap: 8 });
  assert.deepEqual(test.texts, [whole[0], ...Array.from({ length: 8 }, () => whole[2])]);
  assert.equal(test.gauge("shrike_network_dns_stream_bytes"), 32 * framed(third).length);
});

Deno.test("DnsStreams bounds connections, their bytes and their age", () => {
  const test = new Case();
  for (let i = 1; i <= 2100; i++) {
    test.take(framed(first).subarray(0, 20), 0, { isStart: true, cookie: BigInt(i) });
  }
  // A sixteenth went at once.
  assert.equal(test.gauge("shrike_network_dns_streams"), 2100 - 129);
  assert.deepEqual(test.losses, { entries: 129 });
  test.streams.expire(60n * SECOND_NS);
  assert.equal(test.gauge("shrike_network_dns_streams"), 2100 - 129);
  test.streams.expire(61n * SECOND_NS);
  assert.equal(test.gauge("shrike_network_dns_streams"), 0);
  assert.equal(test.gauge("shrike_network_dns_stream_bytes"), 0);
  assert.deepEqual(test.losses, { entries: 129, idle: 2100 - 129 });
  // Beginnings of the largest messages.
  const large = Uint8Array.from([0xff, 0xff, ...new Uint8Array(60_000)]);
  for (let i = 1; i <= 200; i++) test.take(large, 0, { isStart: true, cookie: BigInt(i) });
  const size = test.gauge("shrike_network_dns_stream_bytes");
  assert(size > 1 << 20 && size <= 4 << 20, `${size} bytes`);
  assert((test.losses as Record<string, number>).bytes! > 100);
  test.streams.clear();
  assert.equal(test.gauge("shrike_network_dns_stream_bytes"), 0);
});

Deno.test("DnsStreams does not throw on hostile segments, and keeps its bounds", () => {
  const random = SeededRandom.fromEnvironment("hostile DNS streams");
  const test = new Case();
  for (let round = 0; round < 50_000; round++) {
    const at = random.below(stream.length);
    const bytes = stream.slice(at, at + random.below(90));
    if (random.chance(0.3) && bytes.length > 0) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    test.take(bytes, random.chance(0.05) ? random.u32() : START + at, {
      cookie: BigInt(random.below(4)),
      timeNs: BigInt(round) * SECOND_NS / 100n,
      isOutgoing: random.chance(0.5),
      isStart: random.chance(0.05),
      isEnd: random.chance(0.02),
      size: bytes.length + (random.chance(0.05) ? random.below(100) : 0),
    });
    assert(test.gauge("shrike_network_dns_stream_bytes") <= 8 * 2 * 66_000);
    assert(test.messages.length <= 90);
    test.messages.length = 0;
  }
  test.streams.clear();
  assert.equal(test.gauge("shrike_network_dns_stream_bytes"), 0);
});
