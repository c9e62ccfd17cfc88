import assert from "node:assert/strict";
import type { DnsEvent, DnsSeen, SocketTuple, TaggedTuple } from "../../events/mod.ts";
import { encodeMessage, framed, labels } from "../../../tests/support/dns_encoder.ts";
import {
  answerOf,
  CLIENT_TUPLE,
  dnsSeen,
  otherEnd,
  queryOf,
} from "../../../tests/support/sample_dns.ts";
import { sampleProcess, toReference } from "../../../tests/support/sample_events.ts";
import { Counters } from "../../telemetry/mod.ts";
import { NameCache } from "./name_cache.ts";
import { DnsTeller, type DnsTellerOptions } from "./tell_dns.ts";

const SECOND_NS = 1_000_000_000n;
const MS_NS = 1_000_000n;
const SERVER_TUPLE = otherEnd(CLIENT_TUPLE);
const ASKED_NS = dnsSeen(new Uint8Array()).timeNs;

const QUERY = queryOf("a.test");
const ANSWER = answerOf("a.test", ["192.0.2.1"]);
const SUBJECT = toReference(sampleProcess());
const PARENT = toReference(sampleProcess());

class Case {
  readonly counters = new Counters();
  readonly names = new NameCache(this.counters);
  readonly teller: DnsTeller;

  constructor(options: Partial<DnsTellerOptions> = {}) {
    this.teller = new DnsTeller({
      ...{ ports: [53], counters: this.counters, names: this.names },
      ...{ withEvents: true, withBothEnds: false },
      tag: ({ tuple }) => tagged(tuple),
      ...options,
    });
  }

  take(payload: Uint8Array, fields: Partial<DnsSeen> = {}): readonly DnsEvent[] {
    return this.teller.take(dnsSeen(payload, fields), false, ({ timeNs, cpu }) => ({
      ...{ timeNs: 5000n * SECOND_NS + timeNs, cpu, marks: [] },
      ...{ subject: SUBJECT, parent: PARENT },
    }));
  }

  /** At the client. */
  ask(payload: Uint8Array = QUERY, fields: Partial<DnsSeen> = {}): readonly DnsEvent[] {
    return this.take(payload, fields);
  }

  reply(payload: Uint8Array = ANSWER, fields: Partial<DnsSeen> = {}) {
    return this.take(payload, { isOutgoing: false, timeNs: ASKED_NS + 20n * MS_NS, ...fields });
  }

  total(name: string, reason = ""): number {
    return this.counters.snapshot()
      .filter((sample) => sample.name === `shrike_network_dns_${name}`)
      .filter(({ labels }) => reason === "" || labels.reason === reason)
      .reduce((sum, { value }) => sum + value, 0);
  }
}

function tagged(tuple: SocketTuple): TaggedTuple {
  const { local, remote } = tuple;
  return {
    ...tuple,
    local: { ...local, addressClass: "private" },
    remote: { ...remote, addressClass: "private" },
  };
}

Deno.test("DnsTeller tells a query and its response with the time that it took", () => {
  const test = new Case();
  const [query, ...more] = test.ask();
  const [response, ...others] = test.reply();
  assert.deepEqual([more, others], [[], []]);
  const { subject, parent, socket, ...rest } = query!;
  assert(subject !== undefined && parent !== undefined);
  assert.deepEqual(socket, tagged(CLIENT_TUPLE));
  assert.deepEqual(rest, {
    ...{ type: "process_dns", timeNs: 5001n * SECOND_NS, cpu: 0, marks: [] },
    ...{ isResponse: false, role: "client", id: 7 },
    questions: [{ name: "a.test", type: "A" }],
    ...{ answers: [], responseCode: "", isTruncated: false, repeats: 0 },
  });
  assert.equal(response?.durationNs, 20n * MS_NS);
  assert.equal(response.responseCode, "NOERROR");
  assert.deepEqual(response.answers, [{ name: "a.test", type: "A", ttl: 600, data: "192.0.2.1" }]);
  assert.equal(response.role, "client");
  assert.deepEqual(test.teller.expire(ASKED_NS + 100n * SECOND_NS), []);
  assert.equal(test.total("unanswered_total") + test.total("unpaired_total"), 0);
  assert.equal(test.total("exchanges"), 0);
});

