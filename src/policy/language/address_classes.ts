/**
 * Classes of addresses as networks, as `src/network/address_class.ts` has them for events. Whether
 * an address is one of the host itself changes while a policy is loaded, so that is no class here.
 *
 * @module
 */
import {
  joinRanges,
  prefixesOfAddresses,
  rangeOfNetwork,
  subtractRanges,
} from "../compile/value_sets.ts";
import type { Network } from "../model.ts";
import { BadValue, parseNetwork } from "./value_form.ts";

const IPV4: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.0/8"],
  private: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"],
  link_local: ["169.254.0.0/16"],
  multicast: ["224.0.0.0/4", "255.255.255.255/32"],
  unspecified: ["0.0.0.0/8"],
};

const IPV6: Readonly<Record<string, readonly string[]>> = {
  loopback: ["::1/128"],
  private: ["fc00::/7", "fec0::/10", "64:ff9b:1::/48"],
  link_local: ["fe80::/10"],
  multicast: ["ff00::/8"],
  unspecified: ["::/128"],
};

const PUBLIC = "public";

/** RFC 6052: behind it is the IPv4 address that the translator sends to. */
const TRANSLATED = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

/** Names of the classes. */
export const ADDRESS_CLASSES: readonly string[] = [PUBLIC, ...Object.keys(IPV4)];

const MADE = new Map<string, readonly Network[]>();

/** The networks of a class. */
export function networksOfClass(name: string): readonly Network[] | BadValue {
  const known = MADE.get(name);
  if (known !== undefined) return known;
  if (!ADDRESS_CLASSES.includes(name)) {
    return new BadValue("is not a class of addresses", `use ${ADDRESS_CLASSES.join(", ")}`);
  }
  const networks = name === PUBLIC ? publicNetworks() : namedNetworks(name);
  MADE.set(name, networks);
  return networks;
}

function namedNetworks(name: string): Network[] {
  const ipv4 = IPV4[name]!.map(network);
  return [...ipv4, ...ipv4.map(translated), ...IPV6[name]!.map(network)];
}

/** What is in no other class. */
function publicNetworks(): Network[] {
  const others = Object.keys(IPV4).flatMap(namedNetworks).map(rangeOfNetwork);
  const all = [{ first: 0n, last: (1n << 128n) - 1n }];
  return prefixesOfAddresses(subtractRanges(all, joinRanges(others))).map((bits) => ({
    address: Uint8Array.from(
      { length: 16 },
      (_, i) => parseInt(bits.slice(i * 8, i * 8 + 8).padEnd(8, "0"), 2),
    ),
    bits: bits.length,
  }));
}

function network(text: string): Network {
  const parsed = parseNetwork(text);
  if (parsed instanceof BadValue) throw new Error(`"${text}" is not a network`);
  return parsed;
}

function translated({ address, bits }: Network): Network {
  return { address: Uint8Array.of(...TRANSLATED, ...address.subarray(12)), bits };
}
