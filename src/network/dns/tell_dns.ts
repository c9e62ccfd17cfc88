/**
 * What goes over ports of DNS becomes events: one per message, a response with the time that it
 * took. What is seen again, and what is seen at both ends on this host, is told once.
 *
 * @module
 */
import type { DnsEvent, DnsSeen, ProcessEventBase, TaggedTuple } from "../../events/mod.ts";
import type { Counter, Counters } from "../../telemetry/mod.ts";
import { DnsExchanges, type Exchange, type ToldMessage } from "./dns_exchanges.ts";
import { DNS_PROBLEMS, type DnsMessage, type DnsProblem } from "./dns_message.ts";
import { DnsStreams, type StreamedMessage } from "./dns_streams.ts";
import { opcodeName } from "./dns_words.ts";
import {
  clientKey,
  type DnsRole,
  dnsRole,
  exchangeKey,
  payloadHash,
  questionsKey,
} from "./exchange_key.ts";
import type { NameCache } from "./name_cache.ts";
import { DnsParser } from "./parse_dns.ts";

const NO_EVENTS: readonly DnsEvent[] = [];
/** The kernel takes no more in one call (UDP_MAX_SEGMENTS of include/linux/udp.h). */
const SEGMENTS_MAX = 128;
/** The questions stand alone and in the keys of both ends. */
const KEY_TEXTS = 3;

/** What messages are told with. */
export interface DnsTellerOptions {
  /** Ports of name servers, as the kernel was told. */
  readonly ports: readonly number[];
  readonly counters: Counters;
  /** Learns from answers to questions that were seen; undefined when nobody wants names. */
  readonly names: NameCache | undefined;
  /** False: nothing is told, names are learned all the same. */
  readonly withEvents: boolean;
  /** Where the client is on this host, the server's view is told too. */
  readonly withBothEnds: boolean;
  /** The ends of the socket as they are told. */
  tag(fact: DnsSeen): TaggedTuple;
}

/** What an event about the process of a fact carries, as of now. */
type Context = (fact: DnsSeen, isLate: boolean) => ProcessEventBase;

/** One message on its way. */
interface Arrival {
  readonly fact: DnsSeen;
  readonly message: DnsMessage;
  readonly role: DnsRole;
  readonly key: string;
  readonly questions: string;
  readonly hash: number;
  readonly isLate: boolean;
  readonly context: Context;
}

/** Makes events of DNS messages. */
export class DnsTeller {
  readonly #options: DnsTellerOptions;
  readonly #ports: ReadonlySet<number>;
  readonly #parser = new DnsParser();
  readonly #streams: DnsStreams;
  readonly #exchanges = new DnsExchanges();
  readonly #malformed: Readonly<Record<DnsProblem, Counter>>;
  readonly #messages: Counter;
  readonly #skipped: Counter;
  readonly #repeated: Counter;
  readonly #otherEnd: Counter;
  readonly #unpaired: Counter;
  readonly #unanswered: Counter;
  readonly #excess: Counter;

