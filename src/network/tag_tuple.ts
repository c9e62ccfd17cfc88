/**
 * Both ends of a socket with what is known of their addresses.
 *
 * @module
 */
import type { Endpoint, SocketTuple, TaggedEndpoint, TaggedTuple } from "../events/mod.ts";
import { addressRange } from "./address_class.ts";
import type { NameSource } from "./name_source.ts";

/** Who knows about addresses. */
export interface TupleTaggerParts {
  readonly names: NameSource;
  readonly ownAddresses: { has(address: string): boolean };
  readonly conntrack: { find(tuple: SocketTuple): Endpoint | undefined };
}

/**
 * Tags ends. The own end has the class of its range; that of the peer says `same_host` where its
 * address is one of this host.
 */
export class TupleTagger {
  readonly #parts: TupleTaggerParts;

  constructor(parts: TupleTaggerParts) {
    this.#parts = parts;
  }

  /**
   * @param trackingId whose names it is: each workload has asked for its own
   * @param nowNs CLOCK_MONOTONIC
   */
  tag(tuple: SocketTuple, trackingId: bigint, nowNs: bigint): TaggedTuple {
    const { local, remote } = tuple;
    const translated = this.#parts.conntrack.find(tuple);
    return {
      ...tuple,
      local: { ...local, addressClass: addressRange(local.address) },
      remote: this.#peer(remote, trackingId, nowNs),
      ...(translated !== undefined && { translated: this.#peer(translated, trackingId, nowNs) }),
    };
  }

  #peer(end: Endpoint, trackingId: bigint, nowNs: bigint): TaggedEndpoint {
    const range = addressRange(end.address);
    const isElsewhere = range === "public" || range === "private" || range === "link_local";
    const isOwn = isElsewhere && this.#parts.ownAddresses.has(end.address);
    const names = this.#parts.names.namesOf(trackingId, end.address, nowNs);
    return {
      ...end,
      addressClass: isOwn ? "same_host" : range,
      ...(names.length > 0 && { names }),
    };
  }
}
