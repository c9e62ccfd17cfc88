/**
 * Queries and what has become of them, for a short time. Bounded in number, size and time.
 *
 * @module
 */
import type { DnsEvent } from "../../events/mod.ts";
import { SameNumber } from "./same_number.ts";

/** Exchanges that are remembered at most. */
const EXCHANGES_MAX = 8192;
/** Characters in their events. */
const TEXT_MAX = 8 << 20;
/** What is kept of that when it is too much. */
const KEPT_PART = 15 / 16;
/** Resolvers give up a question after 5 s, some after 10 s. */
const WAIT_NS = 10_000_000_000n;
/** How long after the answer the same message is no news. */
const ANSWERED_NS = 2_000_000_000n;

const NONE: readonly Exchange[] = [];

/** A message that was told, and how often it came again. */
export interface ToldMessage {
  /** Undefined when events are not wanted. */
  readonly event: DnsEvent | undefined;
  /** CLOCK_MONOTONIC ns when it was seen first and last. */
  readonly firstNs: bigint;
  lastNs: bigint;
  repeats: number;
  /** Tells a response from another one. */
  readonly hash: number;
}

/** A query, its response, or both. */
export interface Exchange {
  /** Socket, peer and number: see `exchangeKey()`. With the questions it is this exchange alone. */
  readonly key: string;
  /** How both ends on this host call it; of the client's end only. */
  readonly clientKey: string | undefined;
  /** Names and types; "" when the message has none. */
  readonly questions: string;
  /** Whose query it is. */
  readonly trackingId: bigint;
  readonly query: ToldMessage | undefined;
  response: ToldMessage | undefined;
  textSize: number;
}

/** Remembers exchanges, oldest first. */
export class DnsExchanges {
  readonly #waiting = new Map<string, Exchange>();
  readonly #answered = new Map<string, Exchange>();
  readonly #byClient = new Map<string, Exchange>();
  readonly #numbers = new SameNumber<Exchange>();
  readonly #clientNumbers = new SameNumber<Exchange>();
  #textSize = 0;

  get size(): number {
    return this.#waiting.size + this.#answered.size;
  }

  find(key: string, questions: string): Exchange | undefined {
    const full = withQuestions(key, questions);
    return this.#waiting.get(full) ?? this.#answered.get(full);
  }

  /** What a response is about, which need not repeat the question. */
  findAsked(key: string, questions: string): Exchange | undefined {
    return this.find(key, questions) ?? (questions === "" ? this.#numbers.find(key) : undefined);
  }

  /** What the client on this host has asked, as its server sees it. */
  findClient(clientKey: string, questions: string): Exchange | undefined {
    return this.#byClient.get(withQuestions(clientKey, questions)) ??
      (questions === "" ? this.#clientNumbers.find(clientKey) : undefined);
  }

  add(exchange: Exchange): void {
    const { key, clientKey, questions } = exchange;
    this.#mapOf(exchange).set(withQuestions(key, questions), exchange);
    this.#numbers.add(key, exchange);
    if (clientKey !== undefined) {
      this.#byClient.set(withQuestions(clientKey, questions), exchange);
      this.#clientNumbers.add(clientKey, exchange);
    }
    this.#textSize += exchange.textSize;
  }

  /** The response is there. */
  answer(exchange: Exchange, response: ToldMessage, textSize: number): void {
    const { key, clientKey, questions } = exchange;
    const full = withQuestions(key, questions);
    this.#waiting.delete(full);
    exchange.response = response;
    this.#numbers.answer(key, exchange);
    if (clientKey !== undefined) this.#clientNumbers.answer(clientKey, exchange);
    exchange.textSize += textSize;
    this.#textSize += textSize;
    this.#answered.set(full, exchange);
  }

  remove(exchange: Exchange): void {
    const { key, clientKey, questions, textSize } = exchange;
    if (!this.#mapOf(exchange).delete(withQuestions(key, questions))) return;
    this.#textSize -= textSize;
    this.#numbers.remove(key, exchange);
    if (clientKey === undefined) return;
    this.#clientNumbers.remove(clientKey, exchange);
    const fullClient = withQuestions(clientKey, questions);
    if (this.#byClient.get(fullClient) === exchange) this.#byClient.delete(fullClient);
  }

  /**
   * Takes out what is too much: answered ones first, because nothing more is to come of them. Some
   * go at once: to find the first entry of a map takes long when many before it were deleted.
   */
  takeExcess(): readonly Exchange[] {
    if (this.size <= EXCHANGES_MAX && this.#textSize <= TEXT_MAX) return NONE;
    const gone: Exchange[] = [];
    for (const map of [this.#answered, this.#waiting]) {
      for (const exchange of map.values()) {
        const isEnough = this.size <= EXCHANGES_MAX * KEPT_PART &&
          this.#textSize <= TEXT_MAX * KEPT_PART;
        if (isEnough) return gone;
        this.remove(exchange);
        gone.push(exchange);
      }
    }
    return gone;
  }

  /** Takes out what is over. */
  expire(nowNs: bigint): Exchange[] {
    const gone: Exchange[] = [];
    for (const exchange of this.#waiting.values()) {
      if (exchange.query!.firstNs + WAIT_NS > nowNs) break;
      gone.push(exchange);
    }
    for (const exchange of this.#answered.values()) {
      if (exchange.response!.firstNs + ANSWERED_NS > nowNs) break;
      gone.push(exchange);
    }
    for (const exchange of gone) this.remove(exchange);
    return gone;
  }

  takeAll(): Exchange[] {
    const gone = [...this.#waiting.values(), ...this.#answered.values()];
    for (const exchange of gone) this.remove(exchange);
    return gone;
  }

  #mapOf({ response }: Exchange): Map<string, Exchange> {
    return response === undefined ? this.#waiting : this.#answered;
  }
}

/** Several questions may be asked under one number at a time. */
function withQuestions(key: string, questions: string): string {
  return `${key} ${questions}`;
}
