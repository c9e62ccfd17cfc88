/**
 * Which addresses an answer gives to the name that was asked for.
 *
 * @module
 */
import type { DnsAnswer } from "../../events/mod.ts";
import type { DnsQuestion } from "./dns_message.ts";

/** Aliases that are followed; resolvers give up after about as many. */
const ALIASES_MAX = 16;
/** Blocked names often have it. It is nobody's. */
const UNSPECIFIED = ["0.0.0.0", "::"];

/** An address and what it is called. Names are in small letters: case means nothing in DNS. */
export interface NamedAddress {
  readonly address: string;
  readonly asked: string;
  /** The last name of the chain of aliases, when there is one. */
  readonly alias: string | undefined;
  /** Seconds: the shortest of all records that lead there. */
  readonly ttl: number;
}

/** Records that do not belong to what was asked are left out: anybody may add some. */
export function namedAddresses(
  questions: readonly DnsQuestion[],
  answers: readonly DnsAnswer[],
): NamedAddress[] {
  const links = new Map<string, { readonly name: string; readonly ttl: number }>();
  for (const { name, type, data, ttl } of answers) {
    if (type === "CNAME") links.set(name.toLowerCase(), { name: data.toLowerCase(), ttl });
  }
  const found: NamedAddress[] = [];
  for (const question of questions) {
    const asked = question.name.toLowerCase();
    const ttls = followAliases(asked, links);
    for (const { name, type, data, ttl } of answers) {
      if (type !== "A" && type !== "AAAA" || data === "" || UNSPECIFIED.includes(data)) continue;
      const owner = name.toLowerCase();
      const ttlMax = ttls.get(owner);
      if (ttlMax === undefined) continue;
      const alias = owner === asked ? undefined : owner;
      found.push({ address: data, asked, alias, ttl: Math.min(ttl, ttlMax) });
    }
  }
  return found;
}

/** Names that `asked` leads to, with the shortest TTL on the way. */
function followAliases(
  asked: string,
  links: ReadonlyMap<string, { readonly name: string; readonly ttl: number }>,
): ReadonlyMap<string, number> {
  const ttls = new Map([[asked, Infinity]]);
  let [name, ttl] = [asked, Infinity];
  for (let i = 0; i < ALIASES_MAX; i++) {
    const link = links.get(name);
    if (link === undefined || ttls.has(link.name)) break;
    [name, ttl] = [link.name, Math.min(ttl, link.ttl)];
    ttls.set(name, ttl);
  }
  return ttls;
}
