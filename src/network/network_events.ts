/**
 * Facts of the network sensor as events: sockets, and what the reader of DNS makes of its bytes.
 *
 * @module
 */
import type {
  NetworkFact,
  NetworkProcessEvent,
  ProcessEventBase,
  SocketTuple,
  TaggedTuple,
} from "../events/mod.ts";
import type { DnsTeller } from "./dns/tell_dns.ts";
import type { ProcessContext } from "./recent_processes.ts";
import { socketEvent } from "./socket_events.ts";

/** What events are made with. */
export interface NetworkEventsParts {
  readonly dns: Pick<DnsTeller, "take" | "expire" | "giveUp">;
  readonly tag: (tuple: SocketTuple, trackingId: bigint, nowNs: bigint) => TaggedTuple;
  /** A process that has ended and is in no cache any more: connections outlive theirs. */
  readonly ended: (tgid: number, leaderStartNs: bigint) => ProcessContext | undefined;
}

/** What an event about the process of a fact carries. */
type Context = (fact: NetworkFact, isLate: boolean) => ProcessEventBase;

/** What the pipeline asks. */
export class NetworkEvents {
  readonly #parts: NetworkEventsParts;

  constructor(parts: NetworkEventsParts) {
    this.#parts = parts;
  }

  /** What is to be told now; `context` holds until it returns. */
  take(
    fact: NetworkFact,
    isLate: boolean,
    cached: Context,
  ): readonly NetworkProcessEvent[] {
    const { dns, tag } = this.#parts;
    const context: Context = (fact, isLate) => this.#withEnded(fact, cached(fact, isLate));
    if (fact.type === "dns_seen") return dns.take(fact, isLate, context);
    const { tuple, cgroup: { trackingId }, timeNs } = fact;
    return [socketEvent(fact, context(fact, isLate), tag(tuple, trackingId, timeNs))];
  }

  #withEnded({ tgid, leaderStartNs }: NetworkFact, base: ProcessEventBase): ProcessEventBase {
    if (!base.subject.process.unknown) return base;
    const ended = this.#parts.ended(tgid, leaderStartNs);
    if (ended === undefined) return base;
    if (ended.parent === undefined) return { ...base, ...ended };
    return { ...base, ...ended, marks: base.marks.filter((mark) => mark !== "parent_unknown") };
  }

  expire(nowNs: bigint): readonly NetworkProcessEvent[] {
    return this.#parts.dns.expire(nowNs);
  }

  giveUp(): readonly NetworkProcessEvent[] {
    return this.#parts.dns.giveUp();
  }
}
