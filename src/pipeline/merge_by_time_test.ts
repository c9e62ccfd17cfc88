import assert from "node:assert/strict";
import { buildBareRecord } from "../../tests/support/record_builder.ts";
import { FakeRing } from "../../tests/support/fake_record_source.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { Counters } from "../telemetry/mod.ts";
import { MergeStatus, TimeMerge } from "./merge_by_time.ts";

const MS = 1_000_000;

function record(timeNs: number, tgid = 0): Uint8Array {
  return buildBareRecord({ timeNs: BigInt(timeNs), tgid });
}

function setUp(rings: readonly FakeRing[], readNowNs = 0) {
  const counters = new Counters();
  const merge = new TimeMerge(counters, () => readNowNs, { holdBackMs: 1, stallMaxMs: 50 });
  merge.setRings(rings);
  /** Takes all that is released at a clock reading. */
  const releaseAt = (nowNs: number): number[] => {
    const times: number[] = [];
    while (merge.next(nowNs) === MergeStatus.RELEASED) {
      times.push(merge.order);
      merge.take();
    }
    return times;
  };
  return { merge, counters, releaseAt };
}

Deno.test("TimeMerge releases records of busy rings in time order", () => {
  const rings = [
    new FakeRing(0, [record(1), record(4), record(5)]),
    new FakeRing(1, [record(2), record(3), record(9)]),
  ];
  assert.deepEqual(setUp(rings).releaseAt(100 * MS), [1, 2, 3, 4, 5, 9]);
});

Deno.test("TimeMerge releases a single ring's records without hold-back", () => {
  assert.deepEqual(setUp([new FakeRing(0, [record(7)])]).releaseAt(7), [7]);
});

Deno.test("TimeMerge holds a record until a drained ring was seen drained later by the hold-back", () => {
  const { merge, releaseAt } = setUp([new FakeRing(0, [record(10 * MS)]), new FakeRing(1)]);
  assert.equal(merge.next(10 * MS), MergeStatus.HELD);
  assert.deepEqual(releaseAt(11 * MS), []);
  assert.deepEqual(releaseAt(11 * MS + 1), [10 * MS]);
});

Deno.test("TimeMerge waits for a ring that is not drained and takes its older record first", () => {
  const slow = new FakeRing(1);
  slow.isBusy = true;
  const { merge, releaseAt } = setUp([new FakeRing(0, [record(10 * MS)]), slow]);
  assert.equal(merge.next(30 * MS), MergeStatus.HELD);
  slow.push(record(9 * MS));
  assert.deepEqual(releaseAt(31 * MS), [9 * MS]);
  slow.isBusy = false;
  assert.deepEqual(releaseAt(32 * MS), [10 * MS]);
});

Deno.test("TimeMerge leaves a stalled ring out after the bound and marks what it brings late", () => {
  const stalled = new FakeRing(1);
  stalled.isBusy = true;
  const ring = new FakeRing(0, [record(10 * MS)]);
  const { merge, counters, releaseAt } = setUp([ring, stalled]);
  assert.deepEqual(releaseAt(20 * MS), []);
  assert.deepEqual(releaseAt(70 * MS), []);
  assert.deepEqual(releaseAt(70 * MS + 1), [10 * MS]);
  ring.push(record(60 * MS));
  assert.deepEqual(releaseAt(71 * MS), [60 * MS], "not waited for again");
  stalled.push(record(9 * MS), record(80 * MS));
  assert.equal(merge.next(90 * MS), MergeStatus.RELEASED);
  assert.deepEqual([merge.order, merge.isLate, merge.cpu], [9 * MS, true, 1]);
  merge.take();
  assert.equal(counters.total("shrike_pipeline_late_total"), 1);
  assert.deepEqual(releaseAt(90 * MS), [80 * MS]);
  assert.equal(merge.isLate, false);
  // It moved, so it is waited for again.
  ring.push(record(89 * MS));
  assert.deepEqual(releaseAt(95 * MS), []);
});

Deno.test("TimeMerge does not wait for a ring of a CPU that went offline", () => {
  const ended = new FakeRing(1);
  ended.ended = true;
  ended.isBusy = true;
  assert.deepEqual(setUp([new FakeRing(0, [record(5)]), ended]).releaseAt(6), [5]);
});

Deno.test("TimeMerge tells rings without records apart: on their way, or nothing", () => {
  const ring = new FakeRing(0);
  const { merge } = setUp([ring, new FakeRing(1)]);
  assert.equal(merge.next(1), MergeStatus.DRAINED);
  ring.isBusy = true;
  assert.equal(merge.next(2), MergeStatus.EMPTY);
});

