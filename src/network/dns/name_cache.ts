/**
 * What addresses are called, by workload: each sees only the names that it has asked for itself,
 * because another's answers may be lies.
 *
 * @module
 */
import type { Counter, Counters } from "../../telemetry/mod.ts";
import type { DnsMessage } from "./dns_message.ts";
import { AddressNames, goodNames, KNOWN_NAMES_MAX } from "./address_names.ts";
import { namedAddresses } from "./named_addresses.ts";

/** Looked through for old names at once. */
const SWEEP_COUNT = 1024;
/** Uses of an address within this time are one: flows ask for the same address many times. */
const USE_NS = 5_000_000_000n;
/** Longer names are not told: no host has one, and a workload may ask for many. */
const NAME_LENGTH_MAX = 255;

/** Bounds of the cache. */
export interface NameCacheLimits {
  /** Addresses of all workloads. */
  readonly addressesMax: number;
  /** Addresses of one workload. */
  readonly addressesPerWorkloadMax: number;
  /** Characters of all names and addresses. */
  readonly textMax: number;
  /** The same of one workload. */
  readonly textPerWorkloadMax: number;
}

/** Addresses with one name of 28 characters each were measured to need 590 bytes: 18 MiB. */
export const NAME_CACHE_LIMITS: NameCacheLimits = {
  addressesMax: 32_768,
  addressesPerWorkloadMax: 4_096,
  textMax: 4 << 20,
  textPerWorkloadMax: 1 << 19,
};

/** What is left out or goes too early. */
type Bound = "addresses" | "workload" | "text" | "names" | "long";

const BOUNDS: readonly Bound[] = ["addresses", "workload", "text", "names", "long"];

/** Names of one workload; the address that was used last is last. */
interface WorkloadNames {
  readonly trackingId: bigint;
  readonly byAddress: Map<string, Entry>;
  textSize: number;
}

interface Entry {
  readonly owner: WorkloadNames;
  readonly known: AddressNames;
  textSize: number;
}

/** Remembers answers. */
export class NameCache {
  readonly #limits: NameCacheLimits;
  readonly #workloads = new Map<bigint, WorkloadNames>();
  /** All entries; the one that was used last is last. */
  readonly #recent = new Set<Entry>();
  #sweep: Iterator<Entry> = this.#recent.values();
  #textSize = 0;
  readonly #dropped: Readonly<Record<Bound, Counter>>;
  readonly #learned: Counter;
  readonly #ownerless: Counter;

