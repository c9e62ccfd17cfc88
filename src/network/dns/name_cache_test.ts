import assert from "node:assert/strict";
import type { DnsAnswer } from "../../events/mod.ts";
import { Counters } from "../../telemetry/mod.ts";
import { NAME_CACHE_LIMITS, NameCache, type NameCacheLimits } from "./name_cache.ts";

const SECOND_NS = 1_000_000_000n;
const POD = 42n;

class Case {
  readonly counters = new Counters();
  readonly cache: NameCache;

  constructor(limits: Partial<NameCacheLimits> = {}) {
    this.cache = new NameCache(this.counters, { ...NAME_CACHE_LIMITS, ...limits });
  }

  learn(asked: string, answers: readonly DnsAnswer[], seconds = 0, trackingId = POD): void {
    const questions = [{ name: asked, type: "A" }];
    this.cache.learn(trackingId, { questions, answers }, BigInt(seconds) * SECOND_NS);
  }

  names(address: string, seconds = 0, trackingId = POD): readonly string[] {
    return this.cache.namesOf(trackingId, address, BigInt(seconds) * SECOND_NS);
  }

  dropped(bound: string): number {
    const sample = this.counters.snapshot().find(({ name, labels }) =>
      name === "shrike_network_names_dropped_total" && labels.bound === bound
    );
    return sample!.value;
  }

  size(what: string): number {
    return this.counters.total(`shrike_network_names_${what}`);
  }
}

const a = (name: string, data: string, ttl = 600): DnsAnswer => ({ name, type: "A", ttl, data });
const aaaa = (name: string, data: string): DnsAnswer => ({ name, type: "AAAA", ttl: 600, data });
const cname = (name: string, data: string, ttl = 600): DnsAnswer => ({
  ...{ name, type: "CNAME", ttl, data },
});

Deno.test("NameCache gives the names of a workload to it alone", () => {
  const test = new Case();
  test.learn("a.test", [a("a.test", "192.0.2.1"), aaaa("a.test", "2001:db8::1")]);
  assert.deepEqual(test.names("192.0.2.1"), ["a.test"]);
  assert.deepEqual(test.names("2001:db8::1"), ["a.test"]);
  assert.deepEqual(test.names("192.0.2.2"), []);
  assert.deepEqual(test.names("192.0.2.1", 0, 43n), []);
  test.cache.forget(POD);
  assert.deepEqual(test.names("192.0.2.1"), []);
  for (const what of ["addresses", "characters", "workloads"]) assert.equal(test.size(what), 0);
});

Deno.test("NameCache follows aliases in any order and puts the name that was asked for first", () => {
  const test = new Case();
  test.learn("WWW.a.test", [
    a("edge.cdn.test", "192.0.2.1"),
    cname("a.cdn.test", "Edge.cdn.test"),
    cname("www.A.test", "a.cdn.test"),
  ]);
  assert.deepEqual(test.names("192.0.2.1"), ["www.a.test", "edge.cdn.test"]);
  // Asked for by itself, later.
  test.learn("edge.cdn.test", [a("edge.cdn.test", "192.0.2.1")]);
  test.learn("b.test", [a("b.test", "192.0.2.1")]);
  assert.deepEqual(test.names("192.0.2.1"), ["www.a.test", "edge.cdn.test", "b.test"]);
});

Deno.test("NameCache leaves out records that do not belong to the question", () => {
  const test = new Case();
  test.learn("a.test", [
    a("bank.test", "192.0.2.66"),
    cname("other.test", "bank.test"),
    a("a.test", "192.0.2.1"),
    a("a.test", "0.0.0.0"),
    aaaa("a.test", "::"),
  ]);
  assert.deepEqual(test.names("192.0.2.66"), []);
  assert.deepEqual(test.names("0.0.0.0"), []);
  assert.deepEqual(test.names("192.0.2.1"), ["a.test"]);
  assert.equal(test.size("addresses"), 1);
  // Aliases in a circle, and a chain without end.
  test.learn("x.test", [cname("x.test", "y.test"), cname("y.test", "x.test")]);
  const chain = Array.from({ length: 40 }, (_, i) => cname(`c${i}.test`, `c${i + 1}.test`));
  test.learn("c0.test", [...chain, a("c40.test", "192.0.2.9"), a("c16.test", "192.0.2.8")]);
  assert.deepEqual(test.names("192.0.2.9"), []);
  assert.deepEqual(test.names("192.0.2.8"), ["c0.test", "c16.test"]);
});

Deno.test("NameCache keeps a name for its TTL, at least 300 s and at most a day", () => {
  const test = new Case();
  const learned = (ttl: number) => {
    const fresh = new Case();
    fresh.learn("a.test", [a("a.test", "192.0.2.1", ttl)]);
    return (seconds: number) => fresh.names("192.0.2.1", seconds).length;
  };
  for (const [ttl, end] of [[0, 300], [5, 300], [3600, 3600], [2 ** 31 - 1, 86_400]] as const) {
    assert.equal(learned(ttl)(end - 1), 1);
    assert.equal(learned(ttl)(end), 0);
  }
  // The shortest record of a chain counts.
  test.learn("b.test", [cname("b.test", "c.test", 400), a("c.test", "192.0.2.3", 9000)]);
  assert.deepEqual(test.names("192.0.2.3", 400), []);
  assert.deepEqual(test.names("192.0.2.3", 399), ["b.test", "c.test"]);
});

