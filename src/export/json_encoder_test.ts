import assert from "node:assert/strict";
import type { AgentEvent, Process } from "../events/mod.ts";
import { referenceLine } from "../../tests/support/reference_json.ts";
import { randomEvent } from "../../tests/support/random_events.ts";
import {
  HOST_NAMESPACES,
  ROOT_CREDENTIALS,
  SAMPLE_TIME_NS,
  sampleExec,
  sampleExit,
  sampleFork,
  sampleGap,
  sampleProcess,
  toReference,
  toText,
} from "../../tests/support/sample_events.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { JsonEncoder, type JsonEncoderOptions } from "./json_encoder.ts";

const PLAIN: JsonEncoderOptions = {
  nodeName: "node",
  enableProcessCred: false,
  enableProcessNs: false,
  hostNamespaces: HOST_NAMESPACES,
};
const NAMED = { ...PLAIN, userName: (uid: number) => uid === 0 ? "root" : undefined };

function encode(event: AgentEvent, options: JsonEncoderOptions = PLAIN) {
  return JSON.parse(new JsonEncoder(options).encode(event));
}

Deno.test("JsonEncoder.encode() gives an exec the fields of Tetragon and ours", () => {
  const parent = sampleProcess({ tgid: 1, argv: [toText("init")], binary: toText("/sbin/init") });
  const process = sampleProcess({
    parentExecId: parent.execId,
    namespaceTgid: 7,
    interpreter: toText("/bin/sh"),
    exe: {
      path: toText("/usr/bin/ls"),
      inode: 2n ** 60n,
      device: { major: 254, minor: 1 },
      links: 1,
      mode: 0o100755,
      uid: 0,
      gid: 0,
      deleted: false,
      memfd: false,
    },
  });
  const event = sampleExec(process, { parent: toReference(parent, 0), marks: ["late"] });
  assert.deepEqual(encode(event), {
    process_exec: {
      process: {
        exec_id: process.execId,
        pid: 4242,
        uid: 0,
        cwd: "/root",
        binary: "/usr/bin/ls",
        arguments: '-l "/tmp/a b"',
        flags: "execve clone",
        start_time: "2026-01-31T23:59:58.987654323Z",
        auid: 4294967295,
        parent_exec_id: parent.execId,
        in_init_tree: false,
        namespace_pid: 7,
        argv: ["ls", "-l", "/tmp/a b"],
        interpreter: "/bin/sh",
        exe: { path: "/usr/bin/ls", inode: "1152921504606846976", dev: "254:1" },
        cgroup: { id: "1", level: 0 },
        workload: { kind: "host", name: "host", id: "host", source: "kernel" },
        tid: 4242,
        refcnt: 1,
      },
      parent: {
        exec_id: parent.execId,
        pid: 1,
        uid: 0,
        cwd: "/root",
        binary: "/sbin/init",
        flags: "execve clone",
        start_time: "2026-01-31T23:59:58.987654323Z",
        auid: 4294967295,
        in_init_tree: false,
        argv: ["init"],
        cgroup: { id: "1", level: 0 },
        workload: { kind: "host", name: "host", id: "host", source: "kernel" },
        tid: 1,
      },
      cpu: 1,
      marks: ["late"],
    },
    node_name: "node",
    time: "2026-01-31T23:59:59.000000001Z",
  });
});

Deno.test("JsonEncoder.encode() quotes a first argument without a space before it", () => {
  const { process } = encode(
    sampleExec(sampleProcess({ argv: ["x", "a b", "c", "", 'q"'].map(toText) })),
  ).process_exec;
  assert.equal(process.arguments, '"a b" c "" q"');
});

Deno.test("JsonEncoder.encode() prints credentials by name and zeros of wrapper types", () => {
  const process = sampleProcess({
    credentials: {
      ...ROOT_CREDENTIALS,
      uid: 5,
      secureBits: 0b101,
      capPermitted: 0b1011n | 1n << 40n,
      capEffective: 1n << 63n,
    },
  });
  const options = { ...PLAIN, enableProcessCred: true };
  const body = encode(sampleExec(process), options).process_exec.process;
  const caps = {
    permitted: ["CAP_CHOWN", "DAC_OVERRIDE", "CAP_FOWNER", "CAP_CHECKPOINT_RESTORE"],
    effective: ["CAP_63"],
  };
  assert.deepEqual(body.cap, caps);
  const ids = { gid: 0, euid: 0, egid: 0, suid: 0, sgid: 0, fsuid: 0, fsgid: 0 };
  assert.deepEqual(body.process_credentials, {
    uid: 5,
    ...ids,
    securebits: ["SecBitNoRoot", "SecBitNoSetUidFixup"],
    caps,
    user_ns: { level: 0, uid: 0, gid: 0, ns: { inum: HOST_NAMESPACES.user, is_host: true } },
  });
  assert.equal(body.uid, 0, "uid is the effective one");
  assert.equal("ns" in body, false);
  assert.equal("binary_properties" in body, false);
  assert.deepEqual(encode(sampleExec(sampleProcess()), options).process_exec.process.cap, {});
});

