import assert from "node:assert/strict";
import type { DnsEvent } from "../../events/mod.ts";
import { framed } from "../../../tests/support/dns_encoder.ts";
import { mutated } from "../../../tests/support/random_dns.ts";
import {
  answerOf,
  CLIENT_TUPLE,
  dnsSeen,
  otherEnd,
  queryOf,
} from "../../../tests/support/sample_dns.ts";
import { sampleProcess, toReference } from "../../../tests/support/sample_events.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { Counters } from "../../telemetry/mod.ts";
import { NameCache } from "./name_cache.ts";
import { DnsTeller } from "./tell_dns.ts";

const ROUNDS = 30_000;
const NAMES = ["a.test", "b.test", "www.c.test"] as const;

Deno.test("DnsTeller tells or counts each message of a hostile mixture, and forgets all of it", () => {
  const random = SeededRandom.fromEnvironment("DNS facts");
  const counters = new Counters();
  const names = new NameCache(counters);
  const teller = new DnsTeller({
    ...{ ports: [53], counters, names, withEvents: true, withBothEnds: false },
    tag: ({ tuple: { local, remote, ...rest } }) => ({
      ...rest,
      local: { ...local, addressClass: "private" },
      remote: { ...remote, addressClass: "private" },
    }),
  });
  const base = { timeNs: 1n, cpu: 0, subject: toReference(sampleProcess()), marks: [] };
  const payloads = NAMES.flatMap((name) =>
    [1, 2].flatMap((id) => [queryOf(name, { id }), answerOf(name, ["192.0.2.1", "::"], { id })])
  );
  const told = { first: 0, again: 0, repeats: 0 };
  const tally = (events: readonly DnsEvent[]) => {
    for (const { marks, repeats } of events) {
      if (marks.length > 0) told.again++;
      else told.first++;
      told.repeats += repeats;
    }
  };
  let nowNs = 1n;
  for (let round = 0; round < ROUNDS; round++) {
    nowNs += BigInt(random.below(300_000_000));
    const original = payloads[random.below(payloads.length)]!;
    const payload = random.chance(0.3) ? mutated(original, random) : original;
    const isTcp = random.chance(0.2);
    const bytes = isTcp ? framed(payload) : payload;
    const tuple = random.chance(0.5) ? CLIENT_TUPLE : otherEnd(CLIENT_TUPLE);
    const fact = dnsSeen(bytes, {
      ...{ timeNs: nowNs, cookie: BigInt(random.below(5)), isOutgoing: random.chance(0.5) },
      ...(isTcp && { tuple: { ...tuple, protocol: "tcp" }, sequence: round * 1000, isStart: true }),
      ...(!isTcp && { tuple }),
    });
    tally(teller.take(fact, false, () => base));
    if (random.chance(0.1)) tally(teller.expire(nowNs));
  }
  tally(teller.giveUp());
  const total = (name: string) => counters.total(`shrike_network_dns_${name}`);
  const { value: folded } = counters.snapshot().find(({ name, labels }) =>
    name === "shrike_network_dns_folded_total" && labels.reason === "repeated"
  )!;
  // Every message is told for the first time, or folded; what was folded is told as a number.
  assert.equal(told.first + total("folded_total"), total("messages_total"));
  assert.equal(told.repeats, folded);
  assert(told.first > ROUNDS / 4 && told.again > 0 && folded > 100);
  assert(total("malformed_total") > 100 && total("unanswered_total") > 100);
  for (const gauge of ["exchanges", "streams", "stream_bytes"]) assert.equal(total(gauge), 0);
});
