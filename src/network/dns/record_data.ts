/**
 * The data of records as text, in the form that zone files have.
 *
 * @module
 */
import { ipv4Text, ipv6Text } from "./address_text.ts";
import type { DnsProblem } from "./dns_message.ts";
import type { NameReader } from "./name_reader.ts";

/** Numbers of types whose data is read. */
export const RecordType = {
  ...{ A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33, DNAME: 39 },
  ...{ OPT: 41, SVCB: 64, HTTPS: 65 },
} as const;

const CLASS_IN = 1;
/** mDNS has a flag in the upper bit (RFC 6762, 10.2). */
const CLASS_MASK = 0x7fff;
/** Bytes of a TXT record that are shown; keys of mail are some hundred. */
const TXT_SIZE_MAX = 1024;

const A_SIZE = 4;
const AAAA_SIZE = 16;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Where a record's data is. */
export interface RecordPlace {
  readonly type: number;
  readonly classCode: number;
  readonly at: number;
  readonly size: number;
}

/** Reads the data of records whose bytes are all there. */
export class RecordData {
  readonly #names: NameReader;
  #bytes: Uint8Array = new Uint8Array();
  /** Why `read()` gave nothing. */
  problem: DnsProblem | "" = "";

  constructor(names: NameReader) {
    this.#names = names;
  }

  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.problem = "";
  }

  /** "" for types that are not read; undefined when the data is not what the type says. */
  read(place: RecordPlace): string | undefined {
    const { type, at, size } = place;
    const isInternet = (place.classCode & CLASS_MASK) === CLASS_IN;
    switch (type) {
      case RecordType.A:
        if (!isInternet) return "";
        return size === A_SIZE ? ipv4Text(this.#bytes, at) : this.#fail();
      case RecordType.AAAA:
        if (!isInternet) return "";
        return size === AAAA_SIZE ? ipv6Text(this.#bytes, at) : this.#fail();
      case RecordType.CNAME:
      case RecordType.NS:
      case RecordType.PTR:
      case RecordType.DNAME:
        return this.#nameAfter("", place, 0);
      case RecordType.MX:
        if (size < 2) return this.#fail();
        return this.#nameAfter(`${this.#u16(at)} `, place, 2);
      case RecordType.SRV:
        if (size < 6) return this.#fail();
        return this.#nameAfter(
          `${this.#u16(at)} ${this.#u16(at + 2)} ${this.#u16(at + 4)} `,
          place,
          6,
        );
      case RecordType.SVCB:
      case RecordType.HTTPS:
        return this.#service(place);
      case RecordType.SOA:
        return this.#authority(place);
      case RecordType.TXT:
        return this.#texts(place);
      default:
        return "";
    }
  }

  /** The rest of the data is one name. */
  #nameAfter(prefix: string, { at, size }: RecordPlace, skipped: number): string | undefined {
    const name = this.#name(at + skipped);
    if (name === undefined) return undefined;
    return this.#names.end === at + size ? prefix + name : this.#fail();
  }

  /** Priority and target; parameters are not read. */
  #service({ at, size }: RecordPlace): string | undefined {
    if (size < 3) return this.#fail();
    const target = this.#name(at + 2);
    if (target === undefined) return undefined;
    return this.#names.end <= at + size ? `${this.#u16(at)} ${target}` : this.#fail();
  }

  #authority({ at, size }: RecordPlace): string | undefined {
    const server = this.#name(at);
    if (server === undefined) return undefined;
    const mailbox = this.#name(this.#names.end);
    if (mailbox === undefined) return undefined;
    const { end } = this.#names;
    if (end + 20 !== at + size) return this.#fail();
    const numbers = [0, 4, 8, 12, 16].map((offset) => this.#u32(end + offset));
    return `${server} ${mailbox} ${numbers.join(" ")}`;
  }

  #texts({ at, size }: RecordPlace): string | undefined {
    const bytes = this.#bytes;
    const end = at + size;
    let text = "";
    for (let next = at; next < end;) {
      const stop = next + 1 + bytes[next]!;
      if (stop > end) return this.#fail();
      const shown = Math.min(stop, at + TXT_SIZE_MAX);
      if (next < shown) text += `${text === "" ? "" : " "}${quoted(bytes, next + 1, shown)}`;
      next = stop;
    }
    return text;
  }

  #name(at: number): string | undefined {
    const name = this.#names.read(at);
    if (name === undefined) this.problem = this.#names.problem;
    return name;
  }

  #fail(): undefined {
    this.problem = "record_size";
    return undefined;
  }

  #u16(at: number): number {
    return this.#bytes[at]! << 8 | this.#bytes[at + 1]!;
  }

  #u32(at: number): number {
    return (this.#u16(at) * 0x1_0000) + this.#u16(at + 2);
  }
}

function quoted(bytes: Uint8Array, from: number, to: number): string {
  let text = '"';
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    if (byte === QUOTE || byte === BACKSLASH) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte <= 0x7e) text += String.fromCharCode(byte);
    else text += `\\${String(byte).padStart(3, "0")}`;
  }
  return `${text}"`;
}