  constructor(counters: Counters, limits: NameCacheLimits = NAME_CACHE_LIMITS) {
    this.#limits = limits;
    const counter = (bound: Bound) =>
      counters.counter(
        "shrike_network_names_dropped_total",
        "Names of addresses that were left out or forgotten early, by the bound",
        { bound },
      );
    this.#dropped = Object.fromEntries(
      BOUNDS.map((bound) => [bound, counter(bound)]),
    ) as Record<Bound, Counter>;
    this.#learned = counters.counter(
      "shrike_network_names_learned_total",
      "Names of addresses that answers have given",
    );
    this.#ownerless = counters.counter(
      "shrike_network_names_ownerless_total",
      "Answers that were not remembered because it is not known whose they are",
    );
    const gauge = (name: string, help: string, read: () => number) =>
      counters.gauge(name, help, {}, read);
    gauge("shrike_network_names_addresses", "Addresses with names", () => this.#recent.size);
    gauge("shrike_network_names_characters", "Characters of their names", () => this.#textSize);
    gauge("shrike_network_names_workloads", "Workloads with names", () => this.#workloads.size);
  }

  /** Remembers the addresses of an answer for whoever has asked. */
  learn(
    trackingId: bigint,
    message: Pick<DnsMessage, "questions" | "answers">,
    nowNs: bigint,
  ): void {
    const named = namedAddresses(message.questions, message.answers);
    if (named.length === 0) return;
    if (trackingId === 0n) {
      this.#ownerless.value += 1;
      return;
    }
    for (const { address, asked, alias, ttl } of named) {
      const entry = this.#entry(this.#workload(trackingId), address);
      this.#add(entry, asked, { isAsked: true, ttl, nowNs });
      if (alias !== undefined) this.#add(entry, alias, { isAsked: false, ttl, nowNs });
      this.#touch(entry);
      if (entry.known.count === 0) this.#remove(entry);
    }
    this.#bound(this.#workloads.get(trackingId));
  }

  /**
   * Names under which a workload has asked for an address, longest known first, then what they are
   * aliases of; at most 4. Names that are told stay good for a while.
   *
   * @param address as the kernel's facts have it: RFC 5952, v4-mapped as IPv4
   * @param nowNs CLOCK_MONOTONIC
   */
  namesOf(trackingId: bigint, address: string, nowNs: bigint): readonly string[] {
    const entry = this.#workloads.get(trackingId)?.byAddress.get(address);
    if (entry === undefined) return [];
    const { known } = entry;
    const names = goodNames(known, nowNs);
    if (names.length > 0 && (known.usedNs === 0n || nowNs - known.usedNs > USE_NS)) {
      known.usedNs = nowNs;
      this.#touch(entry);
    }
    return names;
  }

  /** Forgets names that are old, some at a time; about once a second. */
  expire(nowNs: bigint): void {
    for (let i = 0; i < SWEEP_COUNT; i++) {
      const { value, done } = this.#sweep.next();
      if (done === true) {
        this.#sweep = this.#recent.values();
        return;
      }
      if (goodNames(value.known, nowNs).length === 0) this.#remove(value);
    }
  }

  /** The workload is gone. */
  forget(trackingId: bigint): void {
    const workload = this.#workloads.get(trackingId);
    for (const entry of workload?.byAddress.values() ?? []) this.#remove(entry);
    this.#workloads.delete(trackingId);
  }

  #workload(trackingId: bigint): WorkloadNames {
    let workload = this.#workloads.get(trackingId);
    if (workload === undefined) {
      workload = { trackingId, byAddress: new Map(), textSize: 0 };
      this.#workloads.set(trackingId, workload);
    }
    return workload;
  }

  #entry(owner: WorkloadNames, address: string): Entry {
    const known = owner.byAddress.get(address);
    if (known !== undefined) return known;
    const entry: Entry = { owner, known: new AddressNames(address), textSize: 0 };
    owner.byAddress.set(address, entry);
    this.#recent.add(entry);
    this.#resize(entry);
    return entry;
  }

  #add(
    { known }: Entry,
    name: string,
    source: { readonly isAsked: boolean; readonly ttl: number; readonly nowNs: bigint },
  ): void {
    if (name.length > NAME_LENGTH_MAX) {
      this.#dropped.long.value += 1;
      return;
    }
    this.#learned.value += 1;
    known.add(name, source);
    if (known.count > KNOWN_NAMES_MAX) {
      known.dropWorst();
      this.#dropped.names.value += 1;
    }
  }

  #touch(entry: Entry): void {
    this.#resize(entry);
    const { byAddress } = entry.owner;
    byAddress.delete(entry.known.address);
    byAddress.set(entry.known.address, entry);
    this.#recent.delete(entry);
    this.#recent.add(entry);
  }

  #resize(entry: Entry): void {
    const change = entry.known.textSize - entry.textSize;
    entry.textSize += change;
    entry.owner.textSize += change;
    this.#textSize += change;
  }

  /**
   * Some go at once: to find the first entry of a map takes long when many before it were deleted.
   */
  #bound(owner: WorkloadNames | undefined): void {
    const { addressesMax, addressesPerWorkloadMax, textMax, textPerWorkloadMax } = this.#limits;
    const isWorkloadFull = owner !== undefined &&
      (owner.byAddress.size > addressesPerWorkloadMax || owner.textSize > textPerWorkloadMax);
    for (const entry of isWorkloadFull ? owner.byAddress.values() : []) {
      const isEnough = owner!.byAddress.size <= keptOf(addressesPerWorkloadMax) &&
        owner!.textSize <= keptOf(textPerWorkloadMax);
      if (isEnough) break;
      this.#drop(entry, "workload");
    }
    const isFull = this.#recent.size > addressesMax;
    if (!isFull && this.#textSize <= textMax) return;
    for (const entry of this.#recent) {
      const isEnough = this.#recent.size <= keptOf(addressesMax) &&
        this.#textSize <= keptOf(textMax);
      if (isEnough) return;
      this.#drop(entry, isFull ? "addresses" : "text");
    }
  }

  #drop(entry: Entry, bound: Bound): void {
    this.#dropped[bound].value += entry.known.count;
    this.#remove(entry);
  }

  #remove(entry: Entry): void {
    const { owner, known, textSize } = entry;
    owner.byAddress.delete(known.address);
    owner.textSize -= textSize;
    this.#textSize -= textSize;
    this.#recent.delete(entry);
    if (owner.byAddress.size === 0) this.#workloads.delete(owner.trackingId);
  }
}

/** What is kept when it is more than the bound. */
function keptOf(bound: number): number {
  return bound - Math.floor(bound / 16);
}
