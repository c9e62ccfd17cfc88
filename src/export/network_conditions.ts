/**
 * Filters on the network: with whom, over which port and protocol, by which name. An event that is
 * not about the network has none of them.
 *
 * @module
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";
import type { AddressClass, AgentEvent, NetworkEvent, TaggedEndpoint } from "../events/mod.ts";
import { isNetworkEvent } from "./event_kind.ts";
import {
  FilterError,
  type FilterExpression,
  type FilterValue,
  keyHint,
  type NetworkKey,
  suggestionHint,
} from "./filter_expression.ts";
import { Glob } from "./glob.ts";

type Test = (event: NetworkEvent) => boolean;

interface Condition {
  readonly test: Test;
  /** What `test` must give. */
  readonly wanted: boolean;
}

const PORT_MAX = 65_535;
/** The field has 8 bits in IPv4 and IPv6. */
const PROTOCOL_MAX = 255;

/** As events have them. */
const PROTOCOLS = ["tcp", "udp", "udplite", "icmp", "icmpv6", "raw"] as const;
const PROTOCOL_NAMES: Readonly<Record<number, typeof PROTOCOLS[number]>> = {
  ...{ 1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 136: "udplite", 255: "raw" },
};

const CLASSES: readonly AddressClass[] = [
  ...["loopback", "same_host", "private", "link_local"] as const,
  ...["multicast", "unspecified", "public"] as const,
];

/** All of them must hold. */
export class NetworkConditions {
  readonly #conditions: Condition[] = [];

  /** Whether one of them asks for the network: then no other events are shown. */
  get asksNetwork(): boolean {
    return this.#conditions.some(({ wanted }) => wanted);
  }

  /** @throws {FilterError} */
  add(parsed: FilterExpression, key: NetworkKey): void {
    this.#conditions.push({ test: makeTest(parsed, key), wanted: parsed.operator === "=" });
  }

  hold(event: AgentEvent): boolean {
    for (const { test, wanted } of this.#conditions) {
      if ((isNetworkEvent(event) && test(event)) !== wanted) return false;
    }
    return true;
  }
}

function makeTest(parsed: FilterExpression, key: NetworkKey): Test {
  switch (key) {
    case "peer":
      return peerTest(parsed);
    case "port":
      return portTest(parsed);
    case "protocol": {
      const wanted = new Set(parsed.values.map((value) => readProtocol(parsed, value)));
      return ({ socket }) => socket !== undefined && wanted.has(socket.protocol);
    }
    case "domain":
      return domainTest(parsed);
    case "class": {
      const wanted = new Set(parsed.values.map((value) => readClass(parsed, value)));
      return (event) => peersOf(event).some((peer) => wanted.has(peer.addressClass));
    }
  }
}

/** The other end, as the process sees it and as it really is. */
function peersOf({ socket }: NetworkEvent): readonly TaggedEndpoint[] {
  if (socket === undefined || socket.remote.address === "") return [];
  const { remote, translated } = socket;
  return translated === undefined ? [remote] : [remote, translated];
}

function peerTest(parsed: FilterExpression): Test {
  const networks = new BlockList();
  for (const value of parsed.values) addNetwork(networks, parsed, value);
  return (event) =>
    peersOf(event).some(({ address }) =>
      networks.check(address, address.includes(":") ? "ipv6" : "ipv4")
    );
}

/** `10.0.0.0/8`, `192.0.2.1`, `2001:db8::/32`. */
function addNetwork(networks: BlockList, parsed: FilterExpression, value: FilterValue): void {
  const [, address = "", bitsText] = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(value.text) ?? [];
  const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : undefined;
  const width = family === "ipv4" ? 32 : 128;
  const bits = bitsText === undefined ? width : Number(bitsText);
  if (family !== undefined && bits <= width) {
    networks.addSubnet(address, bits, family);
    return;
  }
  const problem = family === undefined
    ? `"${value.text}" is no address`
    : `"${value.text}" has more than ${width} bits`;
  const hint = family === undefined && /[a-z]/i.test(value.text)
    ? `names are asked for with domain, such as domain=*.example.org; ${keyHint(parsed.key)}`
    : keyHint(parsed.key);
  throw new FilterError(parsed.expression, value.position, value.text, problem, hint);
}

/** Of either end, and of the peer where it really is. */
function portTest(parsed: FilterExpression): Test {
  const ranges = parsed.values.map((value) => readPorts(parsed, value));
  const fits = (port: number) => ranges.some(({ first, last }) => port >= first && port <= last);
  return ({ socket }) => {
    if (socket === undefined) return false;
    const { local, remote, translated } = socket;
    return fits(local.port) || fits(remote.port) ||
      (translated !== undefined && fits(translated.port));
  };
}

/** `443` or `8000-8100`. */
function readPorts(
  parsed: FilterExpression,
  value: FilterValue,
): { readonly first: number; readonly last: number } {
  const [, firstText, lastText] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(value.text) ?? [];
  const first = Number(firstText);
  const last = lastText === undefined ? first : Number(lastText);
  // 0 stands for a port that is not known.
  if (first >= 1 && first <= last && last <= PORT_MAX) return { first, last };
  const problem = first > last && last >= 1
    ? `"${value.text}" ends before it begins`
    : `"${value.text}" is no port`;
  const hint = `use 1 to ${PORT_MAX}; ${keyHint(parsed.key)}`;
  throw new FilterError(parsed.expression, value.position, value.text, problem, hint);
}

function readProtocol({ expression }: FilterExpression, { text, position }: FilterValue): string {
  const name = PROTOCOLS.find((protocol) => protocol === text.toLowerCase());
  if (name !== undefined) return name;
  if (/^\d{1,3}$/.test(text) && Number(text) <= PROTOCOL_MAX) {
    return PROTOCOL_NAMES[Number(text)] ?? String(Number(text));
  }
  const hint = suggestionHint(text, PROTOCOLS, "protocols") + ", or a number";
  throw new FilterError(expression, position, text, `unknown protocol "${text}"`, hint);
}

function readClass({ expression }: FilterExpression, { text, position }: FilterValue) {
  const found = CLASSES.find((word) => word === text);
  if (found !== undefined) return found;
  const hint = suggestionHint(text, CLASSES, "classes");
  throw new FilterError(expression, position, text, `unknown class "${text}"`, hint);
}

/** On names that the peer has, and on those that DNS was asked for or told of. */
function domainTest(parsed: FilterExpression): Test {
  // Names of DNS are the same in small and capital letters, with and without the root's dot.
  const plain = (name: string) => name.toLowerCase().replace(/(.)\.$/, "$1");
  const globs = parsed.values.map(({ text }) => new Glob(plain(text)));
  const fits = (name: string) => {
    const shown = plain(name);
    return globs.some((glob) => glob.matches(shown));
  };
  return (event) =>
    peersOf(event).some(({ names }) => names?.some(fits) ?? false) ||
    (event.type === "process_dns" &&
      (event.questions.some(({ name }) => fits(name)) ||
        event.answers.some(({ name }) => fits(name))));
}
