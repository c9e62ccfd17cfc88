import assert from "node:assert/strict";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import {
  executed,
  exited,
  FakeClock,
  forked,
  found,
  type Group,
} from "../../tests/support/sample_facts.ts";
import { Counters } from "../telemetry/mod.ts";
import { CacheEntry } from "./cache_entry.ts";
import type { CachedProcess } from "./cache_entry.ts";
import { CacheStore } from "./cache_store.ts";
import { ProcessCache } from "./process_cache.ts";

const INIT: Group = { tgid: 1, startNs: 20_000_000n };
const S = 1_000_000_000n;

function setUp(options: { entriesMax?: number; bytesMax?: number } = {}) {
  const counters = new Counters();
  const cache = new ProcessCache({
    nodeName: "node",
    clock: new FakeClock(),
    counters,
    ...options,
  });
  cache.applyFound(found(INIT, 0, "/sbin/init"));
  return { cache, counters };
}

function evictions(counters: Counters, reason: string): number {
  return counters.snapshot().find(({ name, labels }) =>
    name === "shrike_process_cache_evictions_total" && labels["reason"] === reason
  )!.value;
}

Deno.test("ProcessCache evicts exited entries first, then exited parents, then the longest idle", () => {
  const { cache, counters } = setUp({ entriesMax: 4 });
  const group = (tgid: number): Group => ({ tgid, startNs: BigInt(tgid) * S });
  cache.apply(forked(group(2), INIT, 2n * S));
  cache.apply(forked(group(3), group(2), 3n * S));
  cache.apply(exited(group(2), 4n * S)); // ended, kept by 3
  cache.apply(forked(group(4), INIT, 5n * S));
  cache.apply(exited(group(4), 6n * S)); // released
  cache.apply(forked(group(5), INIT, 7n * S));
  assert.equal(cache.find(4, group(4).startNs), undefined);
  assert.equal(evictions(counters, "exited"), 1);
  cache.apply(forked(group(6), INIT, 8n * S));
  assert.equal(cache.find(2, group(2).startNs), undefined);
  assert.equal(evictions(counters, "exited_with_children"), 1);
  assert.equal(cache.find(3, group(3).startNs)?.parent, undefined, "cut off, not guessed");
  cache.apply(forked(group(7), INIT, 9n * S));
  assert.equal(cache.find(3, group(3).startNs), undefined, "idle for longest: init forked since");
  assert.equal(evictions(counters, "running"), 1);
  assert.notEqual(cache.find(1, INIT.startNs), undefined);
  assert.equal(cache.size, 4);
});

Deno.test("ProcessCache holds its byte budget with long arguments", () => {
  const { cache, counters } = setUp({ bytesMax: 1_000_000 });
  const argv = [{ text: "/bin/echo" }, { text: "x".repeat(30_000) }];
  for (let tgid = 2; tgid < 200; tgid++) {
    const group = { tgid, startNs: BigInt(tgid) * S };
    cache.apply(forked(group, INIT, group.startNs));
    cache.apply(executed(group, group.startNs + 1n, "/bin/echo", { argv }));
    assert(cache.bytes <= 1_000_000);
  }
  assert(counters.total("shrike_process_cache_evictions_total") > 150);
  const gauge = (name: string) => counters.total(`shrike_process_cache_${name}`);
  assert.deepEqual([gauge("bytes"), gauge("entries")], [cache.bytes, cache.size]);
  assert.equal(gauge("capacity"), 65_536);
});

Deno.test("ProcessCache keeps little of a storm of short processes, the youngest longest", () => {
  const { cache, counters } = setUp();
  const group = (tgid: number): Group => ({ tgid, startNs: BigInt(tgid) * 1000n });
  for (let tgid = 2; tgid < 6002; tgid++) {
    const { startNs } = group(tgid);
    cache.apply(forked(group(tgid), INIT, startNs));
    cache.apply(executed(group(tgid), startNs + 1n, "/bin/true"));
    cache.apply(exited(group(tgid), startNs + 2n));
  }
  assert.equal(cache.size, 1 + 2048, "init, and exited images; none of those that exec replaced");
  assert.notEqual(cache.find(6001, group(6001).startNs), undefined);
  assert.equal(cache.find(3000, group(3000).startNs), undefined);
  assert.equal(counters.total("shrike_process_cache_evictions_total"), 0);
});

