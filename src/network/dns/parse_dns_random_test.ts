import assert from "node:assert/strict";
import { mutated, randomMessage } from "../../../tests/support/random_dns.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import {
  ANSWERS_MAX,
  DNS_PROBLEMS,
  type DnsMessage,
  OTHERS_MAX,
  QUESTIONS_MAX,
  TEXT_MAX,
} from "./dns_message.ts";
import { DnsParser } from "./parse_dns.ts";

const GOOD_COUNT = 2_000;
const HOSTILE_COUNT = 100_000;

/** A name takes at most 127 labels, 127 pointers and its end; SOA has two names in its data. */
const STEPS_MAX = (QUESTIONS_MAX + 3 * ANSWERS_MAX + OTHERS_MAX) * 255 +
  QUESTIONS_MAX + ANSWERS_MAX + OTHERS_MAX;
/** One record may be longer than what is left: TXT has 1,024 bytes of at most four characters. */
const RECORD_TEXT_MAX = 6_000;

const parser = new DnsParser();

Deno.test("DnsParser reads random messages back as they were made", () => {
  const random = SeededRandom.fromEnvironment("DNS messages");
  for (let round = 0; round < GOOD_COUNT; round++) {
    const { bytes, id, flags, questions, answers } = randomMessage(random);
    const message = parser.parse(bytes);
    assert(typeof message !== "string", message as string);
    const isResponse = flags >= 0x8000;
    assert.deepEqual([message.id, message.isResponse, message.problem], [id, isResponse, ""]);
    assert.deepEqual(message.questions, questions);
    assert.deepEqual(message.answers, answers);
    assert(!message.isIncomplete && !message.isTruncated);
  }
});

Deno.test("DnsParser neither throws nor works without end on hostile messages", () => {
  const random = SeededRandom.fromEnvironment("hostile DNS messages");
  const originals = Array.from({ length: 300 }, () => randomMessage(random).bytes);
  // Labels of 63 bytes without end.
  originals.push(new Uint8Array(400).fill(63));
  const seen = new Map<string, number>();
  let stepsMax = 0;
  for (let round = 0; round < HOSTILE_COUNT; round++) {
    const bytes = random.chance(0.25)
      ? randomBytes(random)
      : mutated(originals[random.below(originals.length)]!, random);
    const size = random.chance(0.1) ? bytes.length + random.below(100) : bytes.length;
    const message = parser.parse(bytes, size);
    stepsMax = Math.max(stepsMax, parser.steps);
    const problem = typeof message === "string" ? message : message.problem;
    seen.set(problem, (seen.get(problem) ?? 0) + 1);
    if (typeof message !== "string") checkBounds(message);
  }
  assert(stepsMax <= STEPS_MAX, `${stepsMax} steps`);
  // All sides are tried.
  for (const problem of ["", ...DNS_PROBLEMS]) {
    if (problem !== "pointer_count") assert((seen.get(problem) ?? 0) > 0, `${problem} not seen`);
  }
});

Deno.test("DnsParser takes a bounded number of steps for the worst message", () => {
  // Names of 126 labels, each found through a pointer; as many records as fit.
  const bytes = new Uint8Array(65_535);
  bytes.set([0, 0, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  let at = 12;
  // The first record's data: 126 labels of one byte, each with a pointer to the one before.
  const record = (data: Uint8Array, name: readonly number[], type: number) => {
    const fixed = [0, type, 0, 1, 0, 0, 0, 0, data.length >> 8, data.length & 0xff];
    bytes.set([...name, ...fixed, ...data], at);
    at += name.length + fixed.length + data.length;
  };
  const labels: number[] = [0];
  const pointers: number[][] = [];
  let last = 23;
  for (let i = 0; i < 126; i++) {
    const place = 23 + labels.length;
    labels.push(1, 0x61, 0xc0 | last >> 8, last & 0xff);
    pointers.unshift([0xc0 | place >> 8, place & 0xff]);
    last = place;
  }
  record(Uint8Array.from(labels), [0], 200);
  // Many names by turns: the parser knows some of those that it has read.
  for (let i = 0; at + 14 < bytes.length; i++) {
    record(Uint8Array.from(pointers[i % 30]!), pointers[i % 30]!, 2);
  }
  const message = parser.parse(bytes);
  assert(typeof message !== "string");
  assert.equal(message.answers[1]?.name.length, 126 * 2 - 1);
  assert(parser.steps > 10_000 && parser.steps <= STEPS_MAX, String(parser.steps));
});

function randomBytes(random: SeededRandom): Uint8Array {
  const bytes = new Uint8Array(random.below(80));
  for (let i = 0; i < bytes.length; i++) {
    const byte = random.below(512);
    // Small numbers are sizes of labels that fit.
    bytes[i] = byte < 256 ? byte : byte & 7;
  }
  // Few records: else nearly all are too short for what they promise.
  for (const at of [4, 6, 8, 10]) if (at < bytes.length) bytes[at] = 0;
  return bytes;
}

function checkBounds({ questions, answers }: DnsMessage): void {
  assert(questions.length <= QUESTIONS_MAX && answers.length <= ANSWERS_MAX);
  let size = 0;
  for (const { name } of questions) size += name.length;
  for (const { name, data, ttl } of answers) {
    size += name.length + data.length;
    assert(ttl >= 0 && ttl < 2 ** 31);
  }
  assert(size < TEXT_MAX + RECORD_TEXT_MAX, `${size} characters`);
}