Deno.test("TimeMerge keeps heads and knowledge of rings that stay when CPUs come and go", () => {
  const [a, b, c] = [new FakeRing(0, [record(10)]), new FakeRing(1), new FakeRing(2)];
  const { merge, releaseAt } = setUp([a, b]);
  assert.equal(merge.next(11), MergeStatus.HELD);
  c.push(record(3));
  merge.setRings([c, a]);
  assert.deepEqual(releaseAt(12), [3], "c is drained at 12 only: 10 has to wait");
  assert.deepEqual(releaseAt(11 * MS), [10]);
});

Deno.test("TimeMerge does not read the time of a record that is too short to have one", () => {
  const short = new Uint8Array(8);
  new DataView(short.buffer).setUint32(0, 8, true);
  const { merge } = setUp([new FakeRing(0, [short])]);
  assert.equal(merge.next(1), MergeStatus.RELEASED);
  assert.equal(merge.record.size, 8);
});

Deno.test("TimeMerge is not blocked by a record whose time cannot be", () => {
  const broken = new FakeRing(0, [record(5_000 * MS), record(12 * MS)]);
  const other = new FakeRing(1, [record(10 * MS), record(11 * MS), record(13 * MS)]);
  const { merge, releaseAt } = setUp([broken, other]);
  assert.equal(merge.next(100 * MS), MergeStatus.RELEASED);
  assert.deepEqual([merge.record.order, merge.isBroken], [5_000 * MS, true]);
  merge.take();
  assert.deepEqual(releaseAt(100 * MS), [10 * MS, 11 * MS, 12 * MS, 13 * MS]);
  assert.equal(merge.isLate, false);
});

Deno.test("TimeMerge looks at the clock again before it holds a record for broken", () => {
  const ring = new FakeRing(0, [record(5_000 * MS)]);
  const { merge } = setUp([ring], 5_001 * MS);
  assert.equal(merge.next(100 * MS), MergeStatus.RELEASED);
  assert.equal(merge.isBroken, false);
});

/**
 * Random per-CPU streams. Each record is made at `timeNs`, enters the kernel's ring up to 0.9 ms
 * later (the program's run) and the shared ring up to 20 ms after that (the worker's turn).
 */
Deno.test("TimeMerge sorts random streams with bounded skew; nothing is lost, doubled or late", () => {
  const random = SeededRandom.fromEnvironment("TimeMerge");
  for (let round = 0; round < 40; round++) {
    const rings = Array.from({ length: 1 + random.below(12) }, (_, cpu) => new FakeRing(cpu));
    const pending = rings.map(() => [] as { id: number; timeNs: number; inNs: number }[]);
    let id = 0;
    for (const stream of pending) {
      let timeNs = random.below(5 * MS);
      let inNs = 0;
      for (let count = random.below(200); count > 0; count--) {
        timeNs += random.below(2 * MS);
        inNs = Math.max(inNs, timeNs + random.below(0.9 * MS));
        stream.push({ id: id++, timeNs, inNs });
        if (random.chance(0.3)) timeNs += random.below(30 * MS);
      }
    }
    const { merge, counters } = setUp(rings);
    const visibleNs = rings.map(() => 0);
    const released: number[] = [];
    let last = -1;
    for (let nowNs = 0; nowNs < 8_000 * MS; nowNs += 1 + random.below(3 * MS)) {
      for (const [cpu, ring] of rings.entries()) {
        const stream = pending[cpu]!;
        // The worker moves everything in one go, when it gets the CPU.
        if (nowNs >= visibleNs[cpu]!) {
          while (stream[0] !== undefined && stream[0].inNs <= nowNs) {
            const { timeNs, id } = stream.shift()!;
            ring.push(record(timeNs, id));
          }
          visibleNs[cpu] = nowNs + random.below(20 * MS);
        }
        ring.isBusy = stream[0] !== undefined && stream[0].inNs <= nowNs;
      }
      while (merge.next(nowNs) === MergeStatus.RELEASED) {
        assert(merge.order >= last, `${merge.order} after ${last}`);
        last = merge.order;
        released.push(merge.record.view.getUint32(28, true));
        merge.take();
        if (random.chance(0.1)) break;
      }
      if (released.length === id) break;
    }
    assert.equal(released.length, id);
    assert.equal(new Set(released).size, id);
    assert.equal(counters.total("shrike_pipeline_late_total"), 0);
  }
});
