/**
 * One line of /proc/net/nf_conntrack.
 *
 * @module
 */
import type { Endpoint } from "../events/mod.ts";
import { ipv6Text, ipv6Words } from "./address_class.ts";

/** A connection whose addresses the kernel translates, as both sides see it. */
export interface Translation {
  readonly protocol: string;
  /** Who asked, by the address it has itself, and whom it asked. */
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** Who answers, and to whom, as it sees that. */
  readonly replySource: Endpoint;
  readonly replyDestination: Endpoint;
}

/**
 * Reads a line; undefined when nothing is translated.
 *
 * @throws {RangeError} it is no line of that file
 */
export function readConntrackLine(line: string): Translation | undefined {
  // "ipv4 2 tcp 6 117 TIME_WAIT src=10.0.0.2 dst=10.96.0.1 sport=4 dport=80 src=... dst=..."
  const words = line.split(" ").filter((word) => word !== "");
  const protocol = words[2];
  const values = {
    src: [] as string[],
    dst: [] as string[],
    sport: [] as string[],
    dport: [] as string[],
  };
  for (const word of words) {
    const at = word.indexOf("=");
    const name = word.slice(0, Math.max(at, 0));
    if (name in values) values[name as keyof typeof values].push(word.slice(at + 1));
  }
  const { src, dst, sport, dport } = values;
  if (protocol === undefined || src.length !== 2 || dst.length !== 2) throw new RangeError(line);
  // ICMP and others have no ports.
  if (sport.length !== 2 || dport.length !== 2) return undefined;
  const isSame = src[0] === dst[1] && dst[0] === src[1] && sport[0] === dport[1] &&
    dport[0] === sport[1];
  if (isSame) return undefined;
  return {
    protocol,
    source: endpoint(src[0], sport[0]),
    destination: endpoint(dst[0], dport[0]),
    replySource: endpoint(src[1], sport[1]),
    replyDestination: endpoint(dst[1], dport[1]),
  };
}

function endpoint(address = "", port = ""): Endpoint {
  return { address: shortAddress(address), port: Number(port) };
}

/** The file has IPv6 in full length. */
function shortAddress(address: string): string {
  const words = address.includes(":") ? ipv6Words(address) : undefined;
  return words === undefined ? address : ipv6Text(words);
}
