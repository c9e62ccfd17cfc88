/**
 * The loop of a capture worker: wait, copy, publish.
 *
 * @module
 */
import { BorrowedMemory, type Libc, type MapElements, PollEvent, PollSet } from "../../ffi/mod.ts";
import { ControlSlot, type RingGrant } from "./capture_messages.ts";
import type { Doorbell } from "./doorbell.ts";
import { PerfMemory } from "./perf_memory.ts";
import { setRecordsSlot } from "./records_slot.ts";
import { RingWriter } from "./ring_writer.ts";
import { RingSlot, SharedRing } from "./shared_ring.ts";
import { WakeupPolicy } from "./wakeup_policy.ts";

/** Wait while each record wakes: only the heartbeat and a dead CPU need more. */
const EACH_TIMEOUT_MS = 200;
/** Wait while a watermark is in use: bounds the latency of what lies below the mark. */
const WATERMARK_TIMEOUT_MS = 5;
/** Longest wait for the main thread to make room; it ends the wait itself when it has. */
const STALL_TIMEOUT_MS = 2;

/**
 * After the switch back to waking at each record, how long we keep looking as with the watermark: a
 * BPF program may have read the map before and write after it, without a wake-up.
 */
const SWITCH_GRACE_MS = 50;

/** What a loop stands on. */
export interface CaptureLoopOptions {
  readonly libc: Libc;
  readonly elements: MapElements;
  readonly recordsMapFd: number;
  readonly eventFd: number;
  readonly control: Int32Array<SharedArrayBuffer>;
  readonly doorbell: Doorbell;
}

/** The rings of one worker. Runs on the worker's thread and blocks it. */
export class CaptureLoop {
  readonly #options: CaptureLoopOptions;
  #lanes: readonly Lane[] = [];
  #all: PollSet;

  constructor(options: CaptureLoopOptions) {
    this.#options = options;
    this.#all = new PollSet(options.libc, [options.eventFd]);
  }

  /** Works on these rings from now on. Takes back the interrupt that brought the order. */
  assign(grants: readonly RingGrant[]): void {
    this.#options.libc.clearEventfd(this.#options.eventFd);
    Atomics.store(this.#options.control, ControlSlot.INTERRUPT, 0);
    for (const lane of this.#lanes) lane.close();
    this.#lanes = grants.map((grant) => new Lane(grant, this.#options, performance.now()));
    const { libc, eventFd } = this.#options;
    this.#all = new PollSet(libc, [eventFd, ...grants.map((grant) => grant.watermarkFd)]);
  }

  /** Serves the rings until the pool interrupts. */
  run(): void {
    const { control } = this.#options;
    while (Atomics.load(control, ControlSlot.INTERRUPT) === 0) {
      this.#wait(performance.now());
      Atomics.add(control, ControlSlot.HEARTBEAT, 1);
      this.drain();
    }
  }

  /** Reads what all rings hold now. */
  drain(): void {
    const nowMs = performance.now();
    for (const lane of this.#lanes) {
      if (lane.drain(nowMs)) this.#options.doorbell.ring();
    }
  }

  #wait(nowMs: number): void {
    let timeoutMs = EACH_TIMEOUT_MS;
    for (const lane of this.#lanes) {
      // A ring that cannot be emptied would end each poll at once.
      if (lane.stalled) return lane.waitForRoom(STALL_TIMEOUT_MS);
      if (lane.needsLooking(nowMs)) timeoutMs = WATERMARK_TIMEOUT_MS;
    }
    if (this.#all.wait(timeoutMs) > 0) this.#noteDeadEvents();
  }

  /** perf_poll() says hang-up for ever once a CPU's events are gone; that must not spin. */
  #noteDeadEvents(): void {
    const dead = PollEvent.hangup | PollEvent.error | PollEvent.invalid;
    for (let index = 0; index < this.#lanes.length; index++) {
      if ((this.#all.readyAt(index + 1) & dead) === 0) continue;
      this.#all.ignore(index + 1);
      this.#lanes[index]!.noteDead();
    }
  }
}

/** One ring of the loop. */
class Lane {
  readonly #grant: RingGrant;
  readonly #options: CaptureLoopOptions;
  readonly #memory: BorrowedMemory;
  readonly #ring: SharedRing;
  readonly #writer: RingWriter;
  readonly #policy: WakeupPolicy;
  #lookUntilMs: number;
  #dead = false;

  constructor(grant: RingGrant, options: CaptureLoopOptions, nowMs: number) {
    this.#grant = grant;
    this.#options = options;
    this.#memory = BorrowedMemory.at(grant.address, grant.mappedSize);
    this.#ring = new SharedRing(grant.shared);
    const perf = new PerfMemory(this.#memory.buffer, grant.pageSize);
    this.#writer = new RingWriter(this.#ring, perf);
    this.#policy = new WakeupPolicy(nowMs);
    this.#lookUntilMs = nowMs + SWITCH_GRACE_MS;
    this.#useWakeup();
  }

  get stalled(): boolean {
    return this.#writer.stalled;
  }

  /** Blocks until the main thread has made room. */
  waitForRoom(timeoutMs: number): void {
    this.#ring.waitForRoom(timeoutMs);
  }

  /** Whether records may come without a wake-up. */
  needsLooking(nowMs: number): boolean {
    return this.#policy.watermark || nowMs < this.#lookUntilMs;
  }

  /** @returns whether anything was published. */
  drain(nowMs: number): boolean {
    const moved = this.#writer.drain();
    if (this.#policy.note(this.#writer.records, nowMs)) {
      this.#lookUntilMs = nowMs + SWITCH_GRACE_MS;
      Atomics.add(this.#ring.slots, RingSlot.SWITCH_COUNT, 1);
      this.#useWakeup();
    }
    return moved > 0;
  }

  noteDead(): void {
    this.#dead = true;
    Atomics.store(this.#ring.slots, RingSlot.HUNG_UP, 1);
  }

  /** Touches the ring no more. */
  close(): void {
    this.#memory.detach();
  }

  #useWakeup(): void {
    const { watermark } = this.#policy;
    Atomics.store(this.#ring.slots, RingSlot.WATERMARK, watermark ? 1 : 0);
    if (this.#grant.retired || this.#dead) return;
    const { elements, recordsMapFd } = this.#options;
    const eventFd = watermark ? this.#grant.watermarkFd : this.#grant.eachFd;
    setRecordsSlot(elements, recordsMapFd, this.#grant.cpu, eventFd);
  }
}
