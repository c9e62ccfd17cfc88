/**
 * What is asked of whoever reads DNS.
 *
 * @module
 */
import type { DnsEvent, DnsSeen, NetworkFact, ProcessEventBase } from "../events/mod.ts";
import type { NameSource } from "./name_source.ts";

/** Makes events of bytes that went to or came from a name server, and learns names from them. */
export interface DnsTeller extends NameSource {
  take(
    fact: DnsSeen,
    isLate: boolean,
    context: (fact: NetworkFact, isLate: boolean) => ProcessEventBase,
  ): readonly DnsEvent[];
  /** What has waited for too long; about once a second. */
  expire(nowNs: bigint): readonly DnsEvent[];
  /** What waits still, when nothing more will come. */
  giveUp(): readonly DnsEvent[];
  /** A cgroup is gone for good: its names are, too. */
  forget(trackingId: bigint): void;
}
