/**
 * Every type of argument and every test of policies in the running kernel, on calls of a process in
 * the test's own cgroup: what matches, what does not, and the same negated.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type {
  ArgumentType,
  Condition,
  HookArgument,
  Subject,
  Test,
  ValuePart,
} from "../../src/policy/mod.ts";
import {
  argumentIs,
  condition,
  makePolicy,
  network,
  numbers,
  range,
  texts,
} from "../support/policy_factory.ts";
import { PolicyCount } from "../../src/wire/mod.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import type { CallArgument, SystemCaller } from "../support/system_caller.ts";
import { buildWorkload } from "../support/workload.ts";

await buildWorkload();

const AT_FDCWD = -100;
/** An option that prctl(2) does not have: it does nothing, whatever its other arguments are. */
const NO_OPTION = 0x7fff_0001;
const ALL_ONES = 2n ** 64n - 1n;
/** No page is ever there. */
const NOWHERE = 8;

/** One condition on the second argument of prctl(2). */
interface Row {
  readonly type: ArgumentType | Partial<HookArgument> & Pick<HookArgument, "type">;
  readonly test: Test;
  readonly part?: ValuePart;
  readonly yes: readonly CallArgument[];
  readonly no: readonly CallArgument[];
  /** Third argument: the size of buffers. */
  readonly third?: number;
}

const LONG = "/" + "x".repeat(4094);
const ODD = Uint8Array.of(0x2f, 0xff, 0xfe, 0x0a, 0x80);

const NUMBER_ROWS: readonly Row[] = [
  { type: "int8", test: numbers(-1), yes: [-1, 0xff, 0x1ff], no: [1, 0x7f, 0] },
  { type: "uint8", test: numbers(255, 7), yes: [-1, 0xff, 0x107], no: [8, 0x100] },
  { type: "int16", test: numbers(-2), yes: [-2, 0xfffe], no: [2, 0xff_fffd] },
  { type: "uint16", test: numbers(0xffff), yes: [-1, 0x1_ffff], no: [0xfffe] },
  { type: "int32", test: numbers(-100), yes: [AT_FDCWD, 0xffff_ff9c], no: [100] },
  { type: "uint32", test: numbers(0xffff_ff9c), yes: [AT_FDCWD, 0xffff_ff9c], no: [100] },
  { type: "int64", test: numbers(-1), yes: [-1], no: [0xffff_ffff] },
  { type: "uint64", test: numbers(ALL_ONES), yes: [-1], no: [0xffff_ffff] },
  { type: "size", test: numbers(4096), yes: [4096], no: [4097] },
  { type: "syscall64", test: numbers(257), yes: [257], no: [2] },
  { type: "capability", test: numbers(21), yes: [21], no: [20] },
  { type: "int8", test: range(true, -3, 3), yes: [0xfd, 3, 0], no: [0xfc, 4] },
  { type: "int32", test: range(true, -3, 3), yes: [-3, 0, 3], no: [-4, 4] },
  { type: "uint32", test: range(false, 5, 0xffff_ffff), yes: [5, -1], no: [4, 0] },
  { type: "int64", test: range(true, -(2n ** 63n), -1), yes: [-1, -5], no: [0, 1] },
  { type: "uint64", test: range(false, 2n ** 63n, ALL_ONES), yes: [-1], no: [1, 0] },
  {
    type: "uint64",
    test: { kind: "bits", mask: 0x8000_0000_0000_0041n },
    yes: [1, 0x40, -1],
    no: [0, 2, 0xbe],
  },
];

