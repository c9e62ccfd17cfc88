/**
 * What a DNS message costs user space: run `deno bench -A` on this file. One run is 1,000 messages:
 * µs are ns per message.
 *
 * @module
 */
import type { ProcessEventBase, SocketTuple } from "../../src/events/mod.ts";
import { framed, labels } from "../support/dns_encoder.ts";
import { mutated, randomMessage } from "../support/random_dns.ts";
import { answerOf, CLIENT_TUPLE, dnsSeen, queryOf } from "../support/sample_dns.ts";
import { sampleProcess, toReference } from "../support/sample_events.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import { DnsStreams } from "../../src/network/dns/dns_streams.ts";
import { NameCache } from "../../src/network/dns/name_cache.ts";
import { DnsParser } from "../../src/network/dns/parse_dns.ts";
import { DnsTeller } from "../../src/network/dns/tell_dns.ts";

const COUNT = 1000;
const NAME = "www.example.com";
const opt = { name: [], type: 41, data: [] };
const query = queryOf(NAME, { additionals: [opt] });
const alias = { name: labels(NAME), type: 5, ttl: 60, data: [labels("edge.cdn.example.net")] };
const addresses = [1, 2, 3, 4].map((last) => ({
  ...{ name: labels("edge.cdn.example.net"), type: 1, ttl: 60 },
  data: [Uint8Array.of(192, 0, 2, last)],
}));
const answer = answerOf(NAME, [], {
  ...{ isCompressed: true, answers: [alias, ...addresses], additionals: [opt] },
});

const random = new SeededRandom(1);
const originals = Array.from({ length: 100 }, () => randomMessage(random).bytes);
const hostile = Array.from({ length: COUNT }, (_, i) => mutated(originals[i % 100]!, random));

const parser = new DnsParser();

Deno.bench("1,000 queries read", () => {
  for (let i = 0; i < COUNT; i++) parser.parse(query);
});

Deno.bench("1,000 answers with an alias and four addresses read", () => {
  for (let i = 0; i < COUNT; i++) parser.parse(answer);
});

Deno.bench("1,000 damaged messages read", () => {
  for (const bytes of hostile) parser.parse(bytes);
});

const base: ProcessEventBase = {
  ...{ timeNs: 1n, cpu: 0, subject: toReference(sampleProcess()), marks: [] },
};
const tuple: SocketTuple = { ...CLIENT_TUPLE, protocol: "tcp" };
const tag = ({ tuple: { local, remote, ...rest } }: { readonly tuple: SocketTuple }) => ({
  ...rest,
  local: { ...local, addressClass: "private" as const },
  remote: { ...remote, addressClass: "private" as const },
});

Deno.bench("1,000 times query and answer told, names learned", (bench) => {
  const counters = new Counters();
  const names = new NameCache(counters);
  const teller = new DnsTeller({
    ...{ ports: [53], counters, names, withEvents: true, withBothEnds: false, tag },
  });
  const asked = dnsSeen(query);
  const answered = dnsSeen(answer, { isOutgoing: false });
  bench.start();
  for (let i = 1; i <= COUNT; i++) {
    const cookie = BigInt(i);
    teller.take({ ...asked, cookie }, false, () => base);
    teller.take({ ...answered, cookie }, false, () => base);
  }
  bench.end();
});

Deno.bench("1,000 answers over TCP in two segments each put together", (bench) => {
  const streams = new DnsStreams(new Counters());
  const bytes = framed(answer);
  const [first, second] = [bytes.subarray(0, 40), bytes.subarray(40)];
  bench.start();
  for (let i = 0; i < COUNT; i++) {
    const sequence = i * bytes.length;
    streams.take(dnsSeen(first, { tuple, sequence, isStart: i === 0 }));
    streams.take(dnsSeen(second, { tuple, sequence: sequence + first.length }));
  }
  bench.end();
});
