import assert from "node:assert/strict";
import {
  HOST_NAMESPACES,
  SAMPLE_WORKLOAD,
  sampleAmend,
  sampleCgroup,
  sampleExec,
  sampleExit,
  sampleFork,
  sampleGap,
  sampleProcess,
  toReference,
} from "../../tests/support/sample_events.ts";
import {
  sampleFile,
  samplePolicyEvent,
  sampleSocket,
  sampleText,
} from "../../tests/support/sample_policy_events.ts";
import type { AgentEvent, PolicyArgument, PolicyEvent } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { CompactEncoder } from "./compact_encoder.ts";
import { EventFilter } from "./event_filter.ts";
import { fileModeText } from "./file_mode.ts";
import { FilterError } from "./filter_expression.ts";
import { JsonEncoder } from "./json_encoder.ts";
import { policyArgumentJson } from "./policy_arguments.ts";
import { TableEncoder } from "./table_encoder.ts";

const PLAIN = { hostNamespaces: HOST_NAMESPACES };

function encode(event: PolicyEvent) {
  const options = { ...PLAIN, nodeName: "n", enableProcessCred: false, enableProcessNs: false };
  const line = JSON.parse(new JsonEncoder(options).encode(event));
  const body = line[event.type];
  return { ...body, process: { pid: body.process.pid, tid: body.process.tid } };
}

function compact(event: PolicyEvent): string {
  const line = new CompactEncoder({ ...PLAIN, colour: false, utc: true }).encode(event);
  return line.slice("00:00:00.000 ".length).replace(/ {2,}/g, " ").trimEnd();
}

function argument(type: string, value: bigint): unknown {
  return JSON.parse(policyArgumentJson({ type, value: { kind: "number", value } }));
}

Deno.test("JsonEncoder.encode() gives an LSM hook the fields of Tetragon and ours", () => {
  const parent = toReference(sampleProcess({ tgid: 1 }));
  const event = samplePolicyEvent({
    ...{ tid: 4243, message: "shadow was read", tags: ["files"], parent },
    policy: {
      ...{ name: "no-shadow", namespace: "prod", selector: "deny", binding: "strict" },
      ...{ guarantee: "prevent", mode: "enforce", isEnforced: true },
    },
  });
  const { parent: shown, ...body } = encode(event);
  assert.equal(shown.pid, 1);
  assert.deepEqual(body, {
    process: { pid: 4242, tid: 4243 },
    function_name: "file_open",
    args: [{
      file_arg: { path: "/etc/shadow", permission: "-rw-r-----", inode: "77", dev: "254:1" },
    }],
    action: "KPROBE_ACTION_OVERRIDE",
    policy_name: "no-shadow",
    message: "shadow was read",
    tags: ["files"],
    policy: {
      ...{ name: "no-shadow", namespace: "prod", selector: "deny", binding: "strict" },
      ...{ guarantee: "prevent", mode: "enforce", enforced: true },
    },
    cpu: 1,
  });
});

Deno.test("encoders say why a policy has acted on a call that could not be decided", () => {
  const { policy } = samplePolicyEvent();
  const event = samplePolicyEvent({ policy: { ...policy, undecided: "memory_gone" } });
  assert.equal(encode(event).policy.undecided, "memory_gone");
  assert.match(compact(event), / \(undecided: memory_gone\)/);
  assert.equal("undecided" in encode(samplePolicyEvent()).policy, false);
});

Deno.test("JsonEncoder.encode() gives a call its return value and what was done at its end", () => {
  const body = encode(samplePolicyEvent({
    type: "process_kprobe",
    functionName: "__x64_sys_openat",
    args: [],
    returns: { type: "int32", label: "fd", value: { kind: "number", value: 2n ** 64n - 2n } },
    action: "POST",
    returnAction: "SIGKILL",
  }));
  assert.equal(body.function_name, "__x64_sys_openat");
  assert.deepEqual(body.return, { int_arg: -2, label: "fd" });
  assert.deepEqual([body.action, body.return_action], [
    "KPROBE_ACTION_POST",
    "KPROBE_ACTION_SIGKILL",
  ]);
  assert.equal("args" in body, false);
});

Deno.test("JsonEncoder.encode() names a tracepoint by subsystem and event", () => {
  const event = samplePolicyEvent({
    ...{ type: "process_tracepoint", subsystem: "raw_syscalls", functionName: "sys_enter" },
    args: [{ type: "syscall64", value: { kind: "number", value: 257n } }],
    action: "POST",
  });
  const body = encode(event);
  assert.deepEqual([body.subsys, body.event], ["raw_syscalls", "sys_enter"]);
  assert.equal("function_name" in body, false);
  const abi = Deno.build.arch === "aarch64" ? "arm64" : "x64";
  assert.deepEqual(body.args, [{ syscall_id: { id: 257, abi } }]);
});

