/**
 * Names within a DNS message, with compression. One reader serves all messages; it never throws.
 *
 * @module
 */
import { type DnsProblem, HEADER_SIZE } from "./dns_message.ts";

/** Bytes of a name with the sizes of its labels and the root (RFC 1035, 2.3.4). */
const NAME_SIZE_MAX = 255;
/** Labels of one byte, and as many pointers as there can be labels. */
const POINTERS_MAX = 127;
/** Every byte may need four characters. */
const SCRATCH_SIZE = NAME_SIZE_MAX * 4;

/** Names of one message that are not read twice. */
const KNOWN_MAX = 8;

const POINTER = 0xc0;
const LABEL_MAX = 0x3f;
const DOT = 0x2e;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const FIRST_PRINTABLE = 0x21;
const LAST_PRINTABLE = 0x7e;

/** Reads names. What it found is in its fields until the next call. */
export class NameReader {
  #bytes: Uint8Array = new Uint8Array();
  readonly #scratch = new Uint8Array(SCRATCH_SIZE);
  #size = 0;
  /** Names that were read, by the place of their first label: most records point to one of them. */
  readonly #knownAt = new Uint16Array(KNOWN_MAX);
  readonly #known: string[] = [];
  /** Why there is no name; "" when there is one. */
  problem: DnsProblem | "" = "";
  /** Where the name ends in the message, pointers left aside. */
  end = 0;
  /** Labels and pointers that were followed since `open()`. */
  steps = 0;

  /** Names are read from `bytes` from now on. */
  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.problem = "";
    this.steps = 0;
    this.#known.length = 0;
  }

  /**
   * Follows the name at `at`. Pointers must go back, each before the place that the last one came
   * from or led to: so they end, whatever is in the message.
   */
  skip(at: number): boolean {
    return this.#follow(at, false);
  }

  /**
   * The name at `at` as RFC 4343 writes it, without a dot at its end; "." for the root; undefined
   * when it is none.
   */
  read(at: number): string | undefined {
    const first = this.#firstLabel(at);
    for (let i = 0; first !== at && i < this.#known.length; i++) {
      if (this.#knownAt[i] !== first) continue;
      this.steps++;
      this.end = at + 2;
      return this.#known[i];
    }
    if (!this.#follow(at, true)) return undefined;
    const name = this.#size === 0 ? "." : textOf(this.#scratch, this.#size);
    if (this.#known.length < KNOWN_MAX) {
      this.#knownAt[this.#known.length] = first;
      this.#known.push(name);
    }
    return name;
  }

  /** Where a pointer at `at` leads to, if it is one and leads back; else `at`. */
  #firstLabel(at: number): number {
    const [high, low] = [this.#bytes[at], this.#bytes[at + 1]];
    if (high === undefined || low === undefined || high < POINTER) return at;
    return Math.min(at, (high & LABEL_MAX) << 8 | low);
  }

  #follow(start: number, keeps: boolean): boolean {
    const bytes = this.#bytes;
    let [at, floor, end, nameSize, pointers] = [start, start, -1, 1, 0];
    this.#size = 0;
    for (;;) {
      this.steps++;
      const length = bytes[at];
      if (length === undefined) return this.#fail("ends_early");
      if (length === 0) break;
      if (length >= POINTER) {
        const low = bytes[at + 1];
        if (low === undefined) return this.#fail("ends_early");
        const target = (length & LABEL_MAX) << 8 | low;
        if (target < HEADER_SIZE || target >= floor) return this.#fail("pointer");
        if (++pointers > POINTERS_MAX) return this.#fail("pointer_count");
        if (end < 0) end = at + 2;
        floor = at = target;
        continue;
      }
      if (length > LABEL_MAX) return this.#fail("label_type");
      nameSize += length + 1;
      if (nameSize > NAME_SIZE_MAX) return this.#fail("name_size");
      if (at + 1 + length > bytes.length) return this.#fail("ends_early");
      if (keeps) this.#append(at + 1, length);
      at += 1 + length;
    }
    this.end = end < 0 ? at + 1 : end;
    return true;
  }

  #append(at: number, length: number): void {
    const [bytes, scratch] = [this.#bytes, this.#scratch];
    let size = this.#size;
    if (size > 0) scratch[size++] = DOT;
    for (let i = at; i < at + length; i++) {
      const byte = bytes[i]!;
      if (byte === DOT || byte === BACKSLASH) {
        scratch[size++] = BACKSLASH;
        scratch[size++] = byte;
      } else if (byte >= FIRST_PRINTABLE && byte <= LAST_PRINTABLE) {
        scratch[size++] = byte;
      } else {
        size = appendNumber(scratch, size, byte);
      }
    }
    this.#size = size;
  }

  #fail(problem: DnsProblem): false {
    this.problem = problem;
    return false;
  }
}

/** `\DDD` for a byte that is no printable character; the new size. */
function appendNumber(scratch: Uint8Array, size: number, byte: number): number {
  scratch[size] = BACKSLASH;
  scratch[size + 1] = ZERO + Math.floor(byte / 100);
  scratch[size + 2] = ZERO + Math.floor(byte / 10) % 10;
  scratch[size + 3] = ZERO + byte % 10;
  return size + 4;
}

/** A flat string: one that was put together of pieces would keep all of them. */
function textOf(scratch: Uint8Array, size: number): string {
  return String.fromCharCode.apply(null, scratch.subarray(0, size) as unknown as number[]);
}
