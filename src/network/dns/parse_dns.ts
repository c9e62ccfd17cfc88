/**
 * DNS messages (RFC 1035, 2181, 6891) as they come from anybody: nothing in them makes this throw,
 * loop, or keep more than the bounds in dns_message.ts.
 *
 * @module
 */
import type { DnsAnswer } from "../../events/mod.ts";
import {
  ANSWERS_MAX,
  type DnsMessage,
  type DnsProblem,
  type DnsQuestion,
  HEADER_SIZE,
  OTHERS_MAX,
  QUESTIONS_MAX,
  TEXT_MAX,
} from "./dns_message.ts";
import { recordTypeName, responseCodeName } from "./dns_words.ts";
import { NameReader } from "./name_reader.ts";
import { RecordData, RecordType } from "./record_data.ts";

/** What comes after a record's name: type, class, TTL, size. */
const RECORD_FIXED_SIZE = 10;
const QUESTION_FIXED_SIZE = 4;

const FLAG_RESPONSE = 0x8000;
const FLAG_TRUNCATED = 0x0200;
/** Messages of this kind have records without data (RFC 2136). */
const OPCODE_UPDATE = 5;
/** TTLs above are 0 (RFC 2181, 8). */
const TTL_MAX = 0x7fff_ffff;

const NO_QUESTIONS: readonly DnsQuestion[] = [];
const NO_ANSWERS: readonly DnsAnswer[] = [];

/** Reads one message after the other with the same memory. */
export class DnsParser {
  readonly #names = new NameReader();
  readonly #data = new RecordData(this.#names);
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;
  #opcode = 0;
  /** The end of the message is not here, and that is no fault of its. */
  #isCut = false;
  #textLeft = 0;
  #skippedCount = 0;
  #isIncomplete = false;
  #problem: DnsProblem | "" = "";
  #extendedCode = 0;
  #recordSteps = 0;

  /** Labels, pointers, questions and records that the last message took: its time is bounded. */
  get steps(): number {
    return this.#names.steps + this.#recordSteps;
  }

  /**
   * @param size what the message has on the wire, when `bytes` may be only its beginning
   * @returns what could be read; the problem alone when that is not even a header
   */
  parse(bytes: Uint8Array, size: number = bytes.length): DnsMessage | DnsProblem {
    this.#open(bytes);
    if (bytes.length < HEADER_SIZE) return "short";
    const flags = this.#u16(2);
    const isResponse = (flags & FLAG_RESPONSE) !== 0;
    const isTruncated = (flags & FLAG_TRUNCATED) !== 0;
    this.#isCut = size > bytes.length || isTruncated;
    this.#opcode = flags >> 11 & 0xf;
    const questions = this.#questions(this.#u16(4));
    const answers = this.#isIncomplete ? NO_ANSWERS : this.#answers(this.#u16(6));
    if (!this.#isIncomplete) this.#others(this.#u16(8) + this.#u16(10));
    return {
      id: this.#u16(0),
      isResponse,
      opcode: this.#opcode,
      isTruncated,
      responseCode: isResponse ? responseCodeName(this.#extendedCode << 4 | flags & 0xf) : "",
      questions,
      answers,
      isIncomplete: this.#isIncomplete,
      textSize: TEXT_MAX - this.#textLeft,
      skippedCount: this.#skippedCount,
      problem: this.#problem,
    };
  }

  #open(bytes: Uint8Array): void {
    this.#names.open(bytes);
    this.#data.open(bytes);
    this.#bytes = bytes;
    this.#at = HEADER_SIZE;
    this.#textLeft = TEXT_MAX;
    this.#skippedCount = 0;
    this.#isIncomplete = false;
    this.#problem = "";
    this.#extendedCode = 0;
    this.#recordSteps = 0;
  }

  #questions(count: number): readonly DnsQuestion[] {
    if (count === 0) return NO_QUESTIONS;
    const questions: DnsQuestion[] = [];
    for (let i = 0; i < count; i++) {
      if (i === QUESTIONS_MAX || this.#textLeft <= 0) {
        this.#skip(count - i);
        break;
      }
      this.#recordSteps++;
      const name = this.#name();
      if (name === undefined) break;
      const at = this.#at;
      if (at + QUESTION_FIXED_SIZE > this.#bytes.length) {
        this.#fail("ends_early");
        break;
      }
      this.#at = at + QUESTION_FIXED_SIZE;
      questions.push({ name, type: recordTypeName(this.#u16(at)) });
    }
    return questions;
  }

  #answers(count: number): readonly DnsAnswer[] {
    if (count === 0) return NO_ANSWERS;
    const answers: DnsAnswer[] = [];
    for (let i = 0; i < count; i++) {
      if (i === ANSWERS_MAX || this.#textLeft <= 0) {
        this.#skip(count - i);
        break;
      }
      const answer = this.#answer();
      if (answer === undefined) break;
      answers.push(answer);
    }
    return answers;
  }

  #answer(): DnsAnswer | undefined {
    this.#recordSteps++;
    const name = this.#name();
    if (name === undefined) return undefined;
    const at = this.#at;
    const dataAt = at + RECORD_FIXED_SIZE;
    if (dataAt > this.#bytes.length) return this.#fail("ends_early");
    const size = this.#u16(at + 8);
    if (dataAt + size > this.#bytes.length) return this.#fail("ends_early");
    const type = this.#u16(at);
    const data = this.#opcode === OPCODE_UPDATE
      ? ""
      : this.#data.read({ type, classCode: this.#u16(at + 2), at: dataAt, size });
    if (data === undefined) return this.#fail(this.#data.problem || "record_size");
    this.#textLeft -= data.length;
    this.#at = dataAt + size;
    const ttl = this.#u32(at + 4);
    return { name, type: recordTypeName(type), ttl: ttl > TTL_MAX ? 0 : ttl, data };
  }

  /** Authority and additional records: only OPT says something that is told. */
  #others(count: number): void {
    for (let i = 0; i < count && i < OTHERS_MAX; i++) {
      this.#recordSteps++;
      if (!this.#names.skip(this.#at)) return this.#failAfterwards(this.#names.problem);
      const at = this.#names.end;
      const dataAt = at + RECORD_FIXED_SIZE;
      if (dataAt > this.#bytes.length) return this.#failAfterwards("ends_early");
      const end = dataAt + this.#u16(at + 8);
      if (end > this.#bytes.length) return this.#failAfterwards("ends_early");
      if (this.#u16(at) === RecordType.OPT) this.#extendedCode = this.#bytes[at + 4]!;
      this.#at = end;
    }
  }

  #name(): string | undefined {
    const name = this.#names.read(this.#at);
    if (name === undefined) return this.#fail(this.#names.problem);
    this.#at = this.#names.end;
    this.#textLeft -= name.length;
    return name;
  }

  #skip(count: number): void {
    this.#skippedCount += count;
    this.#isIncomplete = true;
  }

  #fail(problem: DnsProblem | ""): undefined {
    this.#isIncomplete = true;
    this.#failAfterwards(problem);
  }

  /** All that is told was read before. */
  #failAfterwards(problem: DnsProblem | ""): void {
    const isExpected = this.#isCut && problem === "ends_early";
    if (!isExpected) this.#problem = problem;
  }

  #u16(at: number): number {
    return this.#bytes[at]! << 8 | this.#bytes[at + 1]!;
  }

  #u32(at: number): number {
    return this.#u16(at) * 0x1_0000 + this.#u16(at + 2);
  }
}
