import assert from "node:assert/strict";
import {
  type DataPart,
  encodeMessage,
  labels,
  type MessageSpec,
  numbers,
} from "../../../tests/support/dns_encoder.ts";
import { type DnsMessage, QUESTIONS_MAX, TEXT_MAX } from "./dns_message.ts";
import { DnsParser } from "./parse_dns.ts";

const parser = new DnsParser();

/** Hex digits with spaces, and text in quotes. */
function bytesOf(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const [, quoted, hex] of text.matchAll(/"([^"]*)"|([0-9a-f]{2})/g)) {
    if (quoted === undefined) bytes.push(parseInt(hex!, 16));
    else bytes.push(...new TextEncoder().encode(quoted));
  }
  return Uint8Array.from(bytes);
}

function parse(bytes: Uint8Array, size?: number): DnsMessage {
  const message = parser.parse(bytes, size);
  assert(typeof message !== "string", String(message));
  return message;
}

function problemOf(bytes: Uint8Array): string {
  const message = parser.parse(bytes);
  return typeof message === "string" ? message : message.problem;
}

const QUERY = bytesOf(
  `12 34 01 00 00 01 00 00 00 00 00 01 03"www"07"example"03"com"00 00 1c 00 01
   00 00 29 04 d0 00 00 00 00 00 00`,
);

Deno.test("DnsParser reads a query with EDNS", () => {
  assert.deepEqual(parse(QUERY), {
    id: 0x1234,
    isResponse: false,
    opcode: 0,
    isTruncated: false,
    responseCode: "",
    questions: [{ name: "www.example.com", type: "AAAA" }],
    answers: [],
    isIncomplete: false,
    textSize: "www.example.com".length,
    skippedCount: 0,
    problem: "",
  });
});

Deno.test("DnsParser follows compression in names and data of an answer", () => {
  const message = parse(bytesOf(
    `be ef 81 80 00 01 00 02 00 00 00 00 03"www"07"example"03"com"00 00 01 00 01
     c0 0c 00 05 00 01 00 00 01 2c 00 06 03"cdn" c0 10
     c0 2d 00 01 00 01 00 00 00 3c 00 04 c0 00 02 01`,
  ));
  assert.equal(message.responseCode, "NOERROR");
  assert.deepEqual(message.answers, [
    { name: "www.example.com", type: "CNAME", ttl: 300, data: "cdn.example.com" },
    { name: "cdn.example.com", type: "A", ttl: 60, data: "192.0.2.1" },
  ]);
});

/** One answer of that type. */
function answerOf(type: number, data: readonly DataPart[], classCode = 1) {
  const name = labels("a.test");
  const spec: MessageSpec = {
    flags: 0x8180,
    questions: [{ name, type }],
    answers: [{ name, type, classCode, ttl: 5, data }],
  };
  const plain = parse(encodeMessage(spec));
  assert.deepEqual(parse(encodeMessage({ ...spec, isCompressed: true })), plain);
  assert.equal(plain.problem, "");
  const [{ type: typeName, data: text }] = plain.answers as [DnsMessage["answers"][number]];
  return `${typeName} ${text}`;
}

Deno.test("DnsParser reads the data of each type as zone files have it", () => {
  const target = labels("host.a.test");
  const v6 = (...groups: number[]) => [numbers(...groups.map((group) => [group, 2] as const))];
  const text = (...parts: string[]) =>
    parts.map((part) => Uint8Array.of(part.length, ...new TextEncoder().encode(part)));
  const rows: [number, DataPart[], string][] = [
    [1, [Uint8Array.of(10, 0, 0, 255)], "A 10.0.0.255"],
    [28, v6(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1), "AAAA 2001:db8::1:0:0:1"],
    [28, v6(0, 0, 0, 0, 0, 0, 0, 0), "AAAA ::"],
    [28, v6(0, 0, 0, 0, 0, 0, 0, 1), "AAAA ::1"],
    [28, v6(1, 0, 0, 0, 0, 0, 0, 0), "AAAA 1::"],
    [28, v6(1, 0, 2, 3, 4, 5, 6, 0xabcd), "AAAA 1:0:2:3:4:5:6:abcd"],
    [28, v6(0, 0, 0, 0, 0, 0xffff, 0xa00, 1), "AAAA 10.0.0.1"],
    [2, [target], "NS host.a.test"],
    [5, [target], "CNAME host.a.test"],
    [12, [target], "PTR host.a.test"],
    [39, [target], "DNAME host.a.test"],
    [15, [numbers([10, 2]), target], "MX 10 host.a.test"],
    [33, [numbers([1, 2], [2, 2], [5060, 2]), target], "SRV 1 2 5060 host.a.test"],
    [16, text("v=spf1 -all", 'a"\\\n', ""), 'TXT "v=spf1 -all" "a\\"\\\\\\010" ""'],
    [
      6,
      [target, labels("root.a.test"), numbers([2 ** 32 - 1, 4], [2, 4], [3, 4], [4, 4], [5, 4])],
      "SOA host.a.test root.a.test 4294967295 2 3 4 5",
    ],
    [65, [numbers([1, 2]), labels(""), bytesOf("00 01 00 03 02 68 32")], "HTTPS 1 ."],
    [64, [numbers([0, 2]), target], "SVCB 0 host.a.test"],
    [257, [bytesOf('00 05"issue""ca.test"')], "CAA "],
    [4242, [bytesOf("00 01 02")], "TYPE4242 "],
  ];
  for (const [type, data, expected] of rows) assert.equal(answerOf(type, data), expected);
  // The same number means another thing in another class.
  assert.equal(answerOf(1, [Uint8Array.of(1, 2)], 3), "A ");
  // The flag of mDNS.
  assert.equal(answerOf(1, [Uint8Array.of(1, 2, 3, 4)], 0x8001), "A 1.2.3.4");
});