Deno.test("DnsTeller tells with the response how often its query was sent", () => {
  const test = new Case();
  assert.equal(test.ask().length, 1);
  for (const seconds of [1n, 3n]) {
    assert.deepEqual(test.ask(queryOf("A.test"), { timeNs: ASKED_NS + seconds * SECOND_NS }), []);
  }
  const [response] = test.reply(undefined, { timeNs: ASKED_NS + 4n * SECOND_NS });
  assert.equal(response?.repeats, 2);
  assert.equal(response.durationNs, 4n * SECOND_NS);
  assert.deepEqual(test.teller.giveUp(), []);
  assert.equal(test.total("folded_total", "repeated"), 2);
});

Deno.test("DnsTeller tells a query once more that was sent again and has no answer", () => {
  const test = new Case();
  const [query] = test.ask();
  test.ask(undefined, { timeNs: ASKED_NS + 5n * SECOND_NS });
  assert.deepEqual(test.teller.expire(ASKED_NS + 9n * SECOND_NS), []);
  const [again, ...more] = test.teller.expire(ASKED_NS + 10n * SECOND_NS);
  assert.deepEqual(more, []);
  assert.deepEqual(again, {
    ...query,
    timeNs: query!.timeNs + 5n * SECOND_NS,
    repeats: 1,
    marks: ["late"],
  });
  assert.equal(test.total("unanswered_total"), 1);
  // The same question is news again.
  assert.equal(test.ask(undefined, { timeNs: ASKED_NS + 11n * SECOND_NS }).length, 1);
});

/** [id, question, type] of queries of one socket, and the order in which they are answered. */
const SAME_NUMBER: readonly (readonly [string, readonly number[]])[] = [
  ["A and AAAA of one name", [0, 1]],
  ["A and AAAA, AAAA first", [1, 0]],
];

for (const [what, order] of SAME_NUMBER) {
  Deno.test(`DnsTeller pairs queries of one socket and number by question: ${what}`, () => {
    const test = new Case();
    const ask = (type: number) =>
      queryOf("a.test", { questions: [{ name: labels("a.test"), type }] });
    const answer = (type: number) =>
      answerOf("a.test", ["192.0.2.1"], {
        questions: [{ name: labels("a.test"), type }],
        answers: [],
      });
    const types = [1, 28];
    const server = { tuple: SERVER_TUPLE, cookie: 2n };
    for (const type of types) assert.equal(test.ask(ask(type)).length, 1);
    for (const type of types) {
      assert.deepEqual(test.ask(ask(type), { ...server, isOutgoing: false }), []);
    }
    for (const i of order) {
      assert.deepEqual(test.take(answer(types[i]!), { ...server, isOutgoing: true }), []);
      const [response, ...more] = test.reply(answer(types[i]!));
      assert.deepEqual(more, []);
      assert.equal(response?.durationNs, 20n * MS_NS);
      assert.equal(response.questions[0]?.type, ["A", "AAAA"][i]);
    }
    assert.equal(test.total("unpaired_total"), 0);
    assert.equal(test.total("exchanges"), 2);
    test.teller.expire(ASKED_NS + 100n * SECOND_NS);
    assert.equal(test.total("unanswered_total"), 0);
  });
}

Deno.test("DnsTeller pairs a response without question by number alone where one query waits", () => {
  const test = new Case();
  const error = encodeMessage({ id: 7, flags: 0x8181, questions: [] });
  test.ask(queryOf("one.test"));
  test.ask(queryOf("two.test"));
  assert.equal(test.reply(error)[0]?.durationNs, undefined, "it may be of either");
  assert.equal(test.total("unpaired_total"), 1);
  const other = new Case();
  other.ask(queryOf("one.test"));
  other.ask(queryOf("two.test"));
  other.reply(answerOf("one.test", ["192.0.2.1"]));
  assert.equal(other.reply(error)[0]?.durationNs, 20n * MS_NS);
});

