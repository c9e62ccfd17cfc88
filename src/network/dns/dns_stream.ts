/**
 * One direction of a TCP connection that carries DNS messages, each after its length (RFC 7766).
 *
 * Bytes are taken in the order of their sequence numbers. Bytes that are missing cost the messages
 * that they were part of, and no others as long as it is known where the next one begins. When that
 * is not known, the next segment that consists of whole messages begins anew.
 *
 * @module
 */
import type { DnsSeen } from "../../events/mod.ts";
import { HEADER_SIZE, QUESTIONS_MAX } from "./dns_message.ts";

/** Segments that wait for one before them, at most. */
const WAITING_MAX = 32;
/** And their bytes. */
const WAITING_SIZE_MAX = 65_536;
/** No window is larger; numbers further apart are those of another connection. */
const DISTANCE_MAX = 1 << 24;

const PREFIX_SIZE = 2;
const HELD_SIZE_MIN = 512;
const NOTHING = new Uint8Array();

/** A message and the segment that it ended with. */
export interface StreamedMessage {
  readonly fact: DnsSeen;
  readonly payload: Uint8Array;
  /** More than `payload` has when the rest was lost. */
  readonly size: number;
}

/** What is lost, in the words of the counter. */
export type StreamLoss = "gap" | "unsynced" | "ended";

/** What a stream gives. */
export interface StreamOutlet {
  emit(message: StreamedMessage): void;
  lose(loss: StreamLoss): void;
}

/** Bytes that came before those they follow. */
interface Segment {
  readonly fact: DnsSeen;
  readonly sequence: number;
  readonly payload: Uint8Array;
  readonly size: number;
}

/** Takes segments, gives messages. */
export class DnsStream {
  /** Sequence number of what is to come; undefined before the first segment. */
  #next: number | undefined;
  #start: number | undefined;
  /** It is known where a message begins. */
  #isSynced = false;
  /** The beginning of a message, with its length. */
  #held: Uint8Array = NOTHING;
  #heldSize = 0;
  /** Bytes to come of a message that was given without them. */
  #unwanted = 0;
  /** In the order of their numbers. */
  #waiting: Segment[] = [];
  #waitingSize = 0;
  #isEnded = false;

  /** Memory that it keeps. */
  get keptSize(): number {
    return this.#held.length + this.#waitingSize;
  }

  /** It waits for bytes that others came before. */
  get hasGap(): boolean {
    return this.#waiting.length > 0;
  }

  /** Something would be lost with it. */
  get isUnfinished(): boolean {
    return this.#heldSize > 0 || this.hasGap;
  }

  take(fact: DnsSeen, outlet: StreamOutlet): void {
    const { sequence, payload, size, isEnd } = fact;
    this.#begin(fact, outlet);
    if (this.#isEnded) return;
    if (size > 0) {
      if (distance(sequence, this.#next!) > 0) this.#wait({ fact, sequence, payload, size });
      else this.#consume({ fact, sequence, payload, size }, outlet);
      this.#drain(outlet);
      while (this.#waiting.length > WAITING_MAX || this.#waitingSize > WAITING_SIZE_MAX) {
        this.giveUpGap(outlet);
      }
    }
    if (isEnd && !this.hasGap) this.#end(fact, outlet);
  }

  /** What is missing does not come any more. */
  giveUpGap(outlet: StreamOutlet): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#miss(distance(first.sequence, this.#next!), first.fact, outlet);
    this.#drain(outlet);
  }

  /** Sets where it begins, if this is the beginning of the connection, or of what is seen of it. */
  #begin({ sequence, isStart }: DnsSeen, outlet: StreamOutlet): void {
    const isAnother = isStart && this.#start !== sequence;
    const isFar = this.#next !== undefined && !this.#isEnded &&
      Math.abs(distance(sequence, this.#next)) > DISTANCE_MAX;
    if (this.#next !== undefined && !isAnother && !isFar) return;
    if (this.isUnfinished) outlet.lose("gap");
    this.#next = sequence;
    this.#start = isStart ? sequence : undefined;
    this.#isSynced = isStart;
    this.#isEnded = false;
    this.#unwanted = 0;
    this.#waiting = [];
    this.#waitingSize = 0;
    this.#release();
  }

  #wait(segment: Segment): void {
    const { sequence } = segment;
    const behind = this.#waiting.findIndex((each) => distance(each.sequence, sequence) >= 0);
    const same = this.#waiting[behind];
    // Sent again while it waits.
    if (same?.sequence === sequence && same.size >= segment.size) return;
    const payload = segment.payload.slice();
    const copy = { ...segment, payload, fact: { ...segment.fact, payload } };
    this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, copy);
    this.#waitingSize += payload.length;
  }

  #drain(outlet: StreamOutlet): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || distance(first.sequence, this.#next!) > 0) return;
      this.#waiting.shift();
      this.#waitingSize -= first.payload.length;
      this.#consume(first, outlet);
    }
  }