Deno.test("DnsParser writes bytes of names that are no printable characters as numbers", () => {
  const name = [Uint8Array.of(0x00, 0x20, 0x2e, 0x5c, 0x7f, 0xff, 0x41), Uint8Array.of(0x22)];
  const { questions } = parse(
    encodeMessage({ questions: [{ name, type: 1 }, { name: [], type: 2 }] }),
  );
  assert.deepEqual(questions, [
    { name: '\\000\\032\\.\\\\\\127\\255A."', type: "A" },
    { name: ".", type: "NS" },
  ]);
});

Deno.test("DnsParser names response codes, also those that EDNS extends", () => {
  const opt = (extended: number) => ({ name: [], type: 41, ttl: extended * 2 ** 24, data: [] });
  const codeOf = (spec: MessageSpec) => parse(encodeMessage(spec)).responseCode;
  assert.equal(codeOf({ flags: 0x8003 }), "NXDOMAIN");
  assert.equal(codeOf({ flags: 0x800c }), "RCODE12");
  assert.equal(codeOf({ flags: 0x8000, additionals: [opt(1)] }), "BADVERS");
  assert.equal(codeOf({ flags: 0x8007, additionals: [opt(1)] }), "BADCOOKIE");
  assert.equal(codeOf({ flags: 0x8000, additionals: [opt(0)] }), "NOERROR");
});

Deno.test("DnsParser does not look for data in records of an update", () => {
  const name = labels("a.test");
  const message = parse(encodeMessage({
    flags: 5 << 11,
    questions: [{ name, type: 6 }],
    answers: [{ name, type: 1, classCode: 255, data: [] }],
  }));
  assert.equal(message.problem, "");
  assert.equal(message.opcode, 5);
  assert.deepEqual(message.answers, [{ name: "a.test", type: "A", ttl: 0, data: "" }]);
});

const LONG = encodeMessage({
  id: 7,
  flags: 0x8180,
  isCompressed: true,
  questions: [{ name: labels("a.test"), type: 1 }],
  answers: [1, 2, 3].map((last) => ({
    name: labels("a.test"),
    type: 1,
    ttl: 9,
    data: [Uint8Array.of(192, 0, 2, last)],
  })),
});

Deno.test("DnsParser reads what is there of a message that was cut, at each size", () => {
  const whole = parse(LONG);
  assert.equal(whole.answers.length, 3);
  for (let size = 0; size < LONG.length; size++) {
    const message = parser.parse(LONG.subarray(0, size), LONG.length);
    if (typeof message === "string") {
      assert(size < 12 && message === "short");
      continue;
    }
    assert.equal(message.problem, "");
    assert(message.isIncomplete);
    const { length } = message.answers;
    assert.equal(length, size < 24 ? 0 : Math.floor((size - 24) / 16));
    assert.deepEqual(message.answers, whole.answers.slice(0, length));
    // The same bytes without the knowledge that they were cut are wrong.
    assert.equal(problemOf(LONG.subarray(0, size)), "ends_early");
  }
});

Deno.test("DnsParser takes TC as a reason why the message ends within a record", () => {
  const bytes = LONG.slice(0, LONG.length - 2);
  bytes[2]! |= 0x02;
  const message = parse(bytes);
  assert(message.isTruncated && message.isIncomplete);
  assert.equal(message.problem, "");
  assert.equal(message.answers.length, 2);
});

Deno.test("DnsParser says why a message is none", () => {
  const header = "00 01 01 00 00 01 00 00 00 00 00 00";
  const rows: [string, string][] = [
    ["", "short"],
    ["00 01 01 00 00 00 00 00 00 00 00", "short"],
    [header, "ends_early"],
    [`${header} 03"ab"`, "ends_early"],
    [`${header} 01"a"00 00 01 00`, "ends_early"],
    [`${header} c0`, "ends_early"],
    [`${header} c0 0c 00 01 00 01`, "pointer"],
    [`${header} c0 0e 00 01 00 01 00`, "pointer"],
    [`${header} 01"a"c0 0c 00 01 00 01`, "pointer"],
    [`${header} c0 00 00 01 00 01`, "pointer"],
    [`${header} 40 00 01 00 01`, "label_type"],
    [`${header} 80 00 01 00 01`, "label_type"],
  ];
  for (const [text, problem] of rows) assert.equal(problemOf(bytesOf(text)), problem, text);
});

