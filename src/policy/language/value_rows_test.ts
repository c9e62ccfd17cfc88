import assert from "node:assert/strict";
import {
  conditionText,
  documentText,
  kprobeText,
  placeIn,
  policyOf,
  problemsOf,
  problemText,
  readText,
} from "../../../tests/support/policy_text.ts";
import type { Condition, Test } from "../model.ts";
import { ACTIONS, REFUSED_ACTIONS } from "./actions.ts";
import { ARGUMENT_TYPES, type HookKind, REFUSED_TYPES, typeNames } from "./argument_types.ts";
import { operatorNames, OPERATORS, REFUSED_OPERATORS } from "./operators.ts";

const HOOKS: Readonly<Record<HookKind, string>> = {
  syscall: "kprobes: [{call: sys_openat",
  kprobe: "kprobes: [{call: tcp_connect, syscall: false",
  tracepoint: "tracepoints: [{subsystem: raw_syscalls, event: sys_enter",
  raw_tracepoint: "tracepoints: [{subsystem: raw_syscalls, event: sys_enter, raw: true",
  lsm: "lsmhooks: [{hook: file_open",
};

function bytes(...texts: string[]): Uint8Array[] {
  return texts.map((text) => new TextEncoder().encode(text));
}

function range(first: bigint, last: bigint, isSigned = true): Test {
  const shift = isSigned ? 1n << 63n : 0n;
  return { kind: "range", isSigned, values: [{ first: first + shift, last: last + shift }] };
}

/** 10.0.0.0/8 and the like: 16 bytes from numbers, zeros behind them. */
function network(bits: number, ...start: number[]): Test {
  const address = new Uint8Array(16);
  address.set(start);
  return { kind: "network", values: [{ address, bits }] };
}

const V4 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];

/** What an operator makes of values, for a type that takes it. */
const OPERATOR_CASES: readonly {
  readonly name: string;
  readonly type: string;
  readonly values?: string;
  readonly test: Test;
  readonly isNegated?: true;
}[] = [
  {
    name: "Equal",
    type: "string",
    values: "a, 'ü'",
    test: { kind: "text", values: bytes("a", "ü") },
  },
  {
    name: "Equal",
    type: "int",
    values: "1, -1",
    test: { kind: "number", values: [1n, 2n ** 64n - 1n] },
  },
  {
    name: "NotEqual",
    type: "fd",
    values: "/a",
    test: { kind: "text", values: bytes("/a") },
    isNegated: true,
  },
  { name: "Prefix", type: "file", values: "/a", test: { kind: "prefix", values: bytes("/a") } },
  {
    name: "NotPrefix",
    type: "path",
    values: "/a",
    test: { kind: "prefix", values: bytes("/a") },
    isNegated: true,
  },
  {
    name: "Postfix",
    type: "char_buf",
    values: ".so",
    test: { kind: "postfix", values: bytes(".so") },
  },
  {
    name: "NotPostfix",
    type: "linux_binprm",
    values: "x",
    test: { kind: "postfix", values: bytes("x") },
    isNegated: true,
  },
  { name: "GreaterThan", type: "int", values: "-5", test: range(-4n, 2n ** 31n - 1n) },
  { name: "GT", type: "uint8", values: "0x10", test: range(17n, 255n, false) },
  { name: "LessThan", type: "int64", values: "0", test: range(-(2n ** 63n), -1n) },
  { name: "LT", type: "size_t", values: "10", test: range(0n, 9n, false) },
  { name: "Mask", type: "int", values: "1, 0x80000000", test: { kind: "bits", mask: 0x80000001n } },
  { name: "InRange", type: "int16", values: "'-1:2'", test: range(-1n, 2n) },
  { name: "NotInRange", type: "uint64", values: "7", test: range(7n, 7n, false), isNegated: true },
  { name: "InMap", type: "uint32", values: "1, 2", test: { kind: "number", values: [1n, 2n] } },
  { name: "NotInMap", type: "int8", values: "'-3:-2'", test: range(-3n, -2n), isNegated: true },
  { name: "InMap", type: "capability", values: "CAP_BPF", test: { kind: "number", values: [39n] } },
  {
    name: "InMap",
    type: "syscall64",
    values: "sys_umount, 1",
    test: { kind: "number", values: [166n, 1n] },
  },
  { name: "SAddr", type: "sock", values: "10.1.2.3/8", test: network(104, ...V4, 10) },
  {
    name: "NotSAddr",
    type: "sock",
    values: "'2001:db8::/33'",
    test: network(33, 0x20, 1, 0xd, 0xb8),
    isNegated: true,
  },
  { name: "DAddr", type: "sock", values: "192.0.2.1", test: network(128, ...V4, 192, 0, 2, 1) },
  { name: "NotDAddr", type: "sockaddr", values: "'::/0'", test: network(0), isNegated: true },
  { name: "SPort", type: "sock", values: "80", test: { kind: "number", values: [80n] } },
  { name: "NotSPort", type: "sock", values: "'1:9'", test: range(1n, 9n, false), isNegated: true },
  { name: "DPort", type: "sock", values: "'8000:8999'", test: range(8000n, 8999n, false) },
  {
    name: "NotDPort",
    type: "sock",
    values: "0",
    test: { kind: "number", values: [0n] },
    isNegated: true,
  },
  { name: "SPortPriv", type: "sock", test: range(0n, 1023n, false) },
  { name: "NotSPortPriv", type: "sock", test: range(0n, 1023n, false), isNegated: true },
  { name: "NotSportPriv", type: "sock", test: range(0n, 1023n, false), isNegated: true },
  { name: "DPortPriv", type: "sockaddr", test: range(0n, 1023n, false) },
  { name: "NotDPortPriv", type: "sock", test: range(0n, 1023n, false), isNegated: true },
  { name: "NotDportPriv", type: "sock", test: range(0n, 1023n, false), isNegated: true },
  {
    name: "Protocol",
    type: "sock",
    values: "IPPROTO_UDP, 6",
    test: { kind: "number", values: [17n, 6n] },
  },
  ...(["SClass", "NotSClass", "DClass", "NotDClass"] as const).map((name) => ({
    ...{ name, type: "sock", values: "link_local" },
    test: {
      kind: "network" as const,
      values: [
        network(112, ...V4, 169, 254),
        network(112, 0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 169, 254),
        network(10, 0xfe, 0x80),
      ].flatMap((test) => test.kind === "network" ? test.values : []),
    },
    ...(name.startsWith("Not") && { isNegated: true as const }),
  })),
  { name: "Family", type: "sockaddr", values: "AF_INET6", test: { kind: "number", values: [10n] } },
  { name: "State", type: "sock", values: "TCP_LISTEN", test: { kind: "number", values: [10n] } },
];

