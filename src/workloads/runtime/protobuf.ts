/**
 * The protobuf wire format, as far as our messages use it: varints and length-delimited fields.
 * Fields of other numbers are skipped, so newer servers do no harm.
 *
 * @module
 */

/** Wire types. */
const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** A varint of 64 bits has ten bytes at most. */
const VARINT_SIZE_MAX = 10;

/** The bytes are no message. */
export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
}

/** One field: a number for varints, bytes for the rest. */
export interface ProtobufField {
  readonly number: number;
  /** Value of a varint; 0n for the others. */
  readonly value: bigint;
  /** Content of a length-delimited field (a view); empty for the others. */
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** The fields of a message, in order. Throws ProtobufError when it is cut or malformed. */
export function* fieldsOf(message: Uint8Array): Generator<ProtobufField> {
  const reader = new ByteReader(message);
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    const number = Number(tag >> 3n);
    if (number === 0 || number > 0x1fff_ffff) throw new ProtobufError(`Field number ${number}`);
    switch (Number(tag & 7n)) {
      case VARINT:
        yield { number, value: reader.varint(), bytes: NO_BYTES };
        break;
      case LENGTH_DELIMITED:
        yield { number, value: 0n, bytes: reader.take(reader.varint()) };
        break;
      case FIXED64:
        reader.take(8n);
        break;
      case FIXED32:
        reader.take(4n);
        break;
      default:
        throw new ProtobufError(`Wire type ${tag & 7n}`);
    }
  }
}

class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let count = 0; count < VARINT_SIZE_MAX; count++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new ProtobufError("Message ends in a number");
      this.#at += 1;
      value |= BigInt(byte & 0x7f) << BigInt(7 * count);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError("Number of more than ten bytes");
  }

  take(size: bigint): Uint8Array {
    if (size > BigInt(this.#bytes.length - this.#at)) {
      throw new ProtobufError("Message ends in a field");
    }
    const from = this.#at;
    this.#at += Number(size);
    return this.#bytes.subarray(from, this.#at);
  }
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Text of a length-delimited field. */
export function textOf(field: ProtobufField): string {
  return decoder.decode(field.bytes);
}

/** Value of a signed 64-bit field. */
export function int64Of(field: ProtobufField): bigint {
  return BigInt.asIntN(64, field.value);
}

/** Key and value of an entry of `map<string, string>`. */
export function entryOf(field: ProtobufField): readonly [string, string] {
  let key = "";
  let value = "";
  for (const part of fieldsOf(field.bytes)) {
    if (part.number === 1) key = textOf(part);
    else if (part.number === 2) value = textOf(part);
  }
  return [key, value];
}

/** Builds a message, field by field. Empty texts are left out, as proto3 does. */
export class ProtobufWriter {
  readonly #bytes: number[] = [];

  text(number: number, text: string): this {
    return text === "" ? this : this.bytes(number, encoder.encode(text));
  }

  bytes(number: number, bytes: Uint8Array): this {
    this.#varint(BigInt(number) << 3n | BigInt(LENGTH_DELIMITED));
    this.#varint(BigInt(bytes.length));
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  flag(number: number, isSet: boolean): this {
    return isSet ? this.varint(number, 1n) : this;
  }

  varint(number: number, value: bigint): this {
    this.#varint(BigInt(number) << 3n | BigInt(VARINT));
    this.#varint(BigInt.asUintN(64, value));
    return this;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #varint(number: bigint): void {
    let rest = number;
    while (rest > 0x7fn) {
      this.#bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#bytes.push(Number(rest));
  }
}