Deno.test("DnsParser refuses loops, chains of pointers and names that are too long", () => {
  const name = labels("a.test");
  const withName = (bytes: number[]) =>
    Uint8Array.from([...bytesOf("00 01 80 00 00 00 00 01 00 00 00 00"), ...bytes]);
  // Two names that point at each other.
  assert.equal(problemOf(withName([0xc0, 14, 0xc0, 12])), "pointer");
  // Two names of 63 * 4 bytes: 255 with the root is allowed, 256 is not.
  const label = (size: number) => new Uint8Array(size).fill(0x61);
  const longest = [label(63), label(63), label(63), label(61)];
  assert.equal(problemOf(encodeMessage({ questions: [{ name: longest, type: 1 }] })), "");
  const longer = [label(63), label(63), label(63), label(62)];
  assert.equal(problemOf(encodeMessage({ questions: [{ name: longer, type: 1 }] })), "name_size");
  // A record full of pointers, each to the one before, and a name that follows them all.
  const chain = (count: number) => {
    // Its data begins after the header, a root and the fixed part.
    const at = 12 + 1 + 10;
    const targets = Array.from({ length: count }, (_, i) => i === 0 ? at : at + 1 + 2 * (i - 1));
    const pointers = targets.map((target) => [0xc000 | target, 2] as const);
    return encodeMessage({
      flags: 0x8000,
      answers: [
        { name: [], type: 4242, data: [numbers([0, 1], ...pointers)] },
        { name, type: 2, data: [numbers([0xc000 | at + 1 + 2 * (count - 1), 2])] },
      ],
    });
  };
  assert.equal(parse(chain(126)).answers[1]?.data, ".");
  assert.equal(problemOf(chain(127)), "pointer_count");
});

Deno.test("DnsParser keeps what came before a record that is wrong", () => {
  const name = labels("a.test");
  const good = { name, type: 1, data: [Uint8Array.of(1, 2, 3, 4)] };
  const wrong: [number, DataPart[]][] = [
    [1, [Uint8Array.of(1, 2, 3)]],
    [28, [Uint8Array.of(1, 2, 3, 4)]],
    [5, [name, Uint8Array.of(0)]],
    [5, []],
    [15, [Uint8Array.of(1)]],
    [33, [Uint8Array.of(1, 2, 3, 4, 5)]],
    [6, [name, name, Uint8Array.of(1)]],
    [16, [Uint8Array.of(5, 0x61)]],
    [65, [Uint8Array.of(0, 1)]],
  ];
  for (const [type, data] of wrong) {
    const message = parse(encodeMessage({
      flags: 0x8000,
      questions: [{ name, type }],
      answers: [good, { name, type, data }, good],
    }));
    assert.equal(message.problem, "record_size", String(type));
    assert(message.isIncomplete);
    assert.equal(message.questions.length, 1);
    assert.deepEqual(message.answers.map(({ data }) => data), ["1.2.3.4"]);
  }
});

Deno.test("DnsParser counts what is beyond its bounds", () => {
  const name = labels("a.test");
  const many = parse(encodeMessage({
    isCompressed: true,
    questions: Array.from({ length: QUESTIONS_MAX + 3 }, () => ({ name, type: 1 })),
  }));
  assert.equal(many.questions.length, QUESTIONS_MAX);
  assert.deepEqual([many.skippedCount, many.isIncomplete, many.problem], [3, true, ""]);
  const data = [Uint8Array.of(1, 2, 3, 4)];
  const answers = Array.from({ length: 70 }, () => ({ name, type: 1, data }));
  const full = parse(encodeMessage({ flags: 0x8000, isCompressed: true, answers }));
  assert.deepEqual([full.answers.length, full.skippedCount], [64, 6]);
  // Names of a thousand characters that two bytes stand for.
  const long = Array.from({ length: 4 }, () => new Uint8Array(62).fill(1));
  const expanded = parse(encodeMessage({
    flags: 0x8000,
    isCompressed: true,
    answers: Array.from({ length: 60 }, () => ({ name: long, type: 5, data: [long] })),
  }));
  const size = expanded.answers.reduce((sum, { name, data }) => sum + name.length + data.length, 0);
  assert(size > TEXT_MAX / 2 && size < TEXT_MAX + 2 * 1020, String(size));
  assert.equal(expanded.skippedCount, 60 - expanded.answers.length);
});

Deno.test("DnsParser reads mDNS and LLMNR, which have flags and classes of their own", () => {
  const mdns = parse(bytesOf(
    `00 00 84 00 00 00 00 01 00 00 00 00 05"_http"04"_tcp"05"local"00 00 0c 80 01 00 00 11 94
     00 07 04"c3a9"c0 0c`,
  ));
  assert.deepEqual([mdns.id, mdns.problem], [0, ""]);
  assert.deepEqual(mdns.answers[0]?.data, "c3a9._http._tcp.local");
  const llmnr = parse(bytesOf(`ab cd 05 00 00 01 00 00 00 00 00 00 04"host"00 00 01 00 01`));
  assert.deepEqual(llmnr.questions, [{ name: "host", type: "A" }]);
  assert.equal(llmnr.problem, "");
});