  constructor(options: DnsTellerOptions) {
    this.#options = options;
    this.#ports = new Set(options.ports);
    const { counters } = options;
    this.#streams = new DnsStreams(counters);
    this.#malformed = Object.fromEntries(
      DNS_PROBLEMS.map((reason) => [
        reason,
        counters.counter(
          "shrike_network_dns_malformed_total",
          "DNS messages with something wrong in them, by reason",
          { reason },
        ),
      ]),
    ) as Record<DnsProblem, Counter>;
    this.#messages = counters.counter(
      "shrike_network_dns_messages_total",
      "DNS messages that were read",
    );
    this.#skipped = counters.counter(
      "shrike_network_dns_records_skipped_total",
      "Questions and answers beyond the bounds",
    );
    const folded = (reason: string) =>
      counters.counter(
        "shrike_network_dns_folded_total",
        "DNS messages that were not told by themselves, by reason",
        { reason },
      );
    this.#repeated = folded("repeated");
    this.#otherEnd = folded("other_end");
    this.#unpaired = counters.counter(
      "shrike_network_dns_unpaired_total",
      "Responses to no query that was seen",
    );
    this.#unanswered = counters.counter(
      "shrike_network_dns_unanswered_total",
      "Queries without a response in time",
    );
    this.#excess = counters.counter(
      "shrike_network_dns_exchanges_dropped_total",
      "Queries forgotten early, for lack of room",
    );
    counters.gauge(
      "shrike_network_dns_exchanges",
      "Queries and responses that are remembered",
      {},
      () => this.#exchanges.size,
    );
  }

  /** What is to be told now. */
  take(fact: DnsSeen, isLate: boolean, context: Context): readonly DnsEvent[] {
    if (fact.tuple.protocol !== "tcp") {
      return datagramsOf(fact)
        .flatMap((datagram) => this.#takeMessage(fact, isLate, context, datagram));
    }
    return this.#streams.take(fact)
      .flatMap((message) => this.#takeMessage(message.fact, isLate, context, message));
  }

  /** Queries that were sent again and have no answer; about once a second. */
  expire(nowNs: bigint): readonly DnsEvent[] {
    this.#streams.expire(nowNs);
    this.#options.names?.expire(nowNs);
    const gone = this.#exchanges.expire(nowNs);
    for (const { response } of gone) if (response === undefined) this.#unanswered.value += 1;
    return gone.flatMap(repeatsOf);
  }

  /** What waits still, when nothing more will come. */
  giveUp(): readonly DnsEvent[] {
    this.#streams.clear();
    return this.#exchanges.takeAll().flatMap(repeatsOf);
  }

  #takeMessage(
    fact: DnsSeen,
    isLate: boolean,
    context: Context,
    { payload, size }: Pick<StreamedMessage, "payload" | "size"> = fact,
  ): readonly DnsEvent[] {
    const message = this.#parser.parse(payload, size);
    if (typeof message === "string") {
      this.#malformed[message].value += 1;
      return NO_EVENTS;
    }
    this.#messages.value += 1;
    this.#skipped.value += message.skippedCount;
    if (message.problem !== "") this.#malformed[message.problem].value += 1;
    const { isOutgoing } = fact;
    const { id, isResponse } = message;
    const role = dnsRole(fact.tuple, this.#ports, { isOutgoing, isResponse });
    const arrival: Arrival = {
      fact,
      message,
      role,
      key: exchangeKey(fact, role, id),
      questions: questionsKey(message),
      hash: payloadHash(payload),
      isLate,
      context,
    };
    // A query from the server's port, or a response from the client's, is part of no exchange.
    if ((role === "client") !== (isOutgoing !== isResponse)) return listOf(this.#tell(arrival));
    if (role === "server" && this.#isSeenAtClient(arrival)) {
      this.#otherEnd.value += 1;
      return NO_EVENTS;
    }
    return isResponse ? this.#takeResponse(arrival) : this.#takeQuery(arrival);
  }

  #isSeenAtClient(arrival: Arrival): boolean {
    const { fact, role, message, questions } = arrival;
    if (this.#options.withBothEnds) return false;
    const known = this.#exchanges.findClient(clientKey(fact, role, message.id), questions);
    return known !== undefined && isAnswerTo(known, arrival);
  }

  #takeQuery(arrival: Arrival): readonly DnsEvent[] {
    const { fact, key, questions, role, message } = arrival;
    const known = this.#exchanges.find(key, questions);
    if (known?.query !== undefined) return this.#fold(known.query, fact);
    if (known !== undefined) this.#exchanges.remove(known);
    const event = this.#tell(arrival);
    this.#exchanges.add({
      key,
      questions,
      clientKey: role === "client" ? clientKey(fact, role, message.id) : undefined,
      trackingId: fact.cgroup.trackingId,
      query: toldNow(arrival, event),
      response: undefined,
      textSize: KEY_TEXTS * questions.length + message.textSize,
    });
    const gone = this.#bound();
    if (known === undefined && gone.length === 0) return listOf(event);
    return [...(known === undefined ? [] : repeatsOf(known)), ...gone, ...listOf(event)];
  }

  #takeResponse(arrival: Arrival): readonly DnsEvent[] {
    const { fact, key, questions, hash, message } = arrival;
    const known = this.#exchanges.findAsked(key, questions);
    if (known === undefined) return this.#takeUnpaired(arrival);
    // Answers without a question: it changes nothing that is known.
    if (!isAnswerTo(known, arrival)) {
      this.#unpaired.value += 1;
      return listOf(this.#tell(arrival));
    }
    const { query, response } = known;
    if (response !== undefined) {
      return response.hash === hash ? this.#fold(response, fact) : listOf(this.#tell(arrival));
    }
    const event = this.#tell(arrival, query);
    if (query !== undefined) query.repeats = 0;
    this.#exchanges.answer(known, toldNow(arrival, event), message.textSize);
    this.#learn(arrival, known);
    const gone = this.#bound();
    return gone.length === 0 ? listOf(event) : [...gone, ...listOf(event)];
  }

  /** Nothing is learned from it. It is remembered, because it may come again. */
  #takeUnpaired(arrival: Arrival): readonly DnsEvent[] {
    const { fact, key, questions, message } = arrival;
    this.#unpaired.value += 1;
    const event = this.#tell(arrival);
    this.#exchanges.add({
      key,
      questions,
      clientKey: undefined,
      query: undefined,
      trackingId: fact.cgroup.trackingId,
      response: toldNow(arrival, event),
      textSize: KEY_TEXTS * questions.length + message.textSize,
    });
    return [...this.#bound(), ...listOf(event)];
  }

  #learn({ fact, role, message }: Arrival, { trackingId }: Exchange): void {
    const isGood = message.problem === "" && message.opcode === 0 &&
      message.responseCode === "NOERROR";
    if (role !== "client" || !isGood) return;
    // The query was seen in the process that asked; an answer comes in for a socket.
    const owner = trackingId === 0n ? fact.cgroup.trackingId : trackingId;
    this.#options.names?.learn(owner, message, fact.timeNs);
  }

  #fold(told: ToldMessage, { timeNs }: DnsSeen): readonly DnsEvent[] {
    told.repeats += 1;
    if (timeNs > told.lastNs) told.lastNs = timeNs;
    this.#repeated.value += 1;
    return NO_EVENTS;
  }

  #bound(): readonly DnsEvent[] {
    const gone = this.#exchanges.takeExcess();
    if (gone.length === 0) return NO_EVENTS;
    for (const { response } of gone) if (response === undefined) this.#excess.value += 1;
    return gone.flatMap(repeatsOf);
  }

  #tell(arrival: Arrival, query?: ToldMessage): DnsEvent | undefined {
    if (!this.#options.withEvents) return undefined;
    const { fact, message, role } = arrival;
    const { opcode } = message;
    const durationNs = query === undefined ? -1n : fact.timeNs - query.firstNs;
    return {
      ...arrival.context(fact, arrival.isLate),
      type: "process_dns",
      isResponse: message.isResponse,
      role,
      socket: this.#options.tag(fact),
      id: message.id,
      questions: message.questions,
      answers: message.answers,
      responseCode: message.responseCode,
      isTruncated: message.isTruncated,
      ...(opcode !== 0 && { opcode: opcodeName(opcode) }),
      ...(message.isIncomplete && { isIncomplete: true }),
      // Late ones may be behind the time of what came after them.
      ...(durationNs >= 0n && { durationNs }),
      repeats: query?.repeats ?? 0,
    };
  }
}

