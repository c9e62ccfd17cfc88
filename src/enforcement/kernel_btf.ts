/**
 * Functions and tracepoints of the running kernel, from its BTF.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** `struct btf_header` and `struct btf_type` (uapi/linux/btf.h); offsets of u32 fields, bytes. */
const HEADER = { headerSize: 4, types: 8, typesSize: 12, strings: 16, stringsSize: 20 } as const;
const HEADER_SIZE = 24;
const BTF_MAGIC = 0xeb9f;
const TYPE_SIZE = 12;
const PARAMETER_SIZE = 8;

const Kind = {
  INT: 1,
  PTR: 2,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  FUNC: 12,
  FUNC_PROTO: 13,
} as const;
/** ENUM64; a kind behind it has a size that we do not know. */
const KIND_MAX = 19;

/** What follows a type of each kind: bytes, and bytes per member. Kinds without an entry: none. */
const KIND_EXTRA: Readonly<Record<number, readonly [number, number]>> = {
  1: [4, 0], // INT
  3: [12, 0], // ARRAY
  4: [0, 12], // STRUCT
  5: [0, 12], // UNION
  6: [0, 8], // ENUM
  13: [0, PARAMETER_SIZE], // FUNC_PROTO
  14: [4, 0], // VAR
  15: [0, 12], // DATASEC
  17: [4, 0], // DECL_TAG
  19: [0, 12], // ENUM64
};

/** Qualifiers in front of a type; more have no end. */
const QUALIFIERS_MAX = 16;

/** Bit of INT's encoding. */
const INT_SIGNED = 1;

/** A function. */
export interface KernelFunction {
  /** Ids of the parameters' types: the same type has the same id everywhere. */
  readonly parameters: readonly number[];
  /** It returns int or long, which is how errors are told. */
  readonly returnsNumber: boolean;
}

/** Types of the kernel itself, without modules. Holds 5 MiB while it is there. */
export class KernelBtf {
  readonly #view: DataView;
  readonly #strings: Buffer;
  /** Where the type with this id stands; id 0 is void. */
  readonly #offsets: number[] = [0];
  #functions: Map<number, number> | undefined;

  /** @throws {RangeError} it is no BTF of this byte order, or has types newer than this program. */
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < HEADER_SIZE || this.#view.getUint16(0, true) !== BTF_MAGIC) {
      throw new RangeError("Cannot read BTF: it is no BTF of this byte order");
    }
    const base = this.#u32(HEADER.headerSize);
    const strings = base + this.#u32(HEADER.strings);
    this.#strings = Buffer.from(bytes.buffer, bytes.byteOffset + strings);
    const end = base + this.#u32(HEADER.types) + this.#u32(HEADER.typesSize);
    for (let at = base + this.#u32(HEADER.types); at < end;) {
      this.#offsets.push(at);
      const kind = this.#kind(at);
      if (kind > KIND_MAX) throw new RangeError(`Cannot read BTF: type of unknown kind ${kind}`);
      const [size, memberSize] = KIND_EXTRA[kind] ?? [0, 0];
      at += TYPE_SIZE + size + this.#memberCount(at) * memberSize;
    }
  }

  /** Undefined: there is none of this name, or it was inlined everywhere. */
  findFunction(name: string): KernelFunction | undefined {
    const found = this.#strings.indexOf(`\0${name}\0`);
    const at = found < 0 ? undefined : this.#functionsByName().get(found + 1);
    return at === undefined ? undefined : this.#prototype(this.#referred(at));
  }

  /** How many arguments a tracepoint passes; undefined: there is none of this name. */
  tracepointArgCount(name: string): number | undefined {
    // typedef void (*btf_trace_NAME)(void *__data, ...);
    const at = this.#find(Kind.TYPEDEF, `btf_trace_${name}`);
    if (at === undefined) return undefined;
    const pointer = this.#offsets[this.#referred(at)] ?? 0;
    const found = this.#prototype(this.#referred(pointer));
    return found === undefined ? undefined : found.parameters.length - 1;
  }

  /** Names of all functions. */
  functionNames(): string[] {
    return this.#names(Kind.FUNC, "");
  }

  /** Names of all tracepoints. */
  tracepointNames(): string[] {
    return this.#names(Kind.TYPEDEF, "btf_trace_");
  }

  #names(kind: number, prefix: string): string[] {
    const names: string[] = [];
    for (const at of this.#offsets) {
      if (at === 0 || this.#kind(at) !== kind) continue;
      const name = this.#string(this.#u32(at));
      if (name.startsWith(prefix)) names.push(name.slice(prefix.length));
    }
    return names;
  }

  #prototype(id: number): KernelFunction | undefined {
    const at = this.#offsets[id];
    if (at === undefined || at === 0 || this.#kind(at) !== Kind.FUNC_PROTO) return undefined;
    const parameters = Array.from(
      { length: this.#memberCount(at) },
      (_, i) => this.#u32(at + TYPE_SIZE + i * PARAMETER_SIZE + 4),
    );
    return { parameters, returnsNumber: this.#isSignedNumber(this.#referred(at)) };
  }

  #isSignedNumber(id: number): boolean {
    const qualifiers: readonly number[] = [Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST];
    for (let i = 0; i < QUALIFIERS_MAX; i++) {
      const at = this.#offsets[id];
      if (at === undefined || at === 0) return false;
      const kind = this.#kind(at);
      if (kind === Kind.INT) {
        return ((this.#u32(at + TYPE_SIZE) >>> 24) & INT_SIGNED) !== 0 && this.#referred(at) >= 4;
      }
      if (!qualifiers.includes(kind)) return false;
      id = this.#referred(at);
    }
    return false;
  }

  /** Offsets of functions by that of their name: lists of functions are looked up one by one. */
  #functionsByName(): ReadonlyMap<number, number> {
    if (this.#functions === undefined) {
      this.#functions = new Map();
      for (const at of this.#offsets) {
        if (at !== 0 && this.#kind(at) === Kind.FUNC) this.#functions.set(this.#u32(at), at);
      }
    }
    return this.#functions;
  }

  /** Offset of a type by kind and name. */
  #find(kind: number, name: string): number | undefined {
    const found = this.#strings.indexOf(`\0${name}\0`);
    if (found < 0) return undefined;
    return this.#offsets.find((at) =>
      at !== 0 && this.#u32(at) === found + 1 && this.#kind(at) === kind
    );
  }

  /** Of INT its size in bytes. */
  #referred(at: number): number {
    return this.#u32(at + 8);
  }

  #kind(at: number): number {
    return (this.#u32(at + 4) >>> 24) & 0x1f;
  }

  #memberCount(at: number): number {
    return this.#u32(at + 4) & 0xffff;
  }

  #string(offset: number): string {
    return this.#strings.toString("latin1", offset, this.#strings.indexOf(0, offset));
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }
}