function conditionOf(text: string): Condition {
  const [condition] = policyOf(text).hooks[0]!.selectors[0]!.conditions;
  return condition!;
}

Deno.test("each name of each operator makes its test of the values", () => {
  const names = new Set(OPERATOR_CASES.map(({ name }) => name));
  assert.deepEqual(operatorNames().filter((name) => !names.has(name)), []);
  for (const { name, type, values, test, isNegated = false } of OPERATOR_CASES) {
    const text = conditionText({ type, operator: name, ...(values ? { values } : {}) });
    const condition = conditionOf(text);
    assert.deepEqual(condition.test, test, text);
    assert.equal(condition.isNegated, isNegated, name);
  }
});

Deno.test("negated operators of addresses say how to match what has no address", () => {
  for (const operator of ["NotDAddr", "NotSPort", "NotDClass", "NotDPortPriv", "DAddr"]) {
    const values = { NotSPort: "1", NotDClass: "public", NotDPortPriv: "" }[operator] ?? "::1";
    const { notes } = readText(
      conditionText({ type: "sock", operator, ...(values !== "" && { values }) }),
    );
    const expected = operator === "DAddr" ? [] : [
      `${operator} matches IPv4 and IPv6 only: AF_UNIX, AF_NETLINK and the like have no address`,
    ];
    assert.deepEqual(notes.map(({ text }) => text), expected);
    assert.ok(notes.every(({ hint }) => hint.includes("operator: Family")));
  }
});

Deno.test("operators of sockets look at their part, of addresses at the only end there is", () => {
  const partOf = (type: string, operator: string, values: string) => {
    const { subject } = conditionOf(conditionText({ type, operator, values }));
    return subject.of === "argument" ? subject.part : undefined;
  };
  assert.equal(partOf("sock", "SAddr", "::1"), "source_address");
  assert.equal(partOf("sock", "DAddr", "::1"), "destination_address");
  assert.equal(partOf("sock", "SPort", "1"), "source_port");
  assert.equal(partOf("sock", "DPort", "1"), "destination_port");
  assert.equal(partOf("sock", "Protocol", "1"), "protocol");
  assert.equal(partOf("sock", "Family", "1"), "family");
  assert.equal(partOf("sock", "State", "1"), "state");
  assert.equal(partOf("sockaddr", "SAddr", "::1"), "destination_address");
  assert.equal(partOf("sockaddr", "SPort", "1"), "destination_port");
  assert.equal(partOf("sockaddr", "Family", "1"), "family");
  assert.equal(partOf("int", "Equal", "1"), "value");
});