Deno.test("DnsTeller folds a response that comes again, and tells another one", () => {
  const test = new Case();
  test.ask();
  const [response] = test.reply();
  assert.deepEqual(test.reply(undefined, { timeNs: ASKED_NS + SECOND_NS }), []);
  const [other] = test.reply(answerOf("a.test", ["192.0.2.66"]));
  assert.equal(other?.answers[0]?.data, "192.0.2.66");
  assert.equal(other.durationNs, undefined);
  // The program has taken the first one.
  assert.deepEqual(test.names.namesOf(77n, "192.0.2.66", ASKED_NS), []);
  const [again] = test.teller.giveUp();
  assert.deepEqual([again?.repeats, again?.isResponse], [1, true]);
  assert.equal(again!.timeNs - response!.timeNs, SECOND_NS - 20n * MS_NS);
});

Deno.test("DnsTeller leaves the server's view out where the client is on this host", () => {
  const at = (cookie: bigint, isOutgoing: boolean, tuple: SocketTuple) => ({
    ...{ cookie, isOutgoing, tuple, timeNs: ASKED_NS + 1n },
  });
  // The server calls itself by another address: the packets were translated.
  const tuple = { ...SERVER_TUPLE, local: { address: "10.9.9.9", port: 53 }, netNs: 2 };
  for (const withBothEnds of [false, true]) {
    const test = new Case({ withBothEnds });
    const kinds = [
      test.ask(),
      test.take(queryOf("a.test"), at(2n, false, tuple)),
      test.take(answerOf("a.test", ["192.0.2.1"]), at(2n, true, tuple)),
      test.reply(),
    ].map((events) => events.map(({ role, isResponse }) => `${role} ${isResponse}`).join());
    const server = withBothEnds ? ["server false", "server true"] : ["", ""];
    assert.deepEqual(kinds, ["client false", ...server, "client true"]);
    assert.equal(test.total("folded_total", "other_end"), withBothEnds ? 0 : 2);
    assert.equal(test.total("folded_total", "repeated"), 0);
  }
});

Deno.test("DnsTeller keeps the clients of a server apart", () => {
  const test = new Case();
  const clients = [1, 2, 3].map((last) => ({
    ...SERVER_TUPLE,
    remote: { address: `10.0.1.${last}`, port: 5000 },
  }));
  for (const tuple of clients) {
    const [query] = test.take(queryOf("a.test"), { isOutgoing: false, tuple });
    assert.deepEqual([query?.role, query?.isResponse], ["server", false]);
  }
  clients.forEach((tuple, i) => {
    const timeNs = ASKED_NS + BigInt(i + 1);
    const [response] = test.take(answerOf("a.test", ["192.0.2.1"]), { tuple, timeNs });
    assert.deepEqual([response?.role, response?.durationNs], ["server", BigInt(i + 1)]);
  });
  // What a server answers is not what it has asked.
  assert.deepEqual(test.names.namesOf(77n, "192.0.2.1", ASKED_NS), []);
});

Deno.test("DnsTeller learns names from answers to questions alone", () => {
  const test = new Case();
  const known = (id = 77n) => test.names.namesOf(id, "192.0.2.1", ASKED_NS);
  // Nobody asked; the wrong number, socket, question; a message from the client's end.
  test.reply();
  test.ask(queryOf("b.test", { id: 8 }), { cookie: 3n });
  test.reply(answerOf("b.test", ["192.0.2.1"], { id: 9 }), { cookie: 3n });
  test.reply(answerOf("b.test", ["192.0.2.1"], { id: 8 }), { cookie: 4n });
  test.reply(answerOf("c.test", ["192.0.2.1"], { id: 8 }), { cookie: 3n });
  test.reply(answerOf("b.test", ["192.0.2.1"], { id: 8 }), { cookie: 3n, isOutgoing: true });
  assert.deepEqual(known(), []);
  assert.equal(test.total("unpaired_total"), 4);
  // The guesses have not spoilt the right one. The answer is of whoever asked.
  const elsewhere = { id: 1n, trackingId: 1n, level: 0, hierarchy: 0 };
  const [right] = test.reply(answerOf("b.test", ["192.0.2.1"], { id: 8 }), {
    ...{ cookie: 3n, cgroup: elsewhere },
  });
  assert.equal(right?.durationNs, 20n * MS_NS);
  assert.deepEqual([known(), known(1n)], [["b.test"], []]);
});

