import assert from "node:assert/strict";
import { SAMPLE_COUNTS, sampleTuple } from "../../tests/support/fake_network_kernel.ts";
import { sampleProcess, toReference } from "../../tests/support/sample_events.ts";
import { dnsSeen, socketChanged } from "../../tests/support/sample_network_facts.ts";
import type { DnsEvent, NetworkProcessEvent, ProcessEventBase } from "../events/mod.ts";
import { NetworkEvents } from "./network_events.ts";
import { TupleTagger } from "./tag_tuple.ts";

const BASE: ProcessEventBase = {
  ...{ timeNs: 9_000n, cpu: 1, marks: [] },
  subject: toReference(sampleProcess()),
};
const ENDED = toReference(sampleProcess({ tgid: 4711 }));
const PARENT = toReference(sampleProcess({ tgid: 1 }));
const DNS_EVENT: DnsEvent = {
  ...BASE,
  ...{ type: "process_dns", isResponse: false, role: "client", id: 1, questions: [], answers: [] },
  ...{ responseCode: "", isTruncated: false, repeats: 0, socket: tagged() },
};

function tagged(own: readonly string[] = [], names: readonly string[] = []) {
  return tagger(own, names).tag(sampleTuple(), 8n, 1n);
}

function tagger(own: readonly string[] = [], names: readonly string[] = []) {
  return new TupleTagger({
    ownAddresses: new Set(own),
    names: { namesOf: (id, address) => id === 8n && address === "93.184.216.34" ? names : [] },
    conntrack: {
      find: ({ remote }) => remote.port === 80 ? { address: "10.0.0.9", port: 8080 } : undefined,
    },
  });
}

function events() {
  const tags = tagger();
  const told = () => [DNS_EVENT];
  const dns = { take: told, expire: told, giveUp: told };
  return new NetworkEvents({
    dns,
    tag: (...tuple) => tags.tag(...tuple),
    ended: (tgid) => tgid === ENDED.process.tgid ? { subject: ENDED, parent: PARENT } : undefined,
  });
}

const one = (told: readonly NetworkProcessEvent[]) => {
  assert.equal(told.length, 1);
  return told[0]!;
};

Deno.test("NetworkEvents.take() tells a connection with how long it took", () => {
  const event = one(events().take(socketChanged(), false, () => BASE));
  assert.deepEqual(event, {
    ...BASE,
    ...{ type: "process_connect", isFailed: false, cookie: 77n, socket: tagged() },
    durationNs: 500n,
  });
});

Deno.test("NetworkEvents.take() tells failures, accepted and closed connections, and who listens", () => {
  const of = (fields: Parameters<typeof socketChanged>[0]) =>
    one(events().take(socketChanged(fields), false, () => BASE));
  const common = { ...BASE, cookie: 77n, socket: tagged(), isFailed: false };
  assert.deepEqual(of({ change: "connect_failed", error: "ECONNREFUSED" }), {
    ...common,
    ...{ type: "process_connect", isFailed: true, durationNs: 500n, error: "ECONNREFUSED" },
  });
  assert.deepEqual(of({ change: "accept" }), { ...common, type: "process_accept" });
  assert.deepEqual(of({ change: "listen", openedNs: 0n }), { ...common, type: "process_listen" });
  assert.deepEqual(of({ change: "close", state: "ESTABLISHED" }), {
    ...common,
    ...{ type: "process_close", durationNs: 500n, counts: SAMPLE_COUNTS, state: "ESTABLISHED" },
  });
  assert.deepEqual(of({ change: "close", state: "", openedNs: 0n }), {
    ...common,
    ...{ type: "process_close", counts: SAMPLE_COUNTS },
  });
});

Deno.test("NetworkEvents.take() names a process that ended before its connection", () => {
  const unknown: ProcessEventBase = {
    ...{ timeNs: 9_000n, cpu: 1, marks: ["late", "parent_unknown"] },
    subject: toReference(sampleProcess({ unknown: true })),
  };
  const of = (tgid: number, base: ProcessEventBase) =>
    one(events().take(socketChanged({ change: "close", tgid }), false, () => base));
  const { subject, parent, marks } = of(4711, unknown);
  assert.deepEqual([subject, parent, marks], [ENDED, PARENT, ["late"]]);
  assert.equal(of(4711, BASE).subject, BASE.subject, "the cache knows better");
  assert.equal(of(4712, unknown).subject, unknown.subject);
});

Deno.test("NetworkEvents hands DNS to its reader", () => {
  const made = events();
  assert.deepEqual(made.take(dnsSeen(), false, () => BASE), [DNS_EVENT]);
  assert.deepEqual([...made.expire(1n), ...made.giveUp()], [DNS_EVENT, DNS_EVENT]);
});

Deno.test("TupleTagger.tag() knows where ends are, what the peer is called and where it really is", () => {
  assert.deepEqual(tagged([], ["example.com"]), {
    ...sampleTuple(),
    local: { address: "10.0.0.2", port: 43210, addressClass: "private" },
    remote: {
      ...{ address: "93.184.216.34", port: 443, addressClass: "public" },
      names: ["example.com"],
    },
  });
  // The own end is of this host anyway; its range says more.
  const own = tagged(["10.0.0.2", "93.184.216.34"]);
  assert.deepEqual(
    [own.local.addressClass, own.remote.addressClass, own.remote.names],
    ["private", "same_host", undefined],
  );
  const loop = tagger(["127.0.0.1"]).tag(
    sampleTuple({ remote: { address: "127.0.0.1", port: 80 } }),
    9n,
    1n,
  );
  assert.equal(loop.remote.addressClass, "loopback");
  assert.deepEqual(loop.translated, { address: "10.0.0.9", port: 8080, addressClass: "private" });
});