Deno.test("JsonEncoder.encode() shows a thread's credentials where they are not its process's", () => {
  const plain = encode(samplePolicyEvent());
  assert.equal("thread" in plain, false);
  const { thread } = encode(samplePolicyEvent({
    thread: { uid: 0, gid: 0, euid: 1000, egid: 0, capEffective: 1n << 21n },
  }));
  assert.deepEqual(thread, {
    ...{ uid: 0, gid: 0, euid: 1000, egid: 0 },
    cap_effective: ["CAP_SYS_ADMIN"],
  });
});

Deno.test("policyArgumentJson() takes numbers as their types have them", () => {
  const all = 2n ** 64n - 1n;
  assert.deepEqual(argument("int8", 0xffn), { int_arg: -1 });
  assert.deepEqual(argument("uint8", all), { uint_arg: 255 });
  assert.deepEqual(argument("int32", all), { int_arg: -1 });
  assert.deepEqual(argument("uint32", all), { uint_arg: 4294967295 });
  assert.deepEqual(argument("int64", all), { long_arg: "-1" });
  assert.deepEqual(argument("uint64", all), { size_arg: "18446744073709551615" });
  assert.deepEqual(argument("size", 0n), { size_arg: "0" });
  assert.deepEqual(argument("capability", 21n), {
    capability_arg: { value: 21, name: "CAP_SYS_ADMIN" },
  });
  assert.deepEqual(argument("capability", 99n), { capability_arg: { value: 99, name: "CAP_99" } });
});

Deno.test("policyArgumentJson() says what of a text is missing, and keeps its bytes", () => {
  const show = (value: PolicyArgument["value"], type = "string") =>
    JSON.parse(policyArgumentJson({ type, value }));
  const bytes = Uint8Array.of(0x2f, 0xff);
  assert.deepEqual(show(sampleText(bytes)), { string_arg: "/\ufffd", raw: "L/8=" });
  assert.deepEqual(show({ ...sampleText("/a"), isCut: true }), { string_arg: "/a", cut: true });
  assert.deepEqual(show({ ...sampleText(""), isUnreadable: true }), {
    string_arg: "",
    unreadable: true,
  });
  assert.deepEqual(show(sampleText(bytes), "char_buf"), { bytes_arg: "L/8=" });
  assert.deepEqual(show({ ...sampleText(bytes), isCut: true }, "char_buf"), {
    truncated_bytes_arg: { bytes_arg: "L/8=" },
  });
  const cut = show(sampleFile({ isCut: true, inode: 0n, mode: 0, fd: 3 }), "fd");
  assert.deepEqual(cut, {
    file_arg: { path: "/etc/shadow", flags: "unresolvedPathComponents", fd: 3 },
  });
  assert.deepEqual(Object.keys(show(sampleFile(), "path")), ["path_arg"]);
  assert.deepEqual(Object.keys(show(sampleFile(), "linux_binprm")), ["linux_binprm_arg"]);
});

Deno.test("policyArgumentJson() names families, types, protocols and states", () => {
  const show = (type: string, value = sampleSocket()) =>
    JSON.parse(policyArgumentJson({ type, value }));
  assert.deepEqual(show("sock"), {
    sock_arg: {
      ...{ family: "AF_INET", type: "SOCK_STREAM", protocol: "IPPROTO_TCP" },
      ...{ saddr: "10.0.0.1", daddr: "10.0.0.2", sport: 4000, dport: 443 },
      ...{ cookie: "9", state: "TCP_ESTABLISHED" },
    },
  });
  assert.deepEqual(show("sockaddr"), {
    sockaddr_arg: { family: "AF_INET", addr: "10.0.0.2", port: 443 },
  });
  const odd = sampleSocket({ family: 99, type: 98, protocol: 999, state: 97 });
  const { sock_arg } = show("sock", odd);
  assert.deepEqual(
    [sock_arg.family, sock_arg.type, sock_arg.protocol, sock_arg.state],
    ["99", "98", "999", "97"],
  );
});

Deno.test("fileModeText() writes rights as ls does", () => {
  assert.equal(fileModeText(0o104755), "-rwsr-xr-x");
  assert.equal(fileModeText(0o041777), "drwxrwxrwt");
  assert.equal(fileModeText(0o102644), "-rw-r-Sr--");
  assert.equal(fileModeText(0o120777), "lrwxrwxrwx");
  assert.equal(fileModeText(0o020600), "crw-------");
});