Deno.test("DnsTeller does not learn from errors and malformed answers, and learns from cut ones", () => {
  const address = (last: number, size = 4) => ({
    ...{ name: labels("a.test"), type: 1, ttl: 600 },
    data: [Uint8Array.of(192, 0, 2, last).subarray(0, size)],
  });
  const learned = (payload: Uint8Array, fields: Partial<DnsSeen> = {}) => {
    const test = new Case();
    test.ask();
    const [event] = test.reply(payload, fields);
    return [test.names.namesOf(77n, "192.0.2.1", ASKED_NS).length, event?.isIncomplete];
  };
  const failed = answerOf("a.test", ["192.0.2.1"], { flags: 0x8183 });
  const malformed = answerOf("a.test", [], { answers: [address(1), address(2, 3)] });
  const whole = answerOf("a.test", [], { answers: [address(1), address(2)] });
  const cut = whole.subarray(0, whole.length - 3);
  assert.deepEqual(learned(failed), [0, undefined]);
  assert.deepEqual(learned(malformed), [0, true]);
  assert.deepEqual(learned(cut, { size: whole.length }), [1, true]);
});

Deno.test("DnsTeller can learn without telling", () => {
  const test = new Case({ withEvents: false, tag: () => assert.fail("nothing is told") });
  assert.deepEqual([...test.ask(), ...test.ask(), ...test.reply()], []);
  assert.deepEqual(test.names.namesOf(77n, "192.0.2.1", ASKED_NS), ["a.test"]);
  assert.deepEqual(test.teller.giveUp(), []);
});

Deno.test("DnsTeller tells each of the queries that one call hands over as one packet", () => {
  const test = new Case();
  const queries = ["one.test", "two.test", "six.test", "x.test"].map((name) => queryOf(name));
  const segmentSize = queries[0]!.length;
  const payload = new Uint8Array(queries.flatMap((query) => [...query]));
  const told = test.ask(payload, { segmentSize });
  const names = ["one.test", "two.test", "six.test", "x.test"];
  assert.deepEqual(told.map(({ questions }) => questions[0]?.name), names);
  assert.equal(test.total("malformed_total"), 0);
  // What did not fit the record is counted as such.
  const cut = new Case();
  const fields = { segmentSize, size: payload.length };
  assert.equal(cut.ask(payload.subarray(0, 2 * segmentSize), fields).length, 2);
  assert.equal(cut.total("malformed_total"), 2);
});

Deno.test("DnsTeller reads TCP, several messages in one segment and one in several", () => {
  const test = new Case();
  const tcp = { tuple: { ...CLIENT_TUPLE, protocol: "tcp" } } as const;
  const queries = [1, 2].map((id) => framed(queryOf("a.test", { id })));
  const bytes = Uint8Array.from(queries.flatMap((query) => [...query]));
  const asked = test.take(bytes, { ...tcp, sequence: 9, isStart: true });
  assert.deepEqual(asked.map(({ id }) => id), [1, 2]);
  // Servers need not keep the order.
  const answer = framed(answerOf("a.test", ["192.0.2.1"], { id: 2 }));
  const back = { ...tcp, isOutgoing: false };
  assert.deepEqual(test.reply(answer.subarray(0, 9), { ...back, isStart: true }), []);
  const [response] = test.reply(answer.subarray(9), { ...back, sequence: 9 });
  assert.deepEqual([response?.id, response?.durationNs], [2, 20n * MS_NS]);
  assert.equal(response?.socket.protocol, "tcp");
  assert.deepEqual(test.names.namesOf(77n, "192.0.2.1", ASKED_NS), ["a.test"]);
});