Deno.test("JsonEncoder.encode() tells namespaces of the host from others and missing ones", () => {
  const namespaces = { ...HOST_NAMESPACES, mnt: 4026532000, time: 0 };
  const { ns } = encode(
    sampleExec(sampleProcess({ namespaces })),
    { ...PLAIN, enableProcessNs: true },
  ).process_exec.process;
  assert.deepEqual(ns.uts, { inum: HOST_NAMESPACES.uts, is_host: true });
  assert.deepEqual(ns.mnt, { inum: 4026532000 });
  assert.deepEqual(ns.time, {});
  assert.equal(Object.keys(ns).length, 10);
});

Deno.test("JsonEncoder.encode() shows binary_properties only in the process of an exec", () => {
  const process = sampleProcess({
    privileges: { setuid: 0, changes: ["PRIVILEGES_RAISED_EXEC_FILE_SETUID"] },
    exe: {
      path: toText("/tmp/gone"),
      inode: 9n,
      device: { major: 0, minor: 1 },
      links: 0,
      mode: 0o104755,
      uid: 0,
      gid: 0,
      deleted: true,
      memfd: false,
    },
  });
  const encoder = new JsonEncoder({ ...PLAIN, enableProcessCred: true });
  const event = { parent: toReference(process) };
  const exec = JSON.parse(encoder.encode(sampleExec(process, event))).process_exec;
  assert.deepEqual(exec.process.binary_properties, {
    setuid: 0,
    privileges_changed: ["PRIVILEGES_RAISED_EXEC_FILE_SETUID"],
    file: { inode: { number: "9", links: 0 }, path: "/tmp/gone" },
  });
  assert.equal("binary_properties" in exec.parent, false);
  const exit = JSON.parse(encoder.encode(sampleExit(process, event))).process_exit;
  assert.equal("binary_properties" in exit.process, false);
});

Deno.test("JsonEncoder.encode() names users of the host only", () => {
  const name = (fields: Partial<Process>) =>
    encode(sampleExec(sampleProcess(fields)), NAMED).process_exec.process.user;
  assert.deepEqual(name({}), { name: "root" });
  assert.equal(name({ credentials: { ...ROOT_CREDENTIALS, euid: 5 } }), undefined);
  assert.equal(name({ namespaces: { ...HOST_NAMESPACES, mnt: 1 } }), undefined);
  assert.equal(name({ namespaces: { ...HOST_NAMESPACES, user: 1 } }), undefined);
  assert.equal(name({ unknown: true }), undefined);
});

Deno.test("JsonEncoder.encode() keeps the bytes of text that is not UTF-8", () => {
  const bad = Uint8Array.of(0x2f, 0xff, 0x61);
  const process = sampleProcess({
    binary: toText(bad),
    argv: [toText("x"), toText(bad)],
    environment: [toText(bad), toText("A=b=c"), toText("bare")],
  });
  const body = encode(sampleExec(process)).process_exec.process;
  assert.equal(body.binary, "/\ufffda");
  assert.deepEqual(body.argv, ["x", "/\ufffda"]);
  assert.deepEqual(body.environment_variables, [
    { Key: "/\ufffda" },
    { Key: "A", Value: "b=c" },
    { Key: "bare" },
  ]);
  assert.deepEqual(body.raw, {
    binary: "L/9h",
    argv: ["", "L/9h"],
    environment_variables: ["L/9h", "", ""],
  });
});

Deno.test("JsonEncoder.encode() gives an exit its end and leaves out zeros", () => {
  const process = sampleProcess();
  const clean = encode(sampleExit(process)).process_exit;
  assert.equal("status" in clean, false);
  assert.equal("signal" in clean, false);
  assert.equal(clean.time, "2026-01-31T23:59:59.000000001Z");
  const killed = encode(sampleExit(process, { signal: "SIGSEGV", coreDumped: true })).process_exit;
  assert.deepEqual([killed.signal, killed.core_dumped], ["SIGSEGV", true]);
  assert.equal(encode(sampleExit(process, { status: 3 })).process_exit.status, 3);
  assert.ok(encode(sampleFork(process)).process_fork.process);
});

