/**
 * `struct network_tuple`: both ends of a socket.
 *
 * @module
 */
import { NetworkTupleOffset as Offset } from "./generated/network.ts";
import { ipv4Text, ipv6Text } from "./ip_address.ts";

/** Both ends, addresses as text. */
export interface WireTuple {
  readonly family: 4 | 6;
  /** Name, or number as text. */
  readonly protocol: string;
  readonly local: { readonly address: string; readonly port: number };
  readonly remote: { readonly address: string; readonly port: number };
  readonly netNs: number;
}

/** Protocol numbers (IANA). */
const PROTOCOLS: Readonly<Record<number, string>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  58: "icmpv6",
  136: "udplite",
  255: "raw",
};

/** The tuple at byte `at`; undefined when there is none (`family` 0). */
export function readTuple(view: DataView, at: number): WireTuple | undefined {
  const family = view.getUint8(at + Offset.family);
  if (family !== 4 && family !== 6) return undefined;
  const text = family === 4 ? ipv4Text : ipv6Text;
  const protocol = view.getUint8(at + Offset.protocol);
  return {
    family,
    protocol: PROTOCOLS[protocol] ?? `${protocol}`,
    local: {
      address: text(view, at + Offset.localAddress),
      port: view.getUint16(at + Offset.localPort, true),
    },
    remote: {
      address: text(view, at + Offset.remoteAddress),
      port: view.getUint16(at + Offset.remotePort, true),
    },
    netNs: view.getUint32(at + Offset.netNs, true),
  };
}