Deno.test("DnsTeller counts malformed messages by reason and tells what was read", () => {
  const test = new Case();
  assert.deepEqual(test.ask(new Uint8Array(5)), []);
  assert.deepEqual(test.ask(new Uint8Array()), []);
  const bad = queryOf("a.test");
  bad[5] = 2;
  const [event] = test.ask(bad);
  assert.deepEqual([event?.questions.length, event?.isIncomplete], [1, true]);
  assert.equal(test.total("malformed_total", "short"), 2);
  assert.equal(test.total("malformed_total", "ends_early"), 1);
  assert.equal(test.total("malformed_total"), 3);
  const many = Array.from({ length: 20 }, () => ({ name: labels("a.test"), type: 1 }));
  test.ask(encodeMessage({ questions: many }));
  assert.equal(test.total("records_skipped_total"), 4);
});

Deno.test("DnsTeller tells mDNS by who sends a query, and pairs nothing there", () => {
  const test = new Case({ ports: [53, 5353] });
  const tuple = {
    ...CLIENT_TUPLE,
    local: { address: "10.0.0.2", port: 5353 },
    remote: { address: "224.0.0.251", port: 5353 },
  };
  const [query] = test.ask(queryOf("x.local", { id: 0, flags: 0 }), { tuple });
  const answers = [{ name: labels("x.local"), type: 1, data: [Uint8Array.of(10, 0, 0, 9)] }];
  const payload = encodeMessage({ flags: 0x8400, answers });
  const [response] = test.reply(payload, { tuple });
  assert.deepEqual([query?.role, response?.role], ["client", "client"]);
  assert.equal(response?.durationNs, undefined);
  assert.deepEqual(test.names.namesOf(77n, "10.0.0.9", ASKED_NS), []);
  const [own] = test.take(payload, { tuple, cookie: 2n });
  assert.equal(own?.role, "server");
});

Deno.test("DnsTeller names what is no question, and pairs errors without one", () => {
  const test = new Case();
  const [notify] = test.ask(queryOf("a.test", { flags: 4 << 11 }));
  assert.equal(notify?.opcode, "NOTIFY");
  const [error] = test.reply(encodeMessage({ id: 7, flags: 0x8001 }));
  assert.deepEqual([error?.responseCode, error?.durationNs], ["FORMERR", 20n * MS_NS]);
});

Deno.test("DnsTeller bounds what it remembers: answered exchanges go first", () => {
  const test = new Case();
  test.ask(undefined, { cookie: 1n });
  for (let i = 2; i <= 10_000; i++) {
    const cookie = BigInt(i);
    test.ask(undefined, { cookie });
    if (i <= 5000) test.reply(undefined, { cookie });
  }
  // A sixteenth goes at once.
  const bounded = () => {
    const count = test.total("exchanges");
    assert(count > 8192 * 15 / 16 - 1 && count <= 8192, String(count));
    return count;
  };
  bounded();
  assert.equal(test.total("exchanges_dropped_total"), 0);
  assert.equal(test.reply(undefined, { cookie: 1n })[0]?.durationNs, 20n * MS_NS);
  for (let i = 10_001; i <= 20_000; i++) test.ask(undefined, { cookie: BigInt(i) });
  assert.equal(test.total("exchanges_dropped_total"), 5000 + 10_000 - bounded());
  // Large messages: 8 Mi characters, not 8,192 messages of any size.
  const name = Array.from({ length: 4 }, () => new Uint8Array(60).fill(1));
  const questions = Array.from({ length: 16 }, () => ({ name, type: 1 }));
  const large = encodeMessage({ questions, isCompressed: true });
  for (let i = 1; i <= 1000; i++) {
    test.ask(large, { cookie: BigInt(30_000 + i) });
  }
  assert(test.total("exchanges") < 500, String(test.total("exchanges")));
});