Deno.test("JsonEncoder.encode() tells cause, place, kind, count and span of a gap", () => {
  const gap = sampleGap({ cpu: 0, kind: "process_exec", count: 2 ** 40 });
  assert.deepEqual(encode(gap), {
    gap: {
      cause: "perf_ring_full",
      cpu: 0,
      kind: "process_exec",
      count: "1099511627776",
      first_time: "2026-01-31T23:59:58.998000001Z",
      last_time: "2026-01-31T23:59:58.999500001Z",
    },
    node_name: "node",
    time: "2026-01-31T23:59:59.000000001Z",
  });
});

Deno.test("JsonEncoder.encode() reads a process once for all events that show it", () => {
  let reads = 0;
  const process = sampleProcess();
  const watched: Process = {
    ...process,
    get execId() {
      reads++;
      return process.execId;
    },
  };
  const encoder = new JsonEncoder(PLAIN);
  const both = { parent: toReference(watched, 3), ancestors: [toReference(watched, 4)] };
  const first = JSON.parse(encoder.encode(sampleExec(watched, both))).process_exec;
  encoder.encode(sampleExit(watched, both));
  assert.equal(reads, 1);
  assert.equal(first.parent.refcnt, 3);
  assert.equal(first.ancestors[0].refcnt, 4);
});

Deno.test("JsonEncoder.encode() agrees with a plain encoder for any event", () => {
  const random = SeededRandom.fromEnvironment("json_encoder_test");
  for (let round = 0; round < 3000; round++) {
    const options = {
      ...(random.chance(0.5) ? PLAIN : NAMED),
      nodeName: random.pick(["node", 'n"\n\ud800']),
      enableProcessCred: random.chance(0.5),
      enableProcessNs: random.chance(0.5),
    };
    const encoder = new JsonEncoder(options);
    const event = randomEvent(random);
    const line = encoder.encode(event);
    assert.equal(encoder.encode(event), line, "the second time comes from kept fragments");
    assert.equal(line.indexOf("\n"), line.length - 1);
    assert.doesNotMatch(line.slice(0, -1), /[\p{Cc}\p{Cs}\u202a-\u202e\u2028\u2029\u200b]/u);
    assert.deepEqual(JSON.parse(line), referenceLine(event, options), `round ${round}`);
  }
});

Deno.test("JsonEncoder.encode() shows times outside of RFC 3339 as the nearest inside", () => {
  const time = (timeNs: bigint) => encode(sampleGap({ timeNs })).time;
  assert.equal(time(-1n), "1969-12-31T23:59:59.999999999Z");
  assert.equal(time(2n ** 70n), "9999-12-31T23:59:59.999999999Z");
  assert.equal(time(-(2n ** 70n)), "0001-01-01T00:00:00.000000000Z");
  assert.equal(time(SAMPLE_TIME_NS - 1n), "2026-01-31T23:59:59.000000000Z");
});

Deno.test("JsonEncoder.encode() shows empty arguments wherever they stand", () => {
  for (
    const [argv, shown] of [
      [["cmd", ""], '""'],
      [["cmd", "a", ""], 'a ""'],
      [["cmd", "", "a", "", "", "b"], '"" a "" "" b'],
      [["", "", ""], '"" ""'],
    ] as const
  ) {
    const { process_exec } = encode(sampleExec(sampleProcess({ argv: argv.map(toText) })));
    assert.equal(process_exec.process.arguments, shown);
  }
});

Deno.test("JsonEncoder.encode() leaves out ids that nobody knows", () => {
  const credentials: Record<string, unknown> = { ...ROOT_CREDENTIALS };
  for (const key of ["uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid"] as const) {
    credentials[key] = 4294967295;
  }
  const ids = credentials as unknown as typeof ROOT_CREDENTIALS;
  const process = sampleProcess({ credentials: ids, unknown: true, flags: "unknown" });
  const line = encode(sampleExec(process), { ...PLAIN, enableProcessCred: true });
  const shown = line.process_exec.process;
  for (const key of ["uid", "auid", "cap", "process_credentials"]) assert(!(key in shown), key);
  assert.equal(shown.pid, 4242);
});