const TEXT_ROWS: readonly Row[] = [
  {
    type: "string",
    test: texts("text", "/etc/shadow", ODD, LONG, ""),
    yes: ["/etc/shadow", ODD, LONG, ""],
    no: ["/etc/shadow2", "/etc/shado", `${LONG.slice(0, -1)}y`, "/\xff", NOWHERE],
  },
  {
    type: "string",
    test: texts("prefix", "/etc/", "/etc/ssl/", ODD.slice(0, 3), "/" + "p".repeat(251)),
    yes: ["/etc/", "/etc/passwd", "/etc/ssl/x", ODD, "/" + "p".repeat(300)],
    no: ["/etc", "/usr", "", "/" + "p".repeat(250), NOWHERE],
  },
  {
    type: "string",
    test: texts("postfix", ".key", "long.key", ODD.slice(2), "q".repeat(124)),
    yes: ["a.key", ".key", "very.long.key", ODD, `${LONG.slice(0, 4000)}.key`, "q".repeat(200)],
    no: ["key", "a.key ", "", "q".repeat(123), `${"y".repeat(5000)}.key`, NOWHERE],
  },
  {
    type: { type: "char_buf", sizeIndex: 2 },
    test: texts("text", "ab\0c"),
    third: 4,
    yes: ["ab\0cd", "ab\0c"],
    no: ["ab\0d", "ab", NOWHERE],
  },
  {
    type: { type: "char_buf", sizeMax: 3 },
    test: texts("prefix", "ab"),
    yes: ["abc", "ab"],
    no: ["ba", NOWHERE],
  },
];

const IPV4 = socketAddress(2, 443, [10, 1, 2, 3]);
const IPV6 = socketAddress(10, 53, [0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1]);
const UNIX = Uint8Array.of(1, 0, 0x2f, 0x61);
const NETLINK = socketAddress(16, 0, [1, 0, 0, 0]);
const UNSPEC = socketAddress(0, 443, [10, 1, 2, 3]);
/** A null pointer. */
const NO_ADDRESS = 0;

const ADDRESS_ROWS: readonly Row[] = [
  ...([
    ["family", numbers(2), [IPV4], [IPV6, UNIX, NOWHERE]],
    ["family", numbers(1), [UNIX], [IPV4, IPV6]],
    ["destination_port", numbers(443), [IPV4], [IPV6]],
    ["destination_port", range(false, 1, 100), [IPV6], [IPV4]],
    ["destination_address", network("10.0.0.0", 8), [IPV4], [IPV6]],
    ["destination_address", network("2001:db8::", 32), [IPV6], [IPV4]],
    ["destination_address", network("::", 0), [IPV4, IPV6], [NOWHERE]],
    // As the kernel takes it, see policy_unspec_family().
    ["destination_address", network("10.0.0.0", 8), [UNSPEC], [IPV6]],
    ["destination_port", numbers(443), [UNSPEC], [IPV6]],
    ["family", numbers(2), [UNSPEC], [UNIX, NO_ADDRESS]],
    ["destination_port", range(false, 0, 1023), [IPV4], [NOWHERE]],
  ] as const).map(([part, test, yes, no]): Row => ({ type: "sockaddr", part, test, yes, no })),
];

kernelTest({
  name: "policies compare every type of number in every way",
  run: () => checkRows(NUMBER_ROWS),
});

kernelTest({
  name: "policies compare texts of 4,095 bytes, of odd bytes, cut and unreadable ones",
  run: () => checkRows(TEXT_ROWS),
});

kernelTest({
  name: "policies compare families, ports and networks of addresses",
  run: () => checkRows(ADDRESS_ROWS),
});

kernelTest({
  name: "operators of addresses and ports match IP only, negated too",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const tests = [
      ["destination_address", network("10.0.0.0", 8)],
      ["destination_port", numbers(443)],
      ["destination_port", range(false, 0, 1023)],
      ["source_port", numbers(0)],
    ] as const;
    for (const [part, test] of tests) {
      for (const not of [false, true]) {
        const conditions = [argumentIs(0, test, { part, not })];
        const types = [{ index: 1, type: "sockaddr" }] as const;
        await bench.add(makePolicy("row", { call: "prctl", types, selectors: [{ conditions }] }));
        for (const value of [UNIX, NETLINK, NO_ADDRESS]) {
          const { hits } = await bench.during(caller, "prctl", [NO_OPTION, value]);
          deepStrictEqual(hits, [], `${not} ${part} ${value}`);
        }
        await bench.remove("row");
      }
    }
    strictEqual(bench.count(PolicyCount.POLICY_COUNT_UNREADABLE), 0);
  },
});

