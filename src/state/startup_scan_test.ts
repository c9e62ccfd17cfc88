import assert from "node:assert/strict";
import { join } from "node:path";
import { FakeClock } from "../../tests/support/sample_facts.ts";
import { Counters } from "../telemetry/mod.ts";
import { buildProcessTree, type ProcessTree } from "./process_tree.ts";
import { ProcReader, scanProcesses } from "./startup_scan.ts";

/** A directory that looks like /proc; gone when disposed. */
class FakeProc {
  readonly path = Deno.makeTempDirSync({ prefix: "shrike_proc_" });

  /** Adds a process; `stat` is what follows the name. */
  add(tgid: number, fields: {
    name?: string;
    state?: string;
    parent?: number;
    flags?: number;
    threads?: number;
    ticks?: number;
    cmdline?: string | Uint8Array;
    status?: string;
  } = {}): string {
    const folder = join(this.path, String(tgid));
    Deno.mkdirSync(folder);
    const stat = [
      fields.state ?? "S",
      fields.parent ?? 1,
      ...[0, 0, 0, 0],
      fields.flags ?? 0,
      ...new Array(10).fill(0),
      fields.threads ?? 1,
      0,
      fields.ticks ?? 1000 + tgid,
      ...[0, 0],
    ];
    this.#write(folder, "stat", `${tgid} (${fields.name ?? "name"}) ${stat.join(" ")}\n`);
    this.#write(folder, "status", fields.status ?? status(tgid, `${tgid}`));
    this.#write(folder, "cmdline", fields.cmdline ?? `prog${tgid}\0-x\0`);
    return folder;
  }

  #write(folder: string, name: string, content: string | Uint8Array): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    Deno.writeFileSync(join(folder, name), bytes);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function status(tgid: number, namespaces: string): string {
  return `Name:\tx\nTgid:\t${tgid}\nNSpid:\t${namespaces}\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n` +
    "CapInh:\t0000000000000001\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000000003\n" +
    "CapAmb:\t0000000000000004\n";
}

const clock = new FakeClock(0n, 1_000n);
const scan = (proc: FakeProc) => scanProcesses({ clock, procPath: proc.path });