Deno.test("CompactEncoder.encode() says what a policy saw and did", () => {
  assert.equal(
    compact(samplePolicyEvent()),
    "lsm! 4242 0 /usr/bin/ls file_open /etc/shadow DENIED by no-shadow",
  );
  const { policy } = samplePolicyEvent();
  const watched = samplePolicyEvent({
    ...{ type: "process_kprobe", functionName: "__x64_sys_openat", action: "SIGKILL" },
    args: [
      { type: "string", label: "file", value: sampleText("/a b\n") },
      { type: "int32", value: { kind: "number", value: 0xffff_ffffn } },
    ],
    returns: { type: "int64", value: { kind: "number", value: 3n } },
    policy: { ...policy, mode: "monitor", isEnforced: false },
  });
  assert.equal(
    compact(watched),
    'kpr 4242 0 /usr/bin/ls openat file="/a b\\n" -1 = 3 would be KILLED by no-shadow',
  );
  const told = samplePolicyEvent({
    ...{ type: "process_tracepoint", subsystem: "sock", functionName: "connect", action: "POST" },
    ...{ args: [{ type: "sock", value: sampleSocket() }], message: "a connection" },
    policy: { ...policy, mode: "monitor_only", isEnforced: false },
  });
  assert.equal(
    compact(told),
    "trc 4242 0 /usr/bin/ls sock/connect 10.0.0.1:4000->10.0.0.2:443 by no-shadow: a connection",
  );
});

Deno.test("CompactEncoder.encode() lets nothing that a process controls reach the terminal", () => {
  const line = compact(samplePolicyEvent({
    args: [{ type: "string", value: sampleText(`\x1b[2J${"x".repeat(10_000)}`) }],
  }));
  assert.equal(line.includes("\x1b"), false);
  assert.match(line, /\\x1b\[2Jx+… DENIED by no-shadow$/);
  assert.ok(line.length < 1_000);
});

Deno.test("TableEncoder.encode() has the verdict first", () => {
  const table = new TableEncoder({ ...PLAIN, columns: 160, utc: true });
  const row = table.encode(samplePolicyEvent()).replace(/ {2,}/g, " ");
  assert.match(
    row,
    /lsm! 4242 - 0 \/usr\/bin\/ls - DENIED by no-shadow file_open \/etc\/shadow\n$/,
  );
});

Deno.test("EventFilter.judge() finds events by policy, action and kind of hook", () => {
  const process = sampleProcess();
  const lsm = samplePolicyEvent();
  const kprobe = samplePolicyEvent({
    ...{ type: "process_kprobe", action: "POST", returnAction: "SIGKILL" },
    policy: { ...lsm.policy, name: "watch-files" },
  });
  const events: readonly AgentEvent[] = [
    ...[lsm, kprobe, sampleExec(process), sampleExit(process), sampleCgroup(), sampleGap()],
  ];
  const shown = (...filters: string[]) => {
    const filter = new EventFilter(filters, { counters: new Counters() });
    return events.filter((event) => filter.judge(event) === "shown").map(({ type }) => type);
  };
  assert.deepEqual(shown("event=lsm"), ["process_lsm", "gap"]);
  assert.deepEqual(shown("event=kprobe,tracepoint"), ["process_kprobe", "gap"]);
  assert.deepEqual(shown("policy=no-*"), ["process_lsm", "gap"]);
  assert.deepEqual(shown("policy!=no-*", "event!=cgroup_created"), [
    ...["process_kprobe", "process_exec", "process_exit", "gap"],
  ]);
  assert.deepEqual(shown("action=override"), ["process_lsm", "gap"]);
  assert.deepEqual(shown("action=SigKill"), ["process_kprobe", "gap"]);
  assert.deepEqual(shown("action=post,override"), ["process_lsm", "process_kprobe", "gap"]);
  assert.deepEqual(shown("policy=*", "pid=7"), ["gap"]);
  const amend = sampleAmend(SAMPLE_WORKLOAD, { execId: process.execId });
  const asking = new EventFilter(["policy=*"], { counters: new Counters() });
  assert.equal(asking.judge(amend), "hidden", "no exec was shown");
});

Deno.test("EventFilter suggests actions", () => {
  const make = () => new EventFilter(["action=sigkil"], { counters: new Counters() });
  assert.throws(make, (error) => {
    assert.ok(error instanceof FilterError);
    assert.deepEqual([error.position, error.found], [7, "sigkil"]);
    assert.match(error.hint, /did you mean "sigkill"/);
    return true;
  });
});

Deno.test("EventFilter.judge() follows a tree to the policies' events of its members", () => {
  const root = sampleProcess({ tgid: 10 });
  const child = sampleProcess({ tgid: 11, parentExecId: root.execId });
  const filter = new EventFilter(["tree=10"], { counters: new Counters() });
  filter.judge(sampleFork(child, { parent: toReference(root) }));
  assert.equal(filter.judge(samplePolicyEvent({}, child)), "shown");
  assert.equal(filter.judge(samplePolicyEvent({}, sampleProcess({ tgid: 12 }))), "hidden");
  filter.judge(sampleExit(child));
  filter.judge(samplePolicyEvent({}, child));
  const other = sampleProcess({ tgid: 11, execId: "other", parentExecId: "elsewhere" });
  assert.equal(filter.judge(sampleExec(other)), "hidden", "a late hit brought nobody back");
});