Deno.test("each type takes its operators and refuses all others at the operator", () => {
  for (const row of ARGUMENT_TYPES) {
    const type = row.names[0]!;
    for (const { names: [operator], form = row.form } of OPERATORS) {
      const value = { text: "/x", address: "127.0.0.1", class: "public", number: "1", port: "1" }[
        form?.kind ?? "number"
      ];
      const needsValues = !operator!.endsWith("Priv");
      const text = conditionText({
        ...{ type, operator: operator! },
        ...(needsValues ? { values: value } : {}),
      });
      const problems = problemsOf(text);
      if (row.operators.includes(operator!)) {
        assert.deepEqual(problems.map(problemText), [], text);
        continue;
      }
      assert.equal(problems.length, 1, text);
      const { line, column } = placeIn(text, `operator: ${operator}`);
      const place = { file: "p.yaml", line, column: column + "operator: ".length };
      assert.deepEqual(problems[0]!.place, place);
      assert.equal(problems[0]!.found, operator);
      const [hook] = row.type === "syscall64" ? ["tracepoints"] : ["kprobes"];
      assert.equal(problems[0]!.path, `spec.${hook}[0].selectors[0].matchArgs[0].operator`);
    }
  }
});

Deno.test("each refused operator is told by name with the nearest that works", () => {
  for (const [operator, { reason, nearest }] of Object.entries(REFUSED_OPERATORS)) {
    const [problem] = problemsOf(conditionText({ type: "string", operator, values: "x" }));
    assert.equal(problem!.text, `operator ${operator} is not supported: ${reason}`);
    assert.equal(problem!.hint, nearest);
  }
});

Deno.test("each name of each type is read where it can be and refused elsewhere", () => {
  for (const row of ARGUMENT_TYPES) {
    for (const name of row.names) {
      for (const [kind, head] of Object.entries(HOOKS) as [HookKind, string][]) {
        const size = name === "char_buf" ? ", sizeArgIndex: 3" : "";
        const text = documentText(`${head}, args: [{index: 1, type: ${name}${size}}]}]`);
        if (row.hooks.includes(kind)) {
          const [argument] = policyOf(text).hooks[0]!.args;
          assert.equal(argument!.type, row.type);
          assert.equal(argument!.index, 1);
          continue;
        }
        const problems = problemsOf(text);
        assert.equal(problems.length, 1, text);
        assert.match(problems[0]!.text, new RegExp(`has no ${name}$`));
        assert.equal(problems[0]!.place.column, placeIn(text, `type: ${name}`).column + 6);
      }
    }
  }
});

Deno.test("each type is read at the end of a call, or refused there", () => {
  for (const { names: [name], canReturn, type } of ARGUMENT_TYPES) {
    if (type === "char_buf" || type === "syscall64") continue;
    const text = kprobeText(`return: true, returnArg: {index: 0, type: ${name}}`);
    if (canReturn) assert.equal(policyOf(text).hooks[0]!.returns?.type, type);
    else assert.match(problemsOf(text)[0]!.text, /is not read at the end of a call/);
  }
});

Deno.test("each refused type is told by name with the nearest that works", () => {
  for (const [type, { reason, nearest }] of Object.entries(REFUSED_TYPES)) {
    assert(!typeNames().includes(type));
    const text = kprobeText(`args: [{index: 0, type: ${type}}]`);
    const [problem] = problemsOf(text);
    assert.equal(problem!.text, `type ${type} is not supported: ${reason}`);
    assert.equal(problem!.hint, nearest);
    assert.equal(problem!.path, "spec.kprobes[0].args[0].type");
  }
});

Deno.test("each action becomes what it says, and an event unless it says NoPost", () => {
  const cases: Readonly<Record<string, [string, unknown[]]>> = {
    Post: ["", [{ kind: "post" }]],
    NoPost: ["", [{ kind: "no_post" }]],
    Sigkill: ["", [{ kind: "sigkill" }, { kind: "post" }]],
    Signal: [", argSig: 15", [{ kind: "signal", signal: 15 }, { kind: "post" }]],
    Override: [", argError: -13", [{ kind: "override", errno: 13 }, { kind: "post" }]],
  };
  assert.deepEqual(Object.keys(cases), Object.keys(ACTIONS));
  for (const [name, [keys, actions]] of Object.entries(cases)) {
    const text = documentText(
      `${HOOKS.lsm}, selectors: [{matchActions: [{action: ${name}${keys}}]}]}]`,
    );
    assert.deepEqual(policyOf(text).hooks[0]!.selectors[0]!.actions, actions);
  }
});