kernelTest({
  name: "policies compare the paths of descriptors, across mounts",
  async run() {
    const directory = Deno.makeTempDirSync();
    const file = `${directory}/a file\n`;
    Deno.writeTextFileSync(file, "");
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const open = (path: string) => caller.call("openat", [AT_FDCWD, path, 0]);
    const [plain, proc] = [await open(file), await open("/proc/self/status")];
    const rows: Row[] = [
      { type: "fd", test: texts("text", file), yes: [plain], no: [proc, 999, AT_FDCWD] },
      { type: "fd", test: texts("prefix", "/proc/"), yes: [proc], no: [plain, 999] },
      { type: "fd", test: texts("postfix", "file\n"), yes: [plain], no: [proc, 999] },
    ];
    for (const row of rows) await checkRow(bench, caller, row);
    const policy = makePolicy("told", { call: "prctl", types: ["nop", "fd"] });
    await bench.add(policy);
    const { hits } = await bench.during(caller, "prctl", [NO_OPTION, plain]);
    const [value] = hits[0]!.args;
    const stat = Deno.statSync(file);
    ok(value?.kind === "file");
    deepStrictEqual([value.path.text, value.fd, value.inode, value.mode], [
      ...[file, Number(plain), BigInt(stat.ino!), stat.mode],
    ]);
    strictEqual(BigInt(value.device.major) << 20n | BigInt(value.device.minor), kernelDevice(stat));
    Deno.removeSync(directory, { recursive: true });
  },
});

kernelTest({
  name: "policies compare pid, namespaces and capabilities of who calls",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const status = Deno.readTextFileSync(`/proc/${caller.pid}/status`);
    const effective = BigInt(`0x${/^CapEff:\s*(\S+)/m.exec(status)![1]}`);
    const pid = { of: "pid", isNamespacePid: false, followForks: false } as const;
    const rows: [Subject, Test, boolean][] = [
      [pid, numbers(caller.pid), true],
      [pid, numbers(caller.pid + 1), false],
      [pid, range(false, caller.pid, caller.pid), true],
      [{ ...pid, isNamespacePid: true }, numbers(caller.pid), false],
      [{ ...pid, isNamespacePid: true }, numbers(1), false],
      [{ ...pid, isNamespacePid: true }, numbers(0), true],
      ...(["uts", "ipc", "mnt", "pid", "pid_for_children", "net", "cgroup", "user"] as const)
        .flatMap((namespace): [Subject, Test, boolean][] => {
          const inode = namespaceInode(caller.pid, namespace);
          const subject: Subject = { of: "namespace", namespace };
          return [[subject, numbers(inode), true], [subject, numbers(inode + 1), false]];
        }),
      [{ of: "capabilities", set: "effective" }, { kind: "bits", mask: effective }, true],
      [
        { of: "capabilities", set: "effective" },
        { kind: "bits", mask: ~effective & ALL_ONES },
        false,
      ],
      [{ of: "capabilities", set: "permitted" }, { kind: "bits", mask: 1n << 21n }, true],
      [{ of: "capabilities", set: "inheritable" }, { kind: "bits", mask: ALL_ONES }, false],
    ];
    for (const [subject, test, matches] of rows) {
      for (const not of [false, true]) {
        const what = JSON.stringify([subject, not]);
        strictEqual(
          await matchesCall(bench, caller, condition(subject, test, not)),
          matches !== not,
          what,
        );
      }
    }
  },
});

kernelTest({
  name: "policies see the credentials of the thread that calls, not those of its process",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const subject: Subject = { of: "capabilities", set: "effective" };
    const isRoot = condition(subject, { kind: "bits", mask: 1n << 21n });
    await bench.add(makePolicy("root", { call: "prctl", selectors: [{ conditions: [isRoot] }] }));
    const asRoot = await bench.during(caller, "prctl", [NO_OPTION]);
    strictEqual(asRoot.hits.length, 1);
    strictEqual(asRoot.hits[0]?.tid, caller.pid);
    const asOther = await bench.during(caller, "prctl", [NO_OPTION], { uid: 65534 });
    deepStrictEqual(asOther.hits, []);
    await bench.add(makePolicy("all", { call: "prctl" }));
    const { hits } = await bench.during(caller, "prctl", [NO_OPTION], { uid: 65534 });
    deepStrictEqual(
      hits.map(({ uid, euid, capEffective, tgid }) => [uid, euid, capEffective, tgid]),
      [
        [65534, 65534, 0n, caller.pid],
      ],
    );
    ok(hits[0]!.tid !== caller.pid);
  },
});

