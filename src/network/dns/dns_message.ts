/**
 * What is read from a DNS message, and how much of one at most.
 *
 * @module
 */
import type { DnsAnswer, DnsEvent } from "../../events/mod.ts";

/** One question. */
export type DnsQuestion = DnsEvent["questions"][number];

/** Why a message is not one, or stops being one. */
export type DnsProblem =
  /** Not even a header. */
  | "short"
  /** The bytes end within a question or record. */
  | "ends_early"
  /** A label of a kind that nobody uses. */
  | "label_type"
  /** A compression pointer that does not go back: to itself, forwards, into the header. */
  | "pointer"
  /** More pointers in one name than a name can have labels. */
  | "pointer_count"
  /** A name of more than 255 bytes. */
  | "name_size"
  /** The data of a record is not as long as its type needs, or as its name is. */
  | "record_size";

/** All of them, for counters and tests. */
export const DNS_PROBLEMS: readonly DnsProblem[] = [
  ...["short", "ends_early", "label_type", "pointer", "pointer_count"] as const,
  ...["name_size", "record_size"] as const,
];

/** A message as far as it could be read. */
export interface DnsMessage {
  readonly id: number;
  readonly isResponse: boolean;
  /** 0: a question. */
  readonly opcode: number;
  /** TC: the sender had more to say. */
  readonly isTruncated: boolean;
  /** "NOERROR", ...; "" of a query. */
  readonly responseCode: string;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsAnswer[];
  /** What follows could not be read, or is more than is kept. */
  readonly isIncomplete: boolean;
  /** Characters of names and data. */
  readonly textSize: number;
  /** Questions and answers beyond the bounds. */
  readonly skippedCount: number;
  /** Why it could not be read to the end; "" when it could, or when its end is not here. */
  readonly problem: DnsProblem | "";
}

/** Size of the header. */
export const HEADER_SIZE = 12;
/** Questions that are kept. Name servers take one; mDNS asks several at once. */
export const QUESTIONS_MAX = 16;
/** Answers that are kept. */
export const ANSWERS_MAX = 64;
/** Records after the answers that are looked through for the rest of the response code. */
export const OTHERS_MAX = 64;
/**
 * Characters of one message that are kept: compression lets two bytes stand for a whole name, so
 * that the size of a message does not bound what it says.
 */
export const TEXT_MAX = 16_384;
