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
import { socketEvent } from "./socket_events.ts";

/** What events are made with. */
export interface NetworkEventsParts {
  readonly dns: Pick<DnsTeller, "take" | "expire" | "giveUp">;
  readonly tag: (tuple: SocketTuple, trackingId: bigint, nowNs: bigint) => TaggedTuple;
}

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
    context: (fact: NetworkFact, isLate: boolean) => ProcessEventBase,
  ): readonly NetworkProcessEvent[] {
    const { dns, tag } = this.#parts;
    if (fact.type === "dns_seen") return dns.take(fact, isLate, context);
    const { tuple, cgroup: { trackingId }, timeNs } = fact;
    return [socketEvent(fact, context(fact, isLate), tag(tuple, trackingId, timeNs))];
  }

  expire(nowNs: bigint): readonly NetworkProcessEvent[] {
    return this.#parts.dns.expire(nowNs);
  }

  giveUp(): readonly NetworkProcessEvent[] {
    return this.#parts.dns.giveUp();
  }
}