  /** A segment that begins at `#next`, or before it where it was sent again. */
  #consume({ fact, sequence, payload, size }: Segment, outlet: StreamOutlet): void {
    const old = distance(this.#next!, sequence);
    if (old >= size) return;
    const bytes = payload.subarray(Math.min(old, payload.length));
    const newSize = size - old;
    this.#next = (this.#next! + bytes.length) >>> 0;
    if (!this.#isSynced) {
      this.#isSynced = isWholeMessages(bytes, newSize);
      if (!this.#isSynced) outlet.lose("unsynced");
    }
    if (this.#isSynced) this.#frame(bytes, fact, outlet);
    if (newSize > bytes.length) this.#miss(newSize - bytes.length, fact, outlet);
  }

  #frame(bytes: Uint8Array, fact: DnsSeen, outlet: StreamOutlet): void {
    let at = Math.min(this.#unwanted, bytes.length);
    this.#unwanted -= at;
    while (at < bytes.length && this.#isSynced) {
      const left = bytes.length - at;
      const size = left < PREFIX_SIZE ? -1 : bytes[at]! << 8 | bytes[at + 1]!;
      if (this.#heldSize > 0 || size < 0 || left < PREFIX_SIZE + size) {
        at += this.#hold(bytes.subarray(at), fact, outlet);
        continue;
      }
      this.#emit(bytes.subarray(at + PREFIX_SIZE, at + PREFIX_SIZE + size), size, fact, outlet);
      at += PREFIX_SIZE + size;
    }
  }

  /** Keeps what belongs to the message that has begun, and gives the message when it is whole. */
  #hold(bytes: Uint8Array, fact: DnsSeen, outlet: StreamOutlet): number {
    const isPrefix = this.#heldSize < PREFIX_SIZE;
    const wanted = isPrefix ? PREFIX_SIZE : PREFIX_SIZE + this.#messageSize();
    const taken = Math.min(wanted - this.#heldSize, bytes.length);
    this.#append(bytes.subarray(0, taken));
    if (this.#heldSize >= PREFIX_SIZE && this.#heldSize === PREFIX_SIZE + this.#messageSize()) {
      this.#emitHeld(fact, outlet);
    }
    return taken;
  }

  #append(bytes: Uint8Array): void {
    const size = this.#heldSize + bytes.length;
    if (size > this.#held.length) {
      const grown = new Uint8Array(Math.max(HELD_SIZE_MIN, size, 2 * this.#held.length));
      grown.set(this.#held.subarray(0, this.#heldSize));
      this.#held = grown;
    }
    this.#held.set(bytes, this.#heldSize);
    this.#heldSize = size;
  }

  #messageSize(): number {
    return this.#held[0]! << 8 | this.#held[1]!;
  }

  /** Its memory goes with it. */
  #emitHeld(fact: DnsSeen, outlet: StreamOutlet): void {
    const size = this.#messageSize();
    const payload = this.#held.subarray(PREFIX_SIZE, this.#heldSize);
    this.#release();
    this.#emit(payload, size, fact, outlet);
  }

  #emit(payload: Uint8Array, size: number, fact: DnsSeen, outlet: StreamOutlet): void {
    // What begins with this is no DNS, and what follows would be read at the wrong place.
    if (size < HEADER_SIZE) this.#isSynced = false;
    outlet.emit({ fact, payload, size });
  }

  /** `size` bytes at `#next` do not come. */
  #miss(size: number, fact: DnsSeen, outlet: StreamOutlet): void {
    this.#next = (this.#next! + size) >>> 0;
    if (!this.#isSynced) return;
    if (this.#unwanted > 0) {
      this.#missUnwanted(size);
      return;
    }
    outlet.lose("gap");
    if (this.#heldSize < PREFIX_SIZE) {
      this.#isSynced = false;
      this.#release();
      return;
    }
    this.#unwanted = PREFIX_SIZE + this.#messageSize() - this.#heldSize;
    this.#emitHeld(fact, outlet);
    this.#missUnwanted(size);
  }

  #missUnwanted(size: number): void {
    this.#isSynced &&= size <= this.#unwanted;
    this.#unwanted = this.#isSynced ? this.#unwanted - size : 0;
  }

  #end(fact: DnsSeen, outlet: StreamOutlet): void {
    this.#isEnded = true;
    if (this.#heldSize === 0) return;
    outlet.lose("ended");
    if (this.#heldSize >= PREFIX_SIZE) this.#emitHeld(fact, outlet);
    this.#release();
  }

  #release(): void {
    this.#held = NOTHING;
    this.#heldSize = 0;
  }
}

/** How far `a` is after `b`, modulo 2^32. */
function distance(a: number, b: number): number {
  return (a - b) | 0;
}

/** Nothing but messages, as far as lengths and headers tell. */
function isWholeMessages(bytes: Uint8Array, size: number): boolean {
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < PREFIX_SIZE + HEADER_SIZE) return false;
    const messageSize = bytes[at]! << 8 | bytes[at + 1]!;
    if (messageSize < HEADER_SIZE || !isHeader(bytes, at + PREFIX_SIZE)) return false;
    at += PREFIX_SIZE + messageSize;
  }
  return at === size;
}

function isHeader(bytes: Uint8Array, at: number): boolean {
  const opcode = bytes[at + 2]! >> 3 & 0xf;
  const isReserved = (bytes[at + 3]! & 0x40) !== 0;
  const questionCount = bytes[at + 4]! << 8 | bytes[at + 5]!;
  return opcode <= 6 && !isReserved && questionCount <= QUESTIONS_MAX;
}