Deno.test("ProcessCache stays within its bounds in a bomb of 200,000 forks that never exit", () => {
  const { cache, counters } = setUp();
  let parent = INIT;
  for (let at = 0; at < 200_000; at++) {
    const child: Group = { tgid: 2 + at, startNs: S + BigInt(at) * 1_000n };
    cache.apply(forked(child, parent, child.startNs));
    if (at % 3 === 0) parent = child;
  }
  assert(cache.size <= 65_536);
  assert(cache.bytes <= 64 * 1024 * 1024);
  assert.equal(
    cache.size + counters.total("shrike_process_cache_evictions_total"),
    200_001,
  );
});

Deno.test("ProcessCache survives 200,000 execs in one pid and its exit", () => {
  const { cache } = setUp({ entriesMax: 50_000 });
  const group: Group = { tgid: 2, startNs: S };
  cache.apply(forked(group, INIT, S));
  for (let at = 1n; at <= 200_000n; at++) cache.apply(executed(group, S + at, "/bin/loop"));
  assert(cache.size <= 50_000);
  cache.apply(exited(group, 3n * S));
  cache.sweep(10n * S);
  assert.equal(cache.size, 1);
});

Deno.test("ProcessCache is empty but for what runs after 50,000 short processes that reuse tgids", () => {
  const { cache, counters } = setUp();
  for (let at = 0; at < 50_000; at++) {
    const group: Group = { tgid: 2 + at % 100, startNs: S + BigInt(at) * 100_000n };
    cache.apply(forked(group, INIT, group.startNs));
    cache.apply(executed(group, group.startNs + 10n, "/bin/true"));
    cache.apply(exited(group, group.startNs + 20n));
    if (at % 1000 === 0) cache.sweep(group.startNs);
  }
  assert.equal(counters.total("shrike_process_tgid_reused_total"), 0);
  cache.sweep(100n * S);
  assert.equal(cache.size, 1);
  assert.equal(cache.find(1, INIT.startNs)?.references, 1);
});

Deno.test("CacheStore keeps references, lists and bounds right under random lives", () => {
  const random = SeededRandom.fromEnvironment("CacheStore");
  for (let life = 0; life < 30; life++) {
    const counters = new Counters();
    const entriesMax = 5 + random.below(60);
    const store = new CacheStore({ entriesMax, bytesMax: 1e9, lingerNs: 50n }, counters);
    const all: CacheEntry[] = [];
    const cached = () => all.filter(({ list }) => list !== undefined);
    for (let step = 0; step < 400; step++) {
      store.advance(BigInt(step));
      const some = cached();
      const parent = some.length === 0 ? undefined : some[random.below(some.length)];
      if (parent === undefined || random.chance(0.5)) {
        const child = bareEntry(random.below(50), BigInt(step), parent);
        all.push(child);
        store.insert(child);
      } else if (!parent.ended && random.chance(0.4)) {
        const image = bareEntry(parent.process.tgid, parent.startNs!, parent);
        all.push(image);
        store.replace(parent, image);
      } else {
        store.end(parent);
      }
      if (random.chance(0.1)) store.sweep(BigInt(step));
      store.assertInvariants(all);
      assert(store.size <= entriesMax);
    }
    for (const entry of cached()) store.end(entry);
    store.sweep(10_000n);
    assert.equal(store.size, 0);
    assert.equal(store.bytes, 0);
    for (let tgid = 0; tgid < 50; tgid++) assert.equal(store.latest(tgid), undefined);
  }
});

function bareEntry(tgid: number, startNs: bigint, parent: CacheEntry | undefined): CacheEntry {
  return new CacheEntry({
    process: { tgid } as CachedProcess["process"],
    startNs,
    startTicks: startNs,
    imageNs: startNs,
    parent,
    forkOnly: false,
    found: false,
    size: 1,
  });
}
