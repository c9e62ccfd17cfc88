/**
 * D-Bus messages: method calls with text arguments out, replies with one text in. Numbers are
 * little endian in what we write and of either order in what we read.
 *
 * @module
 */

/** Types of messages. */
export const DbusType = { methodCall: 1, methodReturn: 2, error: 3, signal: 4 } as const;

/** Codes of header fields. */
const FIELD = {
  path: 1,
  interface: 2,
  member: 3,
  errorName: 4,
  replySerial: 5,
  destination: 6,
  signature: 8,
} as const;

/** Bytes before the array of header fields, its length included. */
export const FIXED_HEADER_SIZE = 16;
/** The bus must start no service for us: we only ask what runs. */
const NO_AUTO_START = 2;
const PROTOCOL_VERSION = 1;
const LITTLE_ENDIAN = "l".charCodeAt(0);
const BIG_ENDIAN = "B".charCodeAt(0);

/** The bytes are no message we can read. */
export class DbusMessageError extends Error {
  override readonly name = "DbusMessageError";
}

/** A call. */
export interface DbusCall {
  readonly serial: number;
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly arguments: readonly string[];
}

/** A message that came. */
export interface DbusMessage {
  readonly type: number;
  /** Serial of the call it answers; 0 for none. */
  readonly replySerial: number;
  readonly errorName: string;
  /** First argument, when it is a text, an object path or a variant with one. */
  readonly text: string | undefined;
}

/** The call as bytes. */
export function encodeCall(call: DbusCall): Uint8Array {
  const body = new Marshaller();
  for (const argument of call.arguments) body.text(argument);
  const fields = new Marshaller();
  fields.field(FIELD.path, "o", call.path);
  fields.field(FIELD.interface, "s", call.interface);
  fields.field(FIELD.member, "s", call.member);
  fields.field(FIELD.destination, "s", call.destination);
  if (call.arguments.length > 0) {
    fields.field(FIELD.signature, "g", "s".repeat(call.arguments.length));
  }
  const message = new Marshaller();
  message.bytes([LITTLE_ENDIAN, DbusType.methodCall, NO_AUTO_START, PROTOCOL_VERSION]);
  message.u32(body.size);
  message.u32(call.serial);
  message.u32(fields.size);
  message.bytes(fields.finish());
  message.align(8);
  message.bytes(body.finish());
  return message.finish();
}

/** Whole size of the message whose first 16 bytes are given. Throws DbusMessageError. */
export function messageSize(start: Uint8Array): number {
  const reader = new Unmarshaller(start);
  const bodySize = reader.u32At(4);
  const fieldsSize = reader.u32At(12);
  return alignUp(FIXED_HEADER_SIZE + fieldsSize, 8) + bodySize;
}

/** Reads one whole message. Throws DbusMessageError. */
export function decodeMessage(bytes: Uint8Array): DbusMessage {
  const reader = new Unmarshaller(bytes);
  const type = reader.byteAt(1);
  const fieldsEnd = FIXED_HEADER_SIZE + reader.u32At(12);
  let replySerial = 0;
  let errorName = "";
  let signature = "";
  reader.at = FIXED_HEADER_SIZE;
  while (reader.at < fieldsEnd) {
    reader.align(8);
    const code = reader.byte();
    const value = reader.variant();
    if (code === FIELD.replySerial && typeof value === "number") replySerial = value;
    else if (code === FIELD.errorName && typeof value === "string") errorName = value;
    else if (code === FIELD.signature && typeof value === "string") signature = value;
  }
  reader.at = alignUp(fieldsEnd, 8);
  const value = isReadable(signature[0]) ? reader.value(signature[0]) : undefined;
  return { type, replySerial, errorName, text: typeof value === "string" ? value : undefined };
}

function alignUp(at: number, to: number): number {
  return Math.ceil(at / to) * to;
}

function isReadable(type: string | undefined): type is string {
  return type !== undefined && "sogvuy".includes(type);
}

class Marshaller {
  readonly #bytes: number[] = [];

  get size(): number {
    return this.#bytes.length;
  }

  align(to: number): void {
    while (this.#bytes.length % to !== 0) this.#bytes.push(0);
  }

  bytes(bytes: Iterable<number>): void {
    for (const byte of bytes) this.#bytes.push(byte);
  }

  u32(value: number): void {
    this.align(4);
    for (let shift = 0; shift < 32; shift += 8) this.#bytes.push(value >>> shift & 0xff);
  }

  text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u32(bytes.length);
    this.bytes(bytes);
    this.#bytes.push(0);
  }

  #signature(signature: string): void {
    this.#bytes.push(signature.length);
    this.bytes(new TextEncoder().encode(signature));
    this.#bytes.push(0);
  }

  /** A header field: a struct of a code and a variant. */
  field(code: number, type: "o" | "s" | "g", value: string): void {
    this.align(8);
    this.#bytes.push(code);
    this.#signature(type);
    if (type === "g") this.#signature(value);
    else this.text(value);
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

class Unmarshaller {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #isLittleEndian: boolean;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const order = this.byteAt(0);
    if (order !== LITTLE_ENDIAN && order !== BIG_ENDIAN) throw new DbusMessageError("Byte order");
    this.#isLittleEndian = order === LITTLE_ENDIAN;
  }

  byteAt(at: number): number {
    const byte = this.#bytes[at];
    if (byte === undefined) throw new DbusMessageError("The message is cut");
    return byte;
  }

  u32At(at: number): number {
    if (at + 4 > this.#bytes.length) throw new DbusMessageError("The message is cut");
    return this.#view.getUint32(at, this.#isLittleEndian);
  }

  align(to: number): void {
    this.at = alignUp(this.at, to);
  }

  byte(): number {
    const byte = this.byteAt(this.at);
    this.at += 1;
    return byte;
  }

  variant(): string | number {
    const signature = this.#text(this.byte());
    if (signature.length !== 1 || !isReadable(signature)) {
      throw new DbusMessageError(`Variant of type "${signature}"`);
    }
    return this.value(signature);
  }

  /** Recursion ends: each variant takes at least three bytes. */
  value(type: string): string | number {
    switch (type) {
      case "y":
        return this.byte();
      case "g":
        return this.#text(this.byte());
      case "v":
        return this.variant();
      case "u":
        return this.#u32();
      default:
        return this.#text(this.#u32());
    }
  }

  #u32(): number {
    this.align(4);
    const value = this.u32At(this.at);
    this.at += 4;
    return value;
  }

  #text(size: number): string {
    // The closing NUL is not counted in the size.
    if (this.at + size + 1 > this.#bytes.length) throw new DbusMessageError("The message is cut");
    const text = new TextDecoder().decode(this.#bytes.subarray(this.at, this.at + size));
    this.at += size + 1;
    return text;
  }
}