Deno.test("scanProcesses() reads ids, capabilities, start and arguments", () => {
  using proc = new FakeProc();
  proc.add(42, { name: "a) R (b\nc", parent: 7, status: status(42, "42\t12\t1") });
  Deno.mkdirSync(join(proc.path, "sys"));
  const [process, ...others] = scan(proc);
  assert.equal(others.length, 0);
  assert(process !== undefined);
  assert.deepEqual(
    [process.tgid, process.namespaceTgid, process.pidNsLevel, process.parentTgid],
    [42, 1, 2, 7],
  );
  assert.equal(process.startTicks, 1042n);
  const { uid, euid, suid, fsuid, gid, egid, sgid, fsgid } = process.credentials;
  assert.deepEqual([uid, euid, suid, fsuid, gid, egid, sgid, fsgid], [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(process.credentials.capPermitted, 0x1ffffffffffn);
  assert.equal(process.credentials.capAmbient, 4n);
  assert.equal(process.credentials.loginUid, 4294967295);
  assert.deepEqual(process.argv, [{ text: "prog42" }, { text: "-x" }]);
  assert(process.readFromNs < process.readToNs);
});

Deno.test("scanProcesses() leaves out kernel threads and zombies, not a group whose leader ended", () => {
  using proc = new FakeProc();
  proc.add(1, { parent: 0 });
  proc.add(2, { parent: 0, flags: 0x00208040 });
  proc.add(3, { state: "Z" });
  proc.add(5, { parent: 2 });
  const folder = proc.add(4, { state: "Z", threads: 3, cmdline: "" });
  Deno.mkdirSync(join(folder, "task/4"), { recursive: true });
  Deno.mkdirSync(join(folder, "task/9"));
  Deno.writeTextFileSync(join(folder, "task/9/cmdline"), "threaded\0");
  const processes = scan(proc).toSorted((a, b) => a.tgid - b.tgid);
  assert.deepEqual(processes.map(({ tgid }) => tgid), [1, 4, 5]);
  assert.deepEqual(processes[1]?.argv, [{ text: "threaded" }]);
  assert.deepEqual(processes.map(({ parentIsKernel }) => parentIsKernel), [true, false, true]);
});

Deno.test("scanProcesses() leaves out a process that is gone before it is read", () => {
  using proc = new FakeProc();
  Deno.removeSync(join(proc.add(7), "status"));
  Deno.mkdirSync(join(proc.path, "8"));
  proc.add(9, { status: "Name:\tbroken\n" });
  assert.deepEqual(scan(proc), []);
});

Deno.test("scanProcesses() keeps bytes that are not UTF-8", () => {
  using proc = new FakeProc();
  proc.add(7, { cmdline: Uint8Array.of(0x61, 0xff, 0, 0x62, 0) });
  const links: Record<string, Uint8Array> = { [join(proc.path, "7/cwd")]: Uint8Array.of(47, 0xfe) };
  const readLink = (path: string) => {
    const link = links[path];
    if (link === undefined) throw new Error("no link");
    return link;
  };
  const [process] = scanProcesses({ clock, procPath: proc.path, readLink });
  assert.deepEqual(process?.argv, [
    { text: "a\ufffd", raw: Uint8Array.of(0x61, 0xff) },
    { text: "b" },
  ]);
  assert.deepEqual(process?.cwd, { text: "/\ufffd", raw: Uint8Array.of(47, 0xfe) });
  assert.equal(process?.exe, undefined);
});

Deno.test("scanProcesses() cuts long arguments and says so", () => {
  using proc = new FakeProc();
  proc.add(7, { cmdline: "x".repeat(40_000) });
  proc.add(8, { cmdline: "y".repeat(32_767) + "\0" });
  const processes = scan(proc).toSorted((a, b) => a.tgid - b.tgid);
  assert.deepEqual(processes.map(({ argumentsCut }) => argumentsCut), [true, false]);
  assert.equal(processes[0]?.argv[0]?.text.length, 32_768);
});

Deno.test("scanProcesses() knows a deleted executable and one whose name only looks so", () => {
  using proc = new FakeProc();
  const folder = proc.add(7);
  const program = join(folder, "program (deleted)");
  Deno.writeTextFileSync(program, "");
  Deno.symlinkSync(program, join(folder, "exe"));
  Deno.symlinkSync("/", join(folder, "root"));
  assert.deepEqual(
    [scan(proc)[0]?.exe?.deleted, scan(proc)[0]?.exe?.path.text],
    [false, program],
  );
  Deno.removeSync(join(folder, "root"));
  assert.deepEqual(
    [scan(proc)[0]?.exe?.deleted, scan(proc)[0]?.exe?.path.text],
    [true, join(folder, "program")],
  );
});

Deno.test("scanProcesses() drops the NULs a process leaves behind when it sets its title", () => {
  using proc = new FakeProc();
  proc.add(7, { cmdline: "sshd: listener\0\0\0\0\0" });
  proc.add(8, { cmdline: "printf\0\0" });
  const processes = scan(proc).toSorted((a, b) => a.tgid - b.tgid);
  assert.deepEqual(processes[0]?.argv, [{ text: "sshd: listener" }]);
  assert.deepEqual(processes[1]?.argv, [{ text: "printf" }, { text: "" }]);
});

Deno.test("scanProcesses() finds this test with its parent, executable and working directory", () => {
  const processes = scanProcesses({ clock });
  const own = processes.find(({ tgid }) => tgid === Deno.pid);
  assert(own !== undefined);
  assert.equal(own.exe?.path.text, Deno.execPath());
  assert.equal(own.exe?.inode, BigInt(Deno.statSync(Deno.execPath()).ino!));
  assert.equal(own.cwd.text, Deno.cwd());
  assert.equal(own.parentTgid, Deno.ppid);
  assert.equal(own.credentials.uid, Deno.uid());
  assert(own.namespaces.pid > 0);
});

Deno.test("scanProcesses() asks where a process is with the text of its cgroup file", () => {
  const place = { id: 7n, trackingId: 7n, level: 1, hierarchy: 0, path: "/x" };
  const own = Deno.readTextFileSync("/proc/self/cgroup");
  const processes = scanProcesses({
    clock,
    placeOf: (text) => text === own ? place : { ...place, id: 0n },
  });
  assert.equal(processes.find(({ tgid }) => tgid === Deno.pid)?.cgroup, place);
  assert.equal(scanProcesses({ clock }).find(({ tgid }) => tgid === Deno.pid)?.cgroup.id, 0n);
});

Deno.test("buildProcessTree() has <kernel> first, children below parents, orphans as roots", () => {
  using proc = new FakeProc();
  proc.add(1, { parent: 0, ticks: 1 });
  proc.add(10, { parent: 1, ticks: 5 });
  proc.add(11, { parent: 10, ticks: 6 });
  proc.add(12, { parent: 999, ticks: 7 });
  const roots = buildProcessTree(scan(proc), {
    nodeName: "n",
    clock,
    counters: new Counters(),
  });
  const shape = ({ process, children }: ProcessTree): unknown => [
    process.tgid,
    children.map(shape),
  ];
  assert.deepEqual(roots.map(shape), [[0, [[1, [[10, [[11, []]]]]]]], [12, []]]);
});

Deno.test("scanProcesses() shows paths of a chrooted process as the process sees them", () => {
  using proc = new FakeProc();
  const root = join(proc.path, "jail");
  Deno.mkdirSync(join(root, "bin"), { recursive: true });
  Deno.writeTextFileSync(join(root, "bin/sleep"), "");
  const add = (tgid: number, cwd: string, rootLink: string) => {
    const folder = proc.add(tgid);
    Deno.symlinkSync(join(root, "bin/sleep"), join(folder, "exe"));
    Deno.symlinkSync(cwd, join(folder, "cwd"));
    Deno.symlinkSync(rootLink, join(folder, "root"));
  };
  add(42, root, root);
  add(43, join(root, "bin"), root);
  add(44, "/elsewhere", root);
  add(45, root, "/");
  const shown = scan(proc).sort((a, b) => a.tgid - b.tgid).map((
    { exe, cwd },
  ) => [exe?.path.text, cwd.text]);
  assert.deepEqual(shown, [
    ["/bin/sleep", "/"],
    ["/bin/sleep", "/bin"],
    ["/bin/sleep", "(unreachable)/elsewhere"],
    [join(root, "bin/sleep"), root],
  ]);
});

Deno.test("ProcReader takes the offset of a time namespace out of start times", () => {
  using proc = new FakeProc();
  proc.add(42, { ticks: 100_000_123 });
  const startOffsetNs = 1_000_000_000_000_000n;
  const reader = new ProcReader({ clock, procPath: proc.path, startOffsetNs });
  assert.equal(reader.startTicks(42), 123n);
  assert.equal(reader.read(42)?.startTicks, 123n);
});