Deno.test("NameCache keeps a name that is used, for a day at most", () => {
  const test = new Case();
  test.learn("a.test", [a("a.test", "192.0.2.1", 300)]);
  let seconds = 0;
  for (; seconds < 86_400; seconds += 299) {
    assert.deepEqual(test.names("192.0.2.1", seconds), ["a.test"]);
  }
  assert.deepEqual(test.names("192.0.2.1", seconds), []);
  // Learned again, and not used for too long.
  test.learn("a.test", [a("a.test", "192.0.2.1", 300)], seconds);
  assert.deepEqual(test.names("192.0.2.1", seconds + 299), ["a.test"]);
  assert.deepEqual(test.names("192.0.2.1", seconds + 599), []);
});

Deno.test("NameCache forgets old names by itself", () => {
  const test = new Case();
  for (let i = 0; i < 3000; i++) {
    test.learn("a.test", [a("a.test", `10.0.${i >> 8}.${i & 255}`, i < 1500 ? 80_000 : 300)]);
  }
  assert.equal(test.size("addresses"), 3000);
  for (let i = 0; i < 4; i++) test.cache.expire(1000n * SECOND_NS);
  assert.equal(test.size("addresses"), 1500);
  for (let i = 0; i < 4; i++) test.cache.expire(90_000n * SECOND_NS);
  assert.equal(test.size("addresses"), 0);
  assert.equal(test.size("characters"), 0);
});

Deno.test("NameCache bounds names of one address: at most 8 known, 4 told", () => {
  const test = new Case();
  for (let i = 0; i < 10; i++) {
    test.learn(`n${i}.test`, [a(`n${i}.test`, "192.0.2.1", i === 3 ? 301 : 1000 + i)]);
  }
  test.learn("z.test", [cname("z.test", "alias.test"), a("alias.test", "192.0.2.1", 5000)]);
  // Gone: n3, the first to grow old, then n0, then n1 for z; the alias never gets a place.
  assert.deepEqual(test.names("192.0.2.1"), ["n2.test", "n4.test", "n5.test", "n6.test"]);
  assert.equal(test.dropped("names"), 4);
});

Deno.test("NameCache bounds addresses of one workload and of all: the least used go first", () => {
  const test = new Case({ addressesMax: 6, addressesPerWorkloadMax: 4 });
  const learn = (address: string, trackingId: bigint) =>
    test.learn("a.test", [a("a.test", address)], 0, trackingId);
  for (const address of ["1", "2", "3", "4"]) learn(address, POD);
  test.names("1");
  learn("5", POD);
  assert.equal(test.dropped("workload"), 1);
  assert.deepEqual(["1", "2", "3"].map((address) => test.names(address).length), [1, 0, 1]);
  for (const address of ["7", "8", "9"]) learn(address, 43n);
  assert.equal(test.dropped("addresses"), 1);
  assert.equal(test.size("addresses"), 6);
  assert.deepEqual(test.names("4"), []);
  assert.deepEqual(test.names("9", 0, 43n), ["a.test"]);
});

Deno.test("NameCache bounds characters and leaves out long names", () => {
  const long = (i: number) => `${"x".repeat(240)}${i}`;
  const test = new Case({ textMax: 2000, textPerWorkloadMax: 800 });
  for (let i = 0; i < 20; i++) {
    test.learn(long(i), [a(long(i), `10.0.0.${i}`)], 0, i < 8 ? 1n : BigInt(1 + i % 3));
    assert(test.size("characters") <= 2000);
  }
  assert(test.dropped("workload") > 0 && test.dropped("text") > 0);
  test.learn("y".repeat(256), [a("y".repeat(256), "10.0.1.1")]);
  assert.deepEqual(test.names("10.0.1.1"), []);
  assert.equal(test.dropped("long"), 1);
  // Also as the first of two, for a workload that nothing is known of yet.
  const questions = ["y".repeat(256), "z.test"].map((name) => ({ name, type: "A" }));
  const answers = questions.map(({ name }, i) => a(name, `10.0.2.${i}`));
  test.cache.learn(99n, { questions, answers }, 0n);
  assert.deepEqual(test.names("10.0.2.1", 0, 99n), ["z.test"]);
  test.cache.forget(99n);
  for (const id of [1n, 2n, 3n, POD]) test.cache.forget(id);
  for (const what of ["addresses", "characters", "workloads"]) assert.equal(test.size(what), 0);
});

Deno.test("NameCache remembers nothing for an unknown workload", () => {
  const test = new Case();
  test.learn("a.test", [a("a.test", "192.0.2.1")], 0, 0n);
  assert.deepEqual(test.names("192.0.2.1", 0, 0n), []);
  assert.equal(test.counters.total("shrike_network_names_ownerless_total"), 1);
});
