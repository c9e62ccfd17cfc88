import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { FAILING_SYMBOLS, FakeLibbpf, PROGRAM_RESULT } from "../tests/support/fake_libbpf.ts";
import { Errno } from "./errno.ts";
import { LibbpfError, LibraryError, VerifierError } from "./errors.ts";
import { Libbpf } from "./libbpf.ts";
import { LIBBPF_SYMBOLS } from "./symbols/mod.ts";

/** Symbols whose results have no error, with the reason why no test makes them fail. */
const CANNOT_FAIL = [
  "libbpf_version_string",
  "libbpf_set_print",
  // NULL is the end of the list.
  "bpf_object__next_program",
  "bpf_object__next_map",
  "bpf_object__close",
  "bpf_program__name",
  "bpf_program__autoload",
  "bpf_map__name",
  "bpf_map__type",
  "bpf_link__fd",
  "bpf_map__key_size",
  "bpf_map__value_size",
  "bpf_map__max_entries",
  "bpf_map__map_flags",
];

/** From open to close, every call once. */
function useEverything(fake: FakeLibbpf): void {
  using libbpf = new Libbpf(fake.parts, "fake.so");
  libbpf.probeProgramType(1);
  libbpf.probeMapType(1);
  using _stats = libbpf.enableStats();
  libbpf.possibleCpuCount();
  using object = libbpf.openObject(new Uint8Array(8), "fake");
  const records = object.map("records");
  records.setMaxEntries(records.maxEntries + 1);
  records.addFlags(1);
  records.reuseFd(9);
  object.map(".rodata").initialValue()[0] = 1;
  object.program("on_exit").setAutoload(true);
  object.program("on_exec").setAttachTarget("file_open");
  object.load();
  const key = new Uint8Array(4);
  records.lookup(key);
  records.update(key, new Uint8Array(8));
  records.keys();
  records.delete(key);
  records.take(key);
  strictEqual(records.takeAll(() => {}), 2);
  object.program("on_exec").info();
  strictEqual(object.program("on_exec").testRun(), PROGRAM_RESULT);
  object.program("on_exec").attach();
  object.program("on_exec").attachKprobe("tcp_connect", true);
  object.program("on_exec").attachKprobeMulti([{ name: "tcp_connect", cookie: 1 }]);
  object.program("on_exec").attachTracepoint("sched", "sched_process_exit");
  object.program("on_exec").attachRawTracepoint("sched_process_exit");
  object.program("on_exec").attachCgroup(3);
  using link = object.program("on_exit").attach();
  strictEqual(link.openIterator(), 9);
  strictEqual(link.state().isDetached, false);
}

Deno.test("Libbpf closes everything it opened", () => {
  const fake = new FakeLibbpf();
  useEverything(fake);
  deepStrictEqual(fake.open, []);
});

Deno.test("Libbpf uses every symbol of its tables, and each can fail or is known not to", () => {
  const fake = new FakeLibbpf();
  useEverything(fake);
  const table = Object.keys(LIBBPF_SYMBOLS).sort();
  deepStrictEqual([...new Set<string>(fake.calls)].sort(), table);
  deepStrictEqual([...FAILING_SYMBOLS, ...CANNOT_FAIL].sort(), table);
});

for (const symbol of FAILING_SYMBOLS.filter((name) => name !== "bpf_link__destroy")) {
  Deno.test(`Libbpf throws whenever ${symbol} fails, and closes what it opened`, () => {
    const healthy = new FakeLibbpf();
    useEverything(healthy);
    const times = healthy.calls.filter((name) => name === symbol).length;
    for (let time = 1; time <= times; time++) {
      const fake = new FakeLibbpf();
      fake.failing = { symbol, time, errno: Errno.EPERM };
      throws(() => useEverything(fake), (error) => {
        ok(error instanceof LibbpfError, `${error}`);
        // libbpf says by NULL only that a map is not there, or has no value.
        const silent = ["bpf_object__find_map_by_name", "bpf_map__initial_value"];
        strictEqual(error.errnoName, silent.includes(symbol) ? "ENOENT" : "EPERM");
        strictEqual(error.operation, symbol);
        ok(error.hint !== "");
        return true;
      });
      deepStrictEqual(fake.open, []);
    }
  });
}