Deno.test("each refused action is told by name with the nearest that works", () => {
  for (const [action, { reason, nearest }] of Object.entries(REFUSED_ACTIONS)) {
    const text = documentText(`${HOOKS.lsm}, selectors: [{matchActions: [{action: ${action}}]}]}]`);
    const [problem] = problemsOf(text);
    assert.equal(problem!.text, `action ${action} is not supported: ${reason}`);
    assert.equal(problem!.hint, nearest);
  }
});

Deno.test("values that cannot be are told at the value", () => {
  const cases: [type: string, operator: string, values: string, text: string][] = [
    ["int", "Equal", "x", '"x" is no number'],
    ["int", "Equal", "1.5", '"1.5" is no number'],
    ["int", "Equal", "''", '"" is no number'],
    ["int", "Equal", "0x1ffffffff", '"0x1ffffffff" does not fit 32 bits with sign'],
    ["uint8", "Equal", "256", '"256" does not fit 8 bits without sign'],
    ["uint64", "Equal", "-1", '"-1" does not fit 64 bits without sign'],
    ["uint64", "Equal", "18446744073709551616", '"18446744073709551616" does not fit 64 bits'],
    ["int", "Mask", "0", '"0" has no bit'],
    ["int", "InRange", "'5:1'", '"5:1" ends before it begins'],
    ["int", "InRange", "'1:2:3'", '"1:2:3" is no range'],
    ["int", "GT", "2147483647", '"2147483647" leaves no number'],
    ["uint8", "LT", "0", '"0" leaves no number'],
    ["string", "Equal", "''", '"" is empty'],
    ["string", "Equal", '"a\\0"', '"a\\u0000" has a zero byte'],
    ["string", "Prefix", `/${"a".repeat(252)}`, "has 253 bytes"],
    ["string", "Postfix", "b".repeat(125), "has 125 bytes"],
    ["string", "Equal", "c".repeat(4096), "has 4096 bytes"],
    ["sock", "SAddr", "10.0.0.256", '"10.0.0.256" is no address'],
    ["sock", "SAddr", "10.0.0.0/33", '"10.0.0.0/33" has more than 32 bits'],
    ["sock", "SAddr", "'::1::2'", '"::1::2" is no address'],
    ["sock", "SAddr", "'1:2:3:4:5:6:7:8:9'", "is no address"],
    ["sock", "SAddr", "example.org", '"example.org" is no address'],
    ["sock", "DPort", "65536", '"65536" does not fit 16 bits without sign'],
    ["sock", "Protocol", "TCP", '"TCP" is no protocol'],
    ["sock", "Family", "INET", '"INET" is no family'],
    ["sock", "State", "OPEN", '"OPEN" is no state'],
    ["capability", "Equal", "CAP_NONE", '"CAP_NONE" is no capability'],
    ["syscall64", "Equal", "sys_nothing", '"sys_nothing" is no system call'],
    ["syscall64", "Equal", "list:none", 'no list is called "none"'],
    ["int", "Equal", "[1]", "values has a list where a word belongs"],
    ["int", "Equal", "null", "values has nothing where a word belongs"],
  ];
  for (const [type, operator, values, text] of cases) {
    const document = conditionText({ type, operator, values });
    const problems = problemsOf(document);
    assert.equal(problems.length, 1, document);
    assert(problems[0]!.text.includes(text), `${problems[0]!.text} instead of ${text}`);
    assert(problems[0]!.path.endsWith("matchArgs[0].values[0]"));
    const { line, column } = placeIn(document, `values: [${values}]`);
    assert.deepEqual(problems[0]!.place, { file: "p.yaml", line, column: column + 9 });
  }
});

Deno.test("texts at their limits are taken", () => {
  for (const [operator, size] of [["Prefix", 252], ["Postfix", 124], ["Equal", 4095]] as const) {
    const { test } = conditionOf(
      conditionText({ type: "string", operator, values: "d".repeat(size) }),
    );
    assert("values" in test && test.values[0] instanceof Uint8Array);
    assert.equal(test.values[0].length, size);
  }
});
