/**
 * Matches of policies in the stream: who fired, as the cache has it at that moment, for whoever
 * knows what policies mean.
 *
 * @module
 */
import type { PolicyEvent, PolicyHit, ProcessEventBase } from "../events/mod.ts";
import type { ProcessCache } from "../state/mod.ts";
import type { Clock } from "../telemetry/mod.ts";
import { attachContext } from "./attach_context.ts";

/** What an event about the process of a hit carries, as of now. */
export type HitContext = (hit: PolicyHit, isLate: boolean) => ProcessEventBase;

/** Makes events of matches. */
export interface HitTeller {
  /** What is to be told now, in the order of the stream; `context` holds until it returns. */
  take(hit: PolicyHit, isLate: boolean, context: HitContext): readonly PolicyEvent[];
  /** What has waited for its call's end for too long; about once a second. */
  expire(nowNs: bigint): readonly PolicyEvent[];
  /** What waits still, when nothing more will come. */
  giveUp(): readonly PolicyEvent[];
}

/** What `PolicyHits` works with. */
export interface PolicyHitsParts {
  readonly cache: ProcessCache;
  readonly clock: Clock;
  readonly teller: HitTeller;
  readonly withAncestors: boolean;
  emit(event: PolicyEvent): void;
}

/** Hands hits to the teller, and its events on. */
export class PolicyHits {
  readonly #parts: PolicyHitsParts;
  /** One for all hits. */
  readonly #context: HitContext = (hit, isLate) => {
    const { cache, clock, withAncestors } = this.#parts;
    // Whoever tells of the hit knows which of the three types it is.
    return attachContext("process_kprobe", cache.observe(hit), {
      timeNs: clock.wallNs(hit.timeNs),
      cpu: hit.cpu,
      isLate,
      // Any thread may fire.
      isTidWrong: false,
      withAncestors,
    });
  };

  constructor(parts: PolicyHitsParts) {
    this.#parts = parts;
  }

  apply(hit: PolicyHit, isLate: boolean): void {
    this.#emit(this.#parts.teller.take(hit, isLate, this.#context));
  }

  expire(nowNs: bigint): void {
    this.#emit(this.#parts.teller.expire(nowNs));
  }

  giveUp(): void {
    this.#emit(this.#parts.teller.giveUp());
  }

  #emit(events: readonly PolicyEvent[]): void {
    for (const event of events) this.#parts.emit(event);
  }
}
