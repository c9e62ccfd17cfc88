/**
 * Random DNS messages, with what a reader must make of them.
 *
 * @module
 */
import {
  type DataPart,
  encodeMessage,
  type Labels,
  numbers,
  type RecordSpec,
} from "./dns_encoder.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** A record and its data as text. */
interface RandomRecord {
  readonly spec: RecordSpec;
  readonly typeName: string;
  readonly text: string;
}

/** What was encoded. */
export interface RandomMessage {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly { readonly name: string; readonly type: string }[];
  readonly answers: readonly {
    readonly name: string;
    readonly type: string;
    readonly ttl: number;
    readonly data: string;
  }[];
}

/** A message without faults, within all bounds. */
export function randomMessage(random: SeededRandom): RandomMessage {
  const names = Array.from({ length: 1 + random.below(4) }, () => randomName(random));
  const name = () => names[random.below(names.length)]!;
  const id = random.below(0x1_0000);
  // Neither TC nor an opcode that means other records.
  const flags = random.below(0x1_0000) & 0x85ff;
  const questions = Array.from({ length: random.below(3) }, () => ({ name: name(), type: 28 }));
  const records = Array.from({ length: random.below(6) }, () => randomRecord(random, name));
  const rest = () => Array.from({ length: random.below(3) }, () => randomRecord(random, name).spec);
  return {
    bytes: encodeMessage({
      ...{ id, flags, questions, isCompressed: random.chance(0.7) },
      ...{ answers: records.map(({ spec }) => spec), authorities: rest(), additionals: rest() },
    }),
    id,
    flags,
    questions: questions.map(({ name }) => ({ name: nameText(name), type: "AAAA" })),
    answers: records.map(({ spec, typeName, text }) => ({
      ...{ name: nameText(spec.name), type: typeName, ttl: spec.ttl!, data: text },
    })),
  };
}

/** Bytes that differ from `bytes` in some places; they may also be fewer or more. */
export function mutated(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  let out = bytes.slice();
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(out.length + 1);
    const kind = random.below(6);
    if (kind === 0) out = out.slice(0, at);
    else if (kind === 1) out = joined(out.subarray(0, at), out.subarray(at + 1));
    else if (kind === 2) out = joined(out, out.subarray(at));
    else if (kind === 3 && at < out.length) out[at] = 0xc0;
    else if (kind === 4 && at < out.length) out[at]! ^= 1 << random.below(8);
    else if (at < out.length) out[at] = random.below(256);
  }
  return out;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

function randomName(random: SeededRandom): Labels {
  return Array.from({ length: random.below(5) }, () => {
    const size = random.chance(0.05) ? 1 + random.below(60) : 1 + random.below(8);
    const isText = random.chance(0.8);
    return Uint8Array.from(
      { length: size },
      () => isText ? 0x61 + random.below(26) : random.below(256),
    );
  });
}

function randomRecord(random: SeededRandom, name: () => Labels): RandomRecord {
  const [owner, target] = [name(), name()];
  const make = (type: number, typeName: string, data: DataPart[], text: string) => ({
    spec: { name: owner, type, ttl: random.below(0x8000_0000), data },
    ...{ typeName, text },
  });
  const [a, b, c] = [random.below(0x1_0000), random.below(0x1_0000), random.below(0x1_0000)];
  const [a2, b2, c2] = [[a, 2], [b, 2], [c, 2]] as const;
  switch (random.below(8)) {
    case 0:
      return make(1, "A", [numbers(a2, b2)], `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`);
    case 1: {
      const groups = [a, b, c, a, b, c, a, b].map((group) => group | 1);
      const bytes = numbers(...groups.map((group) => [group, 2] as const));
      return make(28, "AAAA", [bytes], groups.map((group) => group.toString(16)).join(":"));
    }
    case 2:
      return make(5, "CNAME", [target], nameText(target));
    case 3:
      return make(15, "MX", [numbers(a2), target], `${a} ${nameText(target)}`);
    case 4:
      return make(33, "SRV", [numbers(a2, b2, c2), target], `${a} ${b} ${c} ${nameText(target)}`);
    case 5: {
      const text = `t${a}`;
      const bytes = new TextEncoder().encode(text);
      return make(16, "TXT", [Uint8Array.of(bytes.length, ...bytes)], `"${text}"`);
    }
    case 6: {
      const data = [target, target, numbers([a, 4], [b, 4], [c, 4], [1, 4], [2, 4])];
      const host = nameText(target);
      return make(6, "SOA", data, `${host} ${host} ${a} ${b} ${c} 1 2`);
    }
    default:
      return make(4000 + (a & 63), `TYPE${4000 + (a & 63)}`, [numbers(b2)], "");
  }
}

/** Written anew, so that the parser is not held against itself. */
function nameText(name: Labels): string {
  if (name.length === 0) return ".";
  return name.map((label) =>
    [...label].map((byte) => {
      const character = String.fromCharCode(byte);
      if (/[.\\]/.test(character)) return `\\${character}`;
      return /[!-~]/.test(character) ? character : `\\${String(byte).padStart(3, "0")}`;
    }).join("")
  ).join(".");
}