kernelTest({
  name: "all conditions of a selector must hold, also two on one argument",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    await bench.add(makePolicy("both", {
      call: "prctl",
      types: ["nop", "string", "uint32"],
      selectors: [{
        conditions: [
          argumentIs(1, texts("prefix", "/etc/")),
          argumentIs(1, texts("prefix", "/etc/ssl/"), { not: true }),
          argumentIs(1, texts("postfix", ".conf")),
          argumentIs(2, range(false, 10, 20)),
        ],
      }],
    }));
    const cases: [CallArgument[], number][] = [
      [["/etc/a.conf", 10], 1],
      [["/etc/a.conf", 21], 0],
      [["/etc/ssl/a.conf", 15], 0],
      [["/etc/a.con", 15], 0],
      [["/usr/a.conf", 15], 0],
    ];
    for (const [args, count] of cases) {
      const { hits } = await bench.during(caller, "prctl", [NO_OPTION, ...args]);
      strictEqual(hits.length, count, JSON.stringify(args));
    }
    strictEqual(bench.lost, 0);
  },
});

/** Each row in turn, as it is and negated. */
async function checkRows(rows: readonly Row[]): Promise<void> {
  await using bench = await PolicyKernelBench.shared();
  await using caller = await bench.caller();
  for (const row of rows) await checkRow(bench, caller, row);
  strictEqual(bench.lost, 0);
}

async function checkRow(bench: PolicyKernelBench, caller: SystemCaller, row: Row): Promise<void> {
  const { type, test, part = "value", yes, no, third = 0 } = row;
  const argument = { index: 1, ...(typeof type === "string" ? { type } : type) };
  for (const not of [false, true]) {
    const conditions = [argumentIs(0, test, { part, not })];
    await bench.add(
      makePolicy("row", { call: "prctl", types: [argument], selectors: [{ conditions }] }),
    );
    for (const [values, matches] of [[yes, true], [no, false]] as const) {
      for (const value of values) {
        const { hits } = await bench.during(caller, "prctl", [NO_OPTION, value, third]);
        const what = `${not ? "not " : ""}${JSON.stringify([type, test.kind, part])} ${value}`;
        strictEqual(hits.length, matches !== not ? 1 : 0, what);
      }
    }
    await bench.remove("row");
  }
}

async function matchesCall(
  bench: PolicyKernelBench,
  caller: SystemCaller,
  only: Condition,
): Promise<boolean> {
  await bench.add(makePolicy("row", { call: "prctl", selectors: [{ conditions: [only] }] }));
  const { hits } = await bench.during(caller, "prctl", [NO_OPTION]);
  await bench.remove("row");
  return hits.length === 1;
}

/** `struct sockaddr_in` or `sockaddr_in6`; `rest` follows the port. */
function socketAddress(family: number, port: number, rest: readonly number[]): Uint8Array {
  return Uint8Array.of(family, 0, port >> 8, port & 0xff, ...rest, ...Array(12).fill(0));
}

function namespaceInode(pid: number, namespace: string): number {
  return Number(/\d+/.exec(Deno.readLinkSync(`/proc/${pid}/ns/${namespace}`))![0]);
}

/** stat(2) gives devices in another form than the kernel has them: include/linux/kdev_t.h. */
function kernelDevice({ dev }: Deno.FileInfo): bigint {
  const device = BigInt(dev);
  const major = (device >> 8n & 0xfffn) | (device >> 32n & ~0xfffn);
  const minor = (device & 0xffn) | (device >> 12n & 0xfff00n);
  return major << 20n | minor;
}