Deno.test("BpfLink is gone also when bpf_link__destroy fails", () => {
  const fake = new FakeLibbpf();
  fake.failing = { symbol: "bpf_link__destroy", time: 1, errno: Errno.EBUSY };
  useEverything(fake);
  deepStrictEqual(fake.open, []);
});

Deno.test("BpfObject.load() throws the verifier's log and the program it refused", () => {
  const fake = new FakeLibbpf();
  fake.failing = { symbol: "bpf_object__load", time: 1, errno: Errno.EACCES };
  fake.verifierLog = "0: (b7) r0 = 0\nR1 invalid mem access\nprocessed 4 insns\n";
  throws(() => useEverything(fake), (error) => {
    ok(error instanceof VerifierError);
    // The fake keeps one buffer, as libbpf fills the one of the program that failed.
    strictEqual(error.program, "on_exit");
    strictEqual(error.log, fake.verifierLog);
    ok(error.message.endsWith('program "on_exit" was refused: R1 invalid mem access'));
    return true;
  });
  deepStrictEqual(fake.open, []);
});

Deno.test("BpfMap.initialValue() gives views that the load makes empty", () => {
  using libbpf = new Libbpf(new FakeLibbpf().parts, "fake.so");
  using object = libbpf.openObject(new Uint8Array(8), "fake");
  const value = object.map(".rodata").initialValue();
  strictEqual(value.length, 8);
  object.load();
  strictEqual(value.length, 0);
  throws(() => object.map(".rodata").initialValue(), { name: "LibbpfError", errnoName: "EBUSY" });
});

Deno.test("BpfObject throws, and does not crash, when it is used after its end", () => {
  const fake = new FakeLibbpf();
  using libbpf = new Libbpf(fake.parts, "fake.so");
  const object = libbpf.openObject(new Uint8Array(8), "fake");
  const map = object.map("records");
  const program = object.program("on_exec");
  const link = program.attach();
  object[Symbol.dispose]();
  object[Symbol.dispose]();
  link[Symbol.dispose]();
  const before = fake.calls.length;
  const uses = [
    () => map.fd,
    () => map.lookup(new Uint8Array(4)),
    () => map.initialValue(),
    () => program.fd,
    () => program.attach(),
    () => program.info(),
    () => program.testRun(),
    () => program.setAutoload(false),
    () => link.openIterator(),
    () => link.state(),
    () => object.map("records"),
    () => object.load(),
  ];
  for (const use of uses) throws(use, LibbpfError);
  strictEqual(fake.calls.length, before);
});

Deno.test("BpfMap refuses keys and values of a wrong size", () => {
  const fake = new FakeLibbpf();
  using libbpf = new Libbpf(fake.parts, "fake.so");
  using object = libbpf.openObject(new Uint8Array(8), "fake");
  const map = object.map("records");
  throws(() => map.lookup(new Uint8Array(3)), RangeError);
  throws(() => map.delete(new Uint8Array(5)), RangeError);
  throws(() => map.update(new Uint8Array(4), new Uint8Array(4)), RangeError);
  ok(!fake.calls.includes("bpf_map_update_elem"));
});

Deno.test("Libbpf refuses a library before 1.0", () => {
  const fake = new FakeLibbpf();
  fake.version = "v0.8";
  throws(() => new Libbpf(fake.parts, "old.so"), LibraryError);
});

Deno.test("Libbpf.probeMapType() tells what the kernel lacks from what is forbidden", () => {
  const fake = new FakeLibbpf();
  using libbpf = new Libbpf(fake.parts, "fake.so");
  fake.probeErrno = Errno.EINVAL;
  strictEqual(libbpf.probeMapType(4), false);
  strictEqual(libbpf.probeProgramType(1), false);
  fake.probeErrno = Errno.EPERM;
  const denied = { name: "LibbpfError", errnoName: "EPERM" };
  throws(() => libbpf.probeMapType(4), denied);
  throws(() => libbpf.probeProgramType(1), denied);
});
