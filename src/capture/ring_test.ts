import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import {
  FakePerfRing,
  foreignRecord,
  NUMBERED_RECORD_SIZE_MIN,
  numberedRecord,
} from "../../tests/support/fake_perf_ring.ts";
import { FakeClock } from "../../tests/support/sample_facts.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { LossLedger } from "../telemetry/mod.ts";
import { RECORD_HEADER_SIZE, RecordView } from "../wire/mod.ts";
import { RingReader } from "./ring_reader.ts";
import { RingWriter } from "./ring_writer.ts";
import { createSharedRing, RingInvariantError, RingSlot, SharedRing } from "./shared_ring.ts";

const RING_SIZE = 1 << 17;
const RECORD_SIZE_MAX = 65_504;

/** A kernel ring, a worker and a reader around one shared ring, all on this thread. */
class Path {
  readonly kernel: FakePerfRing;
  readonly memory: SharedArrayBuffer;
  readonly ring: SharedRing;
  readonly losses = new LossLedger();
  readonly counters = {
    kernelLost: { value: 0 },
    malformed: { value: 0 },
    foreign: { value: 0 },
  };
  readonly view = new RecordView();
  readonly reader: RingReader;
  writer: RingWriter;

  constructor(options: { perfSize?: number; sharedSize?: number; start?: number } = {}) {
    const start = options.start ?? 0;
    this.kernel = new FakePerfRing(options.perfSize ?? RING_SIZE, BigInt(start));
    this.memory = createSharedRing(options.sharedSize ?? RING_SIZE);
    this.ring = new SharedRing(this.memory);
    Atomics.store(this.ring.slots, RingSlot.WRITE, start | 0);
    Atomics.store(this.ring.slots, RingSlot.READ, start | 0);
    this.writer = new RingWriter(this.ring, this.kernel.perf);
    this.reader = new RingReader({
      cpu: 3,
      ring: this.ring,
      head: () => this.kernel.perf.head,
      counters: this.counters,
      losses: this.losses,
      clock: new FakeClock(),
    });
  }

  /** Takes a record and checks that it is whole. @returns its number, null when there is none. */
  readNumber(): number | null {
    const { view } = this;
    if (!this.reader.peek(view)) return null;
    const number = view.view.getUint32(view.offset + RECORD_HEADER_SIZE, true);
    strictEqual(view.view.getUint32(view.offset + view.size - 4, true), number);
    strictEqual(view.bytes[view.offset + view.size - 4], number & 0xff);
    this.reader.take();
    return number;
  }

  /** Moves and reads until nothing is left. @returns the numbers. */
  drain(): number[] {
    const numbers: number[] = [];
    for (;;) {
      const moved = this.writer.drain();
      const before = numbers.length;
      for (let next = this.readNumber(); next !== null; next = this.readNumber()) {
        numbers.push(next);
      }
      if (moved === 0 && numbers.length === before) return numbers;
    }
  }
}

Deno.test("SharedRing carries random records whole and in order, whatever the sizes", () => {
  const random = SeededRandom.fromEnvironment("ring");
  for (let round = 0; round < 30; round++) {
    const path = new Path({
      perfSize: RING_SIZE << random.below(3),
      sharedSize: RING_SIZE << random.below(3),
      // The positions have 32 bits: some rounds begin right below the wrap.
      start: random.chance(0.5) ? 0 : 0x1_0000_0000 - 8 * (1 + random.below(20_000)),
    });
    let emitted = 0;
    const expected: number[] = [];
    const got: number[] = [];
    let foreign = 0;
    for (let step = 0; step < 2000; step++) {
      const action = random.below(10);
      if (action < 5) {
        const large = random.chance(0.1);
        const span = (large ? RECORD_SIZE_MAX : 2000) - NUMBERED_RECORD_SIZE_MIN;
        const size = NUMBERED_RECORD_SIZE_MIN + random.below(span) & ~3;
        const number = emitted++;
        if (path.kernel.emit(numberedRecord(number, size))) expected.push(number);
      } else if (action === 5 && path.kernel.head - path.kernel.tail < RING_SIZE / 2) {
        path.kernel.append(foreignRecord(5, 8 * (1 + random.below(5))));
        foreign++;
      } else if (action < 8) {
        path.writer.drain();
      } else {
        for (let left = random.below(60); left > 0; left--) {
          const number = path.readNumber();
          if (number !== null) got.push(number);
        }
      }
      path.ring.assertInvariants();
      ok(path.kernel.tail <= path.kernel.head);
    }
    got.push(...path.drain());
    deepStrictEqual(got, expected);
    ok(path.reader.isDrained());
    strictEqual(path.counters.foreign.value, foreign);
    // What the last losses were comes with the next record.
    ok(path.kernel.emit(numberedRecord(emitted++, 80)));
    deepStrictEqual(path.drain(), [emitted - 1]);
    strictEqual(path.counters.kernelLost.value, path.kernel.lost);
    strictEqual(got.length + path.kernel.lost + 1, emitted);
    strictEqual(path.losses.total, 0);
  }
});

Deno.test("RingReader shows a record that straddles the end of the ring as one piece", () => {
  const path = new Path();
  let number = 0;
  let straddled = 0;
  for (let round = 0; round < 40; round++) {
    path.kernel.emit(numberedRecord(number++, 20_004));
    path.writer.drain();
    ok(path.reader.peek(path.view));
    if (path.view.bytes !== path.ring.bytes) straddled++;
    deepStrictEqual(path.readNumber(), number - 1);
  }
  ok(straddled > 0);
});

