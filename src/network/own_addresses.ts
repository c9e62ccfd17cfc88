/**
 * Which addresses are this host's, in all network namespaces that its processes are in.
 *
 * @module
 */
import type { Counter, Counters } from "../telemetry/mod.ts";
import { ipv6Text } from "./address_class.ts";

/** A process for each network namespace. */
export interface NamespaceMember {
  readonly tgid: number;
  /** Inode number of its network namespace; 0 when it is not known. */
  readonly netNs: number;
}

/** What is read of the host. */
export interface AddressFiles {
  /** The first `size` bytes of a file; undefined when it cannot be read. */
  read(path: string, size: number): string | undefined;
}

/** What own addresses are made from. */
export interface OwnAddressesParts {
  readonly files: AddressFiles;
  readonly members: () => Iterable<NamespaceMember>;
  readonly counters: Counters;
}

/** Namespaces that are looked at in one round. */
const NAMESPACES_MAX = 256;
/** Of which so many at a time: two files each, some 50 us. */
const NAMESPACES_PER_STEP = 8;
const ADDRESSES_MAX = 16_384;
/** Of a file. A router has its whole table of routes in it, and addresses behind them. */
const FILE_SIZE_MAX = 256 * 1024;
/** Between two rounds. */
const ROUND_NS = 30_000_000_000n;

/** Keeps the list fresh, a step at a time. */
export class OwnAddresses {
  readonly #parts: OwnAddressesParts;
  readonly #left: Counter;
  #known: ReadonlySet<string> = new Set();
  #coming = new Set<string>();
  #queue: NamespaceMember[] = [];
  #nextRoundNs = 0n;

  constructor(parts: OwnAddressesParts) {
    this.#parts = parts;
    this.#left = parts.counters.counter(
      "shrike_network_addresses_left_out_total",
      "Namespaces, files and addresses beyond the bounds of the list of this host's addresses",
    );
    parts.counters.gauge(
      "shrike_network_own_addresses",
      "Addresses that are known to be this host's",
      {},
      () => this.#known.size,
    );
  }

  /** Whether an address is one of this host. */
  has(address: string): boolean {
    return this.#known.has(address);
  }

  /** Goes on with the round under way, or begins one when it is time; about once a second. */
  step(nowNs: bigint): void {
    if (this.#queue.length === 0) {
      if (nowNs < this.#nextRoundNs) return;
      this.#nextRoundNs = nowNs + ROUND_NS;
      this.#queue = this.#namespaces();
    }
    for (const { tgid } of this.#queue.splice(0, NAMESPACES_PER_STEP)) this.#look(tgid);
    if (this.#queue.length > 0) return;
    this.#known = this.#coming;
    this.#coming = new Set();
  }

  #namespaces(): NamespaceMember[] {
    // The agent's own first: it is there also where no process is known.
    const found = new Map<number, NamespaceMember>([[0, { tgid: 0, netNs: 0 }]]);
    for (const member of this.#parts.members()) {
      if (member.netNs === 0 || found.has(member.netNs)) continue;
      if (found.size >= NAMESPACES_MAX) {
        this.#left.value += 1;
        break;
      }
      found.set(member.netNs, member);
    }
    return [...found.values()];
  }

  #look(tgid: number): void {
    const directory = `/proc/${tgid === 0 ? "self" : tgid}/net`;
    for (const address of localIpv4(this.#read(`${directory}/fib_trie`))) this.#enter(address);
    for (const address of localIpv6(this.#read(`${directory}/if_inet6`))) this.#enter(address);
  }

  #read(path: string): string {
    const text = this.#parts.files.read(path, FILE_SIZE_MAX) ?? "";
    if (text.length >= FILE_SIZE_MAX) this.#left.value += 1;
    return text;
  }

  #enter(address: string): void {
    if (this.#coming.size < ADDRESSES_MAX) this.#coming.add(address);
    else this.#left.value += 1;
  }
}

/** Addresses of /proc/net/fib_trie that have a route "local" to the host itself. */
export function localIpv4(text: string): Set<string> {
  const addresses = new Set<string>();
  let last = "";
  for (const line of text.split("\n")) {
    const leaf = /\|-- (\d+\.\d+\.\d+\.\d+)/.exec(line)?.[1];
    if (leaf !== undefined) last = leaf;
    else if (line.includes("/32 host LOCAL") && last !== "") addresses.add(last);
  }
  return addresses;
}

/** Addresses of /proc/net/if_inet6. */
export function localIpv6(text: string): Set<string> {
  const addresses = new Set<string>();
  for (const line of text.split("\n")) {
    const digits = /^([0-9a-f]{32}) /.exec(line)?.[1];
    if (digits === undefined) continue;
    addresses.add(ipv6Text(digits.match(/.{4}/g)!.map((word) => parseInt(word, 16))));
  }
  return addresses;
}

/** Those of the running system. */
export class HostAddressFiles implements AddressFiles {
  read(path: string, size: number): string | undefined {
    try {
      using file = Deno.openSync(path);
      const bytes = new Uint8Array(size);
      let length = 0;
      // Files of /proc give a page at a time.
      for (let count = 1; length < size && count > 0; length += count) {
        count = file.readSync(bytes.subarray(length)) ?? 0;
      }
      return new TextDecoder().decode(bytes.subarray(0, length));
    } catch {
      // The process has ended, or another one may not look at it.
      return undefined;
    }
  }
}