/** Datagrams that a program hands over as one (UDP_SEGMENT), apart as they go over the wire. */
function datagramsOf(fact: DnsSeen): readonly Pick<StreamedMessage, "payload" | "size">[] {
  const { payload, size, segmentSize } = fact;
  if (segmentSize === 0 || segmentSize >= size) return [fact];
  const datagrams: Pick<StreamedMessage, "payload" | "size">[] = [];
  for (let at = 0; at < size && datagrams.length < SEGMENTS_MAX; at += segmentSize) {
    datagrams.push({
      payload: payload.subarray(at, at + segmentSize),
      size: Math.min(segmentSize, size - at),
    });
  }
  return datagrams;
}

/** The question is the same. Servers leave it out when they could not read it; mDNS always does. */
function isAnswerTo(known: Exchange, { questions, message }: Arrival): boolean {
  return questions === "" ? message.answers.length === 0 : known.questions === questions;
}

function toldNow({ fact, hash }: Arrival, event: DnsEvent | undefined): ToldMessage {
  return { event, firstNs: fact.timeNs, lastNs: fact.timeNs, repeats: 0, hash };
}

function listOf(event: DnsEvent | undefined): readonly DnsEvent[] {
  return event === undefined ? NO_EVENTS : [event];
}

/** What came again, at the time of the last one. It is behind its time. */
function repeatsOf({ query, response }: Exchange): DnsEvent[] {
  return [query, response].flatMap((told) => {
    if (told?.event === undefined || told.repeats === 0) return [];
    const { event, firstNs, lastNs, repeats } = told;
    const { marks } = event;
    return [{
      ...event,
      timeNs: event.timeNs + lastNs - firstNs,
      repeats,
      marks: marks.includes("late") ? marks : ["late" as const, ...marks],
    }];
  });
}