Deno.test("RingReader.peek() shows the same record until take()", () => {
  const path = new Path();
  path.kernel.emit(numberedRecord(7, 80));
  path.kernel.emit(numberedRecord(8, 80));
  path.writer.drain();
  const other = new RecordView();
  ok(path.reader.peek(path.view) && path.reader.peek(other));
  strictEqual(other.offset, path.view.offset);
  strictEqual(other.size, 80);
  deepStrictEqual([path.readNumber(), path.readNumber(), path.readNumber()], [7, 8, null]);
  throws(() => path.reader.take(), RingInvariantError);
});

Deno.test("RingReader.isDrained() is false wherever a record may be", () => {
  const path = new Path();
  ok(path.reader.isDrained());
  path.kernel.emit(numberedRecord(1, 80));
  ok(!path.reader.isDrained(), "in the kernel's ring");
  path.writer.drain();
  ok(!path.reader.isDrained(), "in the shared ring");
  ok(path.reader.peek(path.view));
  ok(!path.reader.isDrained(), "shown");
  path.reader.take();
  ok(path.reader.isDrained());
});

Deno.test("RingWriter leaves in the kernel's ring what the shared ring has no room for", () => {
  const path = new Path({ perfSize: RING_SIZE * 4 });
  let number = 0;
  while (path.kernel.emit(numberedRecord(number, 1000))) number++;
  strictEqual(path.writer.drain(), RING_SIZE);
  ok(path.writer.stalled);
  strictEqual(path.ring.slots[RingSlot.STALLED], 1);
  strictEqual(path.ring.slots[RingSlot.STALL_COUNT], 1);
  strictEqual(path.writer.drain(), 0);
  strictEqual(path.ring.slots[RingSlot.STALL_COUNT], 1, "one stall is counted once");
  strictEqual(path.drain().length, number);
  ok(!path.writer.stalled);
  strictEqual(path.ring.slots[RingSlot.STALLED], 0);
});

Deno.test("RingWriter takes over after one that died between publishing and releasing", () => {
  const path = new Path();
  path.kernel.emit(numberedRecord(1, 80));
  const tail = path.kernel.tail;
  // As a worker would leave it: published, and data_tail not moved.
  const release = path.kernel.perf.release.bind(path.kernel.perf);
  path.kernel.perf.release = () => {};
  path.writer.drain();
  path.kernel.perf.release = release;
  strictEqual(path.kernel.tail, tail);
  path.writer = new RingWriter(new SharedRing(path.memory), path.kernel.perf);
  strictEqual(path.kernel.tail, path.kernel.head);
  path.kernel.emit(numberedRecord(2, 80));
  deepStrictEqual(path.drain(), [1, 2]);
});

Deno.test("RingReader counts a record whose sizes do not fit, and goes on behind it", () => {
  const path = new Path();
  const tooLong = numberedRecord(1, 80);
  new DataView(tooLong.buffer).setUint32(0, 100, true);
  const tooShort = numberedRecord(2, 80);
  new DataView(tooShort.buffer).setUint32(0, RECORD_HEADER_SIZE - 1, true);
  for (const record of [tooLong, tooShort, new Uint8Array(4)]) path.kernel.emit(record);
  path.kernel.emit(numberedRecord(3, 80));
  deepStrictEqual(path.drain(), [3]);
  strictEqual(path.counters.malformed.value, 3);
  const [loss] = path.losses.take();
  deepStrictEqual([loss?.cause, loss?.cpu, loss?.count], ["malformed_record", 3, 3]);
});

Deno.test("RingReader finds the next record after garbage", () => {
  const random = SeededRandom.fromEnvironment("garbage");
  for (let round = 0; round < 100; round++) {
    const path = new Path();
    path.kernel.emit(numberedRecord(1, 200));
    const garbage = new Uint8Array(8 * (1 + random.below(100)));
    for (let at = 0; at < garbage.length; at++) garbage[at] = random.below(256);
    // A size that is no multiple of 8, or none at all: no header.
    garbage[6] = random.pick([0, 1, 7, 9, 255]);
    garbage[7] = 0;
    path.kernel.append(garbage);
    deepStrictEqual(path.drain(), [1]);
    ok(path.counters.malformed.value === 1);
    path.kernel.emit(numberedRecord(2, 200));
    deepStrictEqual(path.drain(), [2]);
    ok(path.reader.isDrained());
  }
});

Deno.test("RingReader.takeNews() is true once per publication it was not asked about", () => {
  const path = new Path();
  ok(!path.reader.takeNews());
  path.kernel.emit(numberedRecord(1, 80));
  path.writer.drain();
  ok(path.reader.takeNews());
  ok(!path.reader.takeNews(), "held back records are no news");
  path.kernel.emit(numberedRecord(2, 80));
  path.writer.drain();
  path.drain();
  ok(!path.reader.takeNews(), "what peek() has seen is no news");
});

Deno.test("RingReader ends when its CPU is gone and everything is read", () => {
  const path = new Path();
  path.kernel.emit(numberedRecord(1, 80));
  ok(!path.reader.ended);
  path.reader.retire();
  ok(!path.reader.ended);
  path.drain();
  ok(path.reader.ended);
});

Deno.test("RingReader reads what is in the shared ring after the kernel's is unmapped", () => {
  const path = new Path();
  path.kernel.emit(numberedRecord(1, 80));
  path.writer.drain();
  path.reader.unmap();
  ok(!path.reader.isDrained());
  strictEqual(path.readNumber(), 1);
  ok(path.reader.isDrained());
});

Deno.test("SharedRing refuses sizes that cannot work, and memory that cannot be", () => {
  throws(() => createSharedRing(RING_SIZE - 8), RangeError);
  throws(() => createSharedRing(RING_SIZE + 8), RangeError);
  const memory = createSharedRing(RING_SIZE);
  Atomics.store(new SharedRing(memory).slots, RingSlot.WRITE, 3 * RING_SIZE);
  throws(() => new SharedRing(memory), RingInvariantError);
});
