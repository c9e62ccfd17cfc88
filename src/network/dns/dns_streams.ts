/**
 * DNS over TCP: the connections that are known, and the messages in them.
 *
 * @module
 */
import type { DnsSeen } from "../../events/mod.ts";
import type { Counter, Counters } from "../../telemetry/mod.ts";
import { DnsStream, type StreamedMessage, type StreamOutlet } from "./dns_stream.ts";

export type { StreamedMessage };

/** Directions of connections that are known at most. */
const STREAMS_MAX = 2048;
/** Bytes that they keep together: beginnings of messages, and segments that wait. */
const SIZE_MAX = 4 << 20;
/**
 * What is kept of that when it is too much: to find the first entry of a map takes long when many
 * before it were deleted, so that some go at once.
 */
const KEPT_PART = 15 / 16;
/**
 * Without a segment for so long, a stream is forgotten. It begins anew with the next segment that
 * consists of whole messages.
 */
const IDLE_NS = 60_000_000_000n;
/** A segment that is missing may come so much later: several times of sending it again. */
const GAP_NS = 3_000_000_000n;

/** Why bytes did not become messages. */
type Loss = "gap" | "unsynced" | "ended" | "idle" | "entries" | "bytes";

const LOSSES: readonly Loss[] = ["gap", "unsynced", "ended", "idle", "entries", "bytes"];

interface Known {
  readonly key: string;
  readonly stream: DnsStream;
  lastNs: bigint;
  keptSize: number;
}

/** Puts streams together. What it gives is to be read before the next call. */
export class DnsStreams {
  /** The one that had a segment last is last. */
  readonly #known = new Map<string, Known>();
  /** Since when they wait; the oldest first. */
  readonly #gaps = new Map<Known, bigint>();
  readonly #losses: Readonly<Record<Loss, Counter>>;
  readonly #outlet: StreamOutlet;
  #messages: StreamedMessage[] = [];
  #keptSize = 0;

  constructor(counters: Counters) {
    const counter = (reason: Loss) =>
      counters.counter(
        "shrike_network_dns_stream_losses_total",
        "Times that bytes of DNS over TCP could not be put together, by reason",
        { reason },
      );
    this.#losses = Object.fromEntries(
      LOSSES.map((reason) => [reason, counter(reason)]),
    ) as Record<Loss, Counter>;
    this.#outlet = {
      emit: (message) => this.#messages.push(message),
      lose: (reason) => this.#losses[reason].value += 1,
    };
    counters.gauge(
      "shrike_network_dns_streams",
      "Directions of TCP connections with DNS that are known",
      {},
      () => this.#known.size,
    );
    counters.gauge(
      "shrike_network_dns_stream_bytes",
      "Bytes of DNS over TCP that wait for more",
      {},
      () => this.#keptSize,
    );
  }

  /** Messages that end with this segment, and those for whose rest it is too late now. */
  take(fact: DnsSeen): readonly StreamedMessage[] {
    this.#messages = [];
    this.#giveUpGaps(fact.timeNs);
    const known = this.#find(fact);
    known.stream.take(fact, this.#outlet);
    this.#settle(known, fact.timeNs);
    this.#bound();
    return this.#messages;
  }

  /** Forgets what nothing came of for long; about once a second. */
  expire(nowNs: bigint): void {
    for (const known of this.#known.values()) {
      if (known.lastNs + IDLE_NS > nowNs) break;
      this.#forget(known, "idle");
    }
  }

  /** Forgets all. */
  clear(): void {
    for (const known of this.#known.values()) this.#forget(known, "ended");
  }

  #find(fact: DnsSeen): Known {
    const key = keyOf(fact);
    const known = this.#known.get(key) ??
      { key, stream: new DnsStream(), lastNs: fact.timeNs, keptSize: 0 };
    this.#known.delete(key);
    this.#known.set(key, known);
    known.lastNs = fact.timeNs;
    return known;
  }

  #settle(known: Known, nowNs: bigint): void {
    const { keptSize, hasGap } = known.stream;
    this.#keptSize += keptSize - known.keptSize;
    known.keptSize = keptSize;
    if (!hasGap) this.#gaps.delete(known);
    else if (!this.#gaps.has(known)) this.#gaps.set(known, nowNs);
  }

  #giveUpGaps(nowNs: bigint): void {
    for (const [known, sinceNs] of this.#gaps) {
      if (sinceNs + GAP_NS > nowNs) return;
      this.#gaps.delete(known);
      known.stream.giveUpGap(this.#outlet);
      // Another gap may follow, and it has as much time.
      this.#settle(known, nowNs);
    }
  }

  #bound(): void {
    const isLarge = this.#keptSize > SIZE_MAX;
    if (!isLarge && this.#known.size <= STREAMS_MAX) return;
    for (const known of this.#known.values()) {
      const isEnough = isLarge
        ? this.#keptSize <= SIZE_MAX * KEPT_PART
        : this.#known.size <= STREAMS_MAX * KEPT_PART;
      if (isEnough) return;
      this.#forget(known, isLarge ? "bytes" : "entries");
    }
  }

  #forget(known: Known, reason: Loss): void {
    if (known.stream.isUnfinished) this.#losses[reason].value += 1;
    this.#known.delete(known.key);
    this.#gaps.delete(known);
    this.#keptSize -= known.keptSize;
  }
}

/** A cookie names a socket for ever; without one, its ends do as long as it is open. */
function keyOf({ cookie, isOutgoing, tuple }: DnsSeen): string {
  const direction = isOutgoing ? ">" : "<";
  if (cookie !== 0n) return `${cookie}${direction}`;
  const { netNs, local, remote } = tuple;
  return `${netNs} ${local.address} ${local.port}${direction}${remote.address} ${remote.port}`;
}
