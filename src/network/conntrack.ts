/**
 * Where peers really are whose addresses the kernel translates: services of a cluster, published
 * ports of containers. Read from /proc/net/nf_conntrack, where the kernel has that file.
 *
 * @module
 */
import type { Endpoint, SocketTuple } from "../events/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";
import { readConntrackLine, type Translation } from "./conntrack_line.ts";

/** What the table is made from. */
export interface ConntrackParts {
  readonly counters: Counters;
  /** Told once, when the file cannot be read. */
  readonly onMissing: (error: Error) => void;
  /** Of the host, also where the agent has a network namespace of its own. */
  readonly path?: string;
  /** Bytes that are read at one time, at most. */
  readonly sizeMax?: number;
}

/**
 * About 40,000 connections. The file has one line for each, up to nf_conntrack_max of them, and the
 * kernel takes some microseconds to make one.
 */
const SIZE_MAX = 8 * 1024 * 1024;
const TRANSLATIONS_MAX = 32_768;
/** Lines are read in parts, with the event loop running between them. */
const PART_SIZE = 64 * 1024;
const LINE_SIZE_MAX = 4_096;

/** Translations as of the last `refresh()`. */
export class Conntrack {
  readonly #parts: ConntrackParts;
  readonly #cut: Counter;
  readonly #malformed: Counter;
  #peers: ReadonlyMap<string, Endpoint> = new Map();
  #isMissing = false;

  constructor(parts: ConntrackParts) {
    this.#parts = parts;
    const { counters } = parts;
    this.#cut = counters.counter(
      "shrike_network_conntrack_cut_total",
      "Looks at the table of translated connections that ended before its end, for their bounds",
    );
    this.#malformed = counters.counter(
      "shrike_network_conntrack_malformed_total",
      "Lines of the table of translated connections that could not be read",
    );
    counters.gauge(
      "shrike_network_conntrack_entries",
      "Translated addresses that are known",
      {},
      () => this.#peers.size,
    );
  }

  /** Reads the file, up to its bounds. Never fails: without the file nothing is translated. */
  async refresh(): Promise<void> {
    try {
      this.#peers = await this.#read();
    } catch (error) {
      this.#peers = new Map();
      // It may come with the first rule that needs it.
      if (!this.#isMissing) this.#parts.onMissing(error as Error);
      this.#isMissing = true;
    }
  }

  /** Where the peer of a socket really is; undefined when that is where it seems to be. */
  find({ protocol, local, remote }: SocketTuple): Endpoint | undefined {
    if (remote.address === "") return undefined;
    const peer = this.#peers.get(keyOf(protocol, local, remote));
    return peer === SEVERAL ? undefined : peer;
  }

  async #read(): Promise<Map<string, Endpoint>> {
    const { path = "/proc/1/net/nf_conntrack", sizeMax = SIZE_MAX } = this.#parts;
    using file = await Deno.open(path);
    const peers = new Map<string, Endpoint>();
    const bytes = new Uint8Array(PART_SIZE);
    const decoder = new TextDecoder();
    let rest = "";
    for (let size = 0;;) {
      const count = await file.read(bytes);
      if (count === null) break;
      size += count;
      const lines = (rest + decoder.decode(bytes.subarray(0, count), { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.#enterLine(line, peers);
      if (size < sizeMax && peers.size < TRANSLATIONS_MAX && rest.length <= LINE_SIZE_MAX) continue;
      this.#cut.value += 1;
      return peers;
    }
    if (rest !== "") this.#enterLine(rest, peers);
    return peers;
  }

  #enterLine(line: string, peers: Map<string, Endpoint>): void {
    try {
      const translation = readConntrackLine(line);
      if (translation !== undefined) enter(peers, translation);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#malformed.value += 1;
    }
  }
}

function enter(peers: Map<string, Endpoint>, translation: Translation): void {
  const { protocol, source, destination, replySource, replyDestination } = translation;
  // As who asks sees it, and the same where the port of the client is folded.
  if (!isSame(destination, replySource)) {
    peers.set(keyOf(protocol, source, destination), replySource);
    enterFolded(peers, keyOf(protocol, { ...source, port: 0 }, destination), replySource);
  }
  // As who answers sees it.
  if (!isSame(source, replyDestination)) {
    peers.set(keyOf(protocol, replySource, replyDestination), source);
    const anyPort = { ...replyDestination, port: 0 };
    enterFolded(peers, keyOf(protocol, replySource, anyPort), { ...source, port: 0 });
  }
}

/** Connections that are one in the flows may go to several peers: then none of them is told. */
function enterFolded(peers: Map<string, Endpoint>, key: string, peer: Endpoint): void {
  const known = peers.get(key);
  peers.set(key, known === undefined || isSame(known, peer) ? peer : SEVERAL);
}

const SEVERAL: Endpoint = { address: "", port: 0 };

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.port === b.port;
}

function keyOf(protocol: string, local: Endpoint, remote: Endpoint): string {
  return `${protocol} ${local.address} ${local.port} ${remote.address} ${remote.port}`;
}
