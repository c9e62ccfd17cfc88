import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { ProcessExecOffset, ProcessFlag, RecordHeaderOffset, RecordView } from "../../wire/mod.ts";
import { buildExecRecord, type ExecStrings } from "../../../tests/support/record_builder.ts";
import { ExecDecoder } from "./decode_exec.ts";

/** Puts a cursor on a record that lies somewhere in shared memory. */
function viewOf(record: Uint8Array, size = record.length): RecordView {
  const bytes = new Uint8Array(new SharedArrayBuffer(record.length + 64)).fill(0x7e);
  bytes.set(record, 24);
  const view = new RecordView();
  view.set(bytes, new DataView(bytes.buffer), 24, size);
  return view;
}

const HEADER = { tgid: 42, cpu: 3, timeNs: 5_000n, leaderStartNs: 4_000n, cgroupId: 9n };

function decode(strings: ExecStrings, fields: Parameters<typeof buildExecRecord>[2] = {}) {
  const record = buildExecRecord({ header: HEADER, credentials: { euid: 7 } }, strings, fields);
  return new ExecDecoder().decode(viewOf(record));
}

Deno.test("ExecDecoder.decode() reads fields and strings", () => {
  const fact = decode({
    filename: "./tool",
    exe: "/usr/bin/tool",
    cwd: "/home/me",
    argv: ["tool", "a b", ""],
  }, { parentTgid: 41, oldTid: 42, exeInode: 77n, exeDevice: (8 << 20) | 1, exeMode: 0o100755 });
  strictEqual(fact.type, "process_executed");
  strictEqual(fact.tgid, 42);
  strictEqual(fact.cpu, 3);
  strictEqual(fact.timeNs, 5_000n);
  strictEqual(fact.leaderStartNs, 4_000n);
  strictEqual(fact.cgroup.id, 9n);
  strictEqual(fact.parentTgid, 41);
  strictEqual(fact.credentials.euid, 7);
  strictEqual(fact.filename.text, "./tool");
  strictEqual(fact.exe?.path.text, "/usr/bin/tool");
  strictEqual(fact.exe.inode, 77n);
  deepStrictEqual(fact.exe.device, { major: 8, minor: 1 });
  strictEqual(fact.cwd.text, "/home/me");
  deepStrictEqual(fact.argv.map(({ text }) => text), ["tool", "a b", ""]);
  strictEqual("interpreter" in fact, false);
  strictEqual("environment" in fact, false);
});

Deno.test("ExecDecoder.decode() names the interpreter only when it is another file", () => {
  strictEqual(decode({ filename: "/s", interpreter: "/bin/sh" }).interpreter?.text, "/bin/sh");
  strictEqual("interpreter" in decode({ filename: "/s", interpreter: "/s" }), false);
});

Deno.test("ExecDecoder.decode() gives an environment when it was collected", () => {
  const { environment } = decode({ environment: ["A=1", "B="] });
  deepStrictEqual(environment?.map(({ text }) => text), ["A=1", "B="]);
});

Deno.test("ExecDecoder.decode() takes a missing executable and an unknown directory", () => {
  const processFlags = ProcessFlag.PROCESS_EXE_FAILED | ProcessFlag.PROCESS_CWD_FAILED;
  const fact = decode({}, { processFlags });
  strictEqual("exe" in fact, false);
  strictEqual(fact.cwd.text, "");
  strictEqual(fact.problems.cwdFailed, true);
});

Deno.test("ExecDecoder.decode() marks a directory outside the root", () => {
  const processFlags = ProcessFlag.PROCESS_CWD_UNREACHABLE;
  strictEqual(decode({ cwd: "/a/b" }, { processFlags }).cwd.text, "(unreachable)/a/b");
});

Deno.test("ExecDecoder.decode() marks a program outside the root", () => {
  const processFlags = ProcessFlag.PROCESS_EXE_UNREACHABLE;
  strictEqual(decode({ exe: "/a/b" }, { processFlags }).exe?.path.text, "(unreachable)/a/b");
});

Deno.test("ExecDecoder.decode() knows each flag by itself", () => {
  const problems: Record<string, number> = {
    argumentsCut: ProcessFlag.PROCESS_ARGUMENTS_CUT,
    argumentsFailed: ProcessFlag.PROCESS_ARGUMENTS_FAILED,
    environmentCut: ProcessFlag.PROCESS_ENVIRONMENT_CUT,
    environmentFailed: ProcessFlag.PROCESS_ENVIRONMENT_FAILED,
    filenameCut: ProcessFlag.PROCESS_FILENAME_CUT,
    filenameFailed: ProcessFlag.PROCESS_FILENAME_FAILED,
    cwdCut: ProcessFlag.PROCESS_CWD_CUT,
    cwdFailed: ProcessFlag.PROCESS_CWD_FAILED,
    exeCut: ProcessFlag.PROCESS_EXE_CUT,
  };
  for (const [name, processFlags] of Object.entries(problems)) {
    const found = Object.entries(decode({}, { processFlags }).problems);
    deepStrictEqual(found.filter(([, is]) => is).map(([key]) => key), [name]);
  }
  const secure = decode({}, { processFlags: ProcessFlag.PROCESS_SECURE_EXEC });
  strictEqual(secure.secureExec, true);
  const kernel = decode({}, { processFlags: ProcessFlag.PROCESS_PARENT_KERNEL });
  strictEqual(kernel.parentIsKernel, true);
  const memfd = decode({}, {
    processFlags: ProcessFlag.PROCESS_EXE_MEMFD | ProcessFlag.PROCESS_EXE_UNLINKED,
  });
  deepStrictEqual([memfd.exe?.memfd, memfd.exe?.deleted], [true, true]);
});

Deno.test("ExecDecoder.decode() refuses sizes that do not add up", () => {
  const record = buildExecRecord({ header: HEADER }, { filename: "/bin/true", argv: ["true"] });
  const decoder = new ExecDecoder();
  for (const size of [0, 63, 100, record.length - 1, record.length + 1]) {
    throws(() => decoder.decode(viewOf(record, size)), RangeError);
  }
  const sizes = ["filenameSize", "interpreterSize", "exeSize", "cwdSize", "argumentsSize"] as const;
  for (const name of [...sizes, "environmentSize" as const]) {
    for (const value of [1_000, 0xffff_ffff]) {
      const wrong = record.slice();
      new DataView(wrong.buffer).setUint32(ProcessExecOffset[name], value, true);
      throws(() => decoder.decode(viewOf(wrong)), RangeError);
    }
  }
});

Deno.test("ExecDecoder.decode() refuses a record that is longer than its memory", () => {
  const record = buildExecRecord({ header: HEADER }, { filename: "/bin/true" });
  const view = new RecordView();
  const memory = record.slice(0, record.length - 4);
  new DataView(memory.buffer).setUint32(RecordHeaderOffset.size, record.length, true);
  view.set(memory, new DataView(memory.buffer), 0, record.length);
  throws(() => new ExecDecoder().decode(view), RangeError);
});
