/**
 * Makes DNS messages for tests. It shares no code with the parser.
 *
 * @module
 */

/** A name as its labels. */
export type Labels = readonly Uint8Array[];

/** Data of a record: bytes and names in the order that the type wants. */
export type DataPart = Uint8Array | Labels;

export interface RecordSpec {
  readonly name: Labels;
  readonly type: number;
  readonly classCode?: number;
  readonly ttl?: number;
  readonly data: readonly DataPart[];
}

export interface MessageSpec {
  readonly id?: number;
  /** All sixteen bits. */
  readonly flags?: number;
  readonly questions?: readonly { readonly name: Labels; readonly type: number }[];
  readonly answers?: readonly RecordSpec[];
  readonly authorities?: readonly RecordSpec[];
  readonly additionals?: readonly RecordSpec[];
  /** Names that came before are pointed to. */
  readonly isCompressed?: boolean;
}

/** "www.example.com" as labels; "" is the root. */
export function labels(name: string): Labels {
  if (name === "") return [];
  return name.split(".").map((label) => new TextEncoder().encode(label));
}

/** Numbers as bytes in network order: `[value, size]` each. */
export function numbers(...parts: readonly (readonly [value: number, size: number])[]): Uint8Array {
  const bytes: number[] = [];
  for (const [value, size] of parts) {
    for (let i = size - 1; i >= 0; i--) bytes.push(Math.floor(value / 2 ** (8 * i)) % 256);
  }
  return Uint8Array.from(bytes);
}

/** The message as bytes. */
export function encodeMessage(spec: MessageSpec): Uint8Array<ArrayBuffer> {
  const { questions = [], answers = [], authorities = [], additionals = [] } = spec;
  const out = new MessageWriter(spec.isCompressed ?? false);
  out.numbers([spec.id ?? 0, 2], [spec.flags ?? 0, 2], [questions.length, 2]);
  out.numbers([answers.length, 2], [authorities.length, 2], [additionals.length, 2]);
  for (const { name, type } of questions) {
    out.name(name);
    out.numbers([type, 2], [1, 2]);
  }
  for (const record of [...answers, ...authorities, ...additionals]) out.record(record);
  return Uint8Array.from(out.bytes);
}

/** With its length before it, as TCP has it. */
export function framed(message: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([message.length >> 8, message.length & 0xff, ...message]);
}

class MessageWriter {
  readonly bytes: number[] = [];
  readonly #isCompressed: boolean;
  readonly #places = new Map<string, number>();

  constructor(isCompressed: boolean) {
    this.#isCompressed = isCompressed;
  }

  numbers(...parts: readonly (readonly [value: number, size: number])[]): void {
    this.bytes.push(...numbers(...parts));
  }

  name(name: Labels): void {
    for (let i = 0; i < name.length; i++) {
      const rest = name.slice(i).map((label) => [...label].join()).join("/");
      const known = this.#places.get(rest);
      if (this.#isCompressed && known !== undefined) {
        this.numbers([0xc000 | known, 2]);
        return;
      }
      if (this.bytes.length < 0x4000) this.#places.set(rest, this.bytes.length);
      this.bytes.push(name[i]!.length, ...name[i]!);
    }
    this.bytes.push(0);
  }

  record({ name, type, classCode = 1, ttl = 0, data }: RecordSpec): void {
    this.name(name);
    this.numbers([type, 2], [classCode, 2], [ttl, 4], [0, 2]);
    const at = this.bytes.length;
    for (const part of data) {
      if (part instanceof Uint8Array) this.bytes.push(...part);
      else this.name(part);
    }
    const size = this.bytes.length - at;
    this.bytes.splice(at - 2, 2, size >> 8, size & 0xff);
  }
}
