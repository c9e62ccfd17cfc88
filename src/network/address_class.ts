/**
 * Where an address is, from its number alone.
 *
 * @module
 */
import type { AddressClass } from "../events/mod.ts";

/** What is the case before anybody asks whether the address is one of this host. */
export type AddressRange = Exclude<AddressClass, "same_host">;

/** An IPv4 network: address and bits that count. */
type Network = readonly [number, number];

/** First match; the rest is public. */
const IPV4_RANGES: readonly (readonly [AddressRange, Network])[] = [
  ["loopback", [0x7f00_0000, 8]], // RFC 1122
  ["private", [0x0a00_0000, 8]], // RFC 1918
  ["private", [0xac10_0000, 12]], // RFC 1918
  ["private", [0xc0a8_0000, 16]], // RFC 1918
  ["private", [0x6440_0000, 10]], // RFC 6598, shared by customers of a provider
  ["link_local", [0xa9fe_0000, 16]], // RFC 3927
  ["multicast", [0xe000_0000, 4]], // RFC 5771
  ["multicast", [0xffff_ffff, 32]], // RFC 919: to all on the link
  ["unspecified", [0, 8]], // RFC 1122: "this host on this network"
];

/** Of an IPv6 address the first 16 bits tell most: value and bits that count. */
const IPV6_RANGES: readonly (readonly [AddressRange, Network])[] = [
  ["private", [0xfc00, 7]], // RFC 4193
  ["private", [0xfec0, 10]], // RFC 3879: site-local, given up
  ["link_local", [0xfe80, 10]], // RFC 4291
  ["multicast", [0xff00, 8]], // RFC 4291
];

/** The range that an address is in; "unspecified" for what is no address. */
export function addressRange(address: string): AddressRange {
  if (address.includes(":")) return ipv6Range(address);
  const number = ipv4Number(address);
  return number === undefined ? "unspecified" : ipv4Range(number);
}

function ipv4Range(address: number): AddressRange {
  return find(IPV4_RANGES, address, 32);
}

function ipv6Range(address: string): AddressRange {
  const words = ipv6Words(address);
  if (words === undefined) return "unspecified";
  const [first = 0, second = 0, third = 0] = words;
  const [high = 0, low = 0] = words.slice(6);
  if (words.slice(0, 6).every((word) => word === 0)) {
    if (high === 0 && low === 0) return "unspecified";
    if (high === 0 && low === 1) return "loopback";
  }
  const embedded = high * 0x1_0000 + low;
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  // RFC 6052: the peer is where the IPv4 address is, the translator only on the way.
  const isTranslated = first === 0x64 && second === 0xff9b &&
    words.slice(2, 6).every((word) => word === 0);
  if (isMapped || isTranslated) return ipv4Range(embedded);
  if (first === 0x64 && second === 0xff9b && third === 1) return "private"; // RFC 8215
  return find(IPV6_RANGES, first, 16);
}

function find(
  ranges: readonly (readonly [AddressRange, Network])[],
  value: number,
  width: number,
): AddressRange {
  for (const [range, [network, bits]] of ranges) {
    const rest = 2 ** (width - bits);
    if (Math.floor(value / rest) === Math.floor(network / rest)) return range;
  }
  return "public";
}

/** The number of "10.0.0.1"; undefined for what is no IPv4 address. */
export function ipv4Number(address: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address);
  if (match === null) return undefined;
  let number = 0;
  for (const part of match.slice(1)) {
    if (Number(part) > 255) return undefined;
    number = number * 256 + Number(part);
  }
  return number;
}

/** The eight words of an IPv6 address; undefined for what is none. */
export function ipv6Words(address: string): number[] | undefined {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const ipv4 = dotted === null ? undefined : ipv4Number(dotted[2]!);
  if (dotted !== null && ipv4 === undefined) return undefined;
  const text = ipv4 === undefined
    ? address
    : `${dotted![1]}${(ipv4 >>> 16).toString(16)}:${(ipv4 & 0xffff).toString(16)}`;
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const before = words(head);
  const after = words(tail ?? "");
  if (before === undefined || after === undefined) return undefined;
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...before, ...new Array(missing).fill(0), ...after];
}

function words(text: string): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  if (!parts.every((part) => /^[0-9a-fA-F]{1,4}$/.test(part))) return undefined;
  return parts.map((part) => parseInt(part, 16));
}

/** RFC 5952: no leading zeros, the longest run of zeros shortened, IPv4-mapped in dots. */
export function ipv6Text(words: readonly number[]): string {
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    const bytes = [words[6]! >> 8, words[6]! & 0xff, words[7]! >> 8, words[7]! & 0xff];
    return bytes.join(".");
  }
  let [at, length] = [-1, 1];
  for (let i = 0; i < words.length; i++) {
    let run = 0;
    while (words[i + run] === 0) run++;
    if (run > length) [at, length] = [i, run];
    i += run;
  }
  const hex = words.map((word) => word.toString(16));
  if (at < 0) return hex.join(":");
  return `${hex.slice(0, at).join(":")}::${hex.slice(at + length).join(":")}`;
}
