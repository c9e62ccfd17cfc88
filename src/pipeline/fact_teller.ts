/**
 * Facts that others make events of: matches of policies, and what the network sensor tells. The
 * pipeline says whose each is, as the cache has it at that moment.
 *
 * @module
 */
import type {
  FactBase,
  MemoryLimit,
  NetworkFact,
  NetworkProcessEvent,
  PolicyEvent,
  PolicyHit,
  ProcessEvent,
  ProcessEventBase,
  SignalFact,
} from "../events/mod.ts";
import type { CachedProcess, ProcessCache } from "../state/mod.ts";
import type { Clock } from "../telemetry/mod.ts";
import { processContext } from "./attach_context.ts";
import { isSignalFact } from "./fact_kind.ts";
import { signalEvent } from "./signal_event.ts";

/** Where a sender is, when nothing but its ids is known. */
const NO_PLACE = { id: 0n, trackingId: 0n, level: 0, hierarchy: 0 };

/** What an event about the process of a fact carries, as of now. */
export type FactContext<Fact> = (fact: Fact, isLate: boolean) => ProcessEventBase;

/** Makes events of facts. */
export interface FactTeller<Fact, Event> {
  /** What is to be told now, in the order of the stream; `context` holds until it returns. */
  take(fact: Fact, isLate: boolean, context: FactContext<Fact>): readonly Event[];
  /** What has waited for what belongs to it for too long; about once a second. */
  expire(nowNs: bigint): readonly Event[];
  /** What waits still, when nothing more will come. */
  giveUp(): readonly Event[];
}

/** What a match of a policy is told with. */
export type HitContext = FactContext<PolicyHit>;
/** Makes events of matches. */
export type HitTeller = FactTeller<PolicyHit, PolicyEvent>;
/** What a fact of the network is told with. */
export type NetworkContext = FactContext<NetworkFact>;
/** Makes events of what the network sensor has seen. */
export type NetworkTeller = FactTeller<NetworkFact, NetworkProcessEvent>;

/** What `FactTellers` works with. */
export interface FactTellersParts {
  readonly cache: ProcessCache;
  readonly clock: Clock;
  readonly withAncestors: boolean;
  readonly policies: HitTeller | undefined;
  readonly network: NetworkTeller | undefined;
  emit(event: ProcessEvent): void;
  /** Path of a cgroup of the memory controller, when the cgroups that are followed have it. */
  pathOf(memory: MemoryLimit): string | undefined;
  /** A process is about to be told of: whoever can learn of it does so now. */
  want(fact: FactBase): void;
}

/** Hands facts to those who tell of them, and their events on. Without a teller, none are told. */
export class FactTellers {
  readonly #parts: FactTellersParts;
  readonly #hitContext: HitContext;
  readonly #networkContext: NetworkContext;
  readonly #signalContext: FactContext<SignalFact>;

  constructor(parts: FactTellersParts) {
    this.#parts = parts;
    const { cache } = parts;
    this.#hitContext = this.#contextOf((hit) => {
      parts.want(hit);
      return cache.observe(hit);
    });
    this.#signalContext = this.#contextOf((fact) => this.#processOf(fact));
    // The process of a socket is the one that was seen to use it, maybe long ago: it may have
    // ended, and it may be in another cgroup by now. So the fact says nothing new about it.
    this.#networkContext = this.#contextOf((fact) => {
      parts.want(fact);
      return cache.find(fact.tgid, fact.leaderStartNs) ?? cache.standIn(fact);
    });
  }

  apply(fact: PolicyHit | NetworkFact | SignalFact, isLate: boolean): void {
    const { policies, network } = this.#parts;
    if (isSignalFact(fact)) return this.#tellSignal(fact, isLate);
    if (fact.type === "policy_hit") this.#emit(policies?.take(fact, isLate, this.#hitContext));
    else this.#emit(network?.take(fact, isLate, this.#networkContext));
  }

  expire(nowNs: bigint): void {
    this.#emit(this.#parts.policies?.expire(nowNs));
    this.#emit(this.#parts.network?.expire(nowNs));
  }

  giveUp(): void {
    this.#emit(this.#parts.policies?.giveUp());
    this.#emit(this.#parts.network?.giveUp());
  }

  #tellSignal(fact: SignalFact, isLate: boolean): void {
    this.#parts.emit(signalEvent(fact, {
      base: this.#signalContext(fact, isLate),
      processOf: (ids) => this.#processOf({ ...fact, ...ids, cgroup: NO_PLACE }),
      pathOf: (memory) => this.#parts.pathOf(memory),
    }));
  }

  /** Either end of a signal may have ended by now. */
  #processOf(fact: FactBase): CachedProcess {
    this.#parts.want(fact);
    const { cache } = this.#parts;
    return cache.find(fact.tgid, fact.leaderStartNs) ?? cache.standIn(fact);
  }

  /** One for all facts of a kind. */
  #contextOf<Fact extends FactBase>(subjectOf: (fact: Fact) => CachedProcess): FactContext<Fact> {
    const { clock, withAncestors } = this.#parts;
    return (fact, isLate) =>
      processContext(subjectOf(fact), {
        timeNs: clock.wallNs(fact.timeNs),
        cpu: fact.cpu,
        isLate,
        // Any thread may do it.
        isTidWrong: false,
        withAncestors,
      });
  }

  #emit(events: readonly ProcessEvent[] = []): void {
    for (const event of events) this.#parts.emit(event);
  }
}
