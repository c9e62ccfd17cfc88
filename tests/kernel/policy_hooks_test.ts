/** Policies on functions and tracepoints: what they see, for processes of the test's own cgroup. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { LoadError } from "../../src/loader/mod.ts";
import type { PolicyHit } from "../../src/events/mod.ts";
import { syscallNumber } from "../../src/policy/mod.ts";
import { hookTest, openAbilities } from "../support/hook_case.ts";
import { argumentIs, condition, makePolicy, numbers, texts } from "../support/policy_factory.ts";
import type { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import type { SystemCaller } from "../support/system_caller.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();
const abilities = openAbilities();

const AT_FDCWD = -100;
const O_RDONLY = 0;
/** Called through a table: a function that the compiler can inline is one nobody sees. */
const OPENAT = Deno.build.arch === "aarch64" ? "__arm64_sys_openat" : "__x64_sys_openat";
const AF_INET = 2;
const SOCK_STREAM = 1;
const LOOPBACK = [127, 0, 0, 1];

/** `struct sockaddr_in`. */
function sockaddr(port: number): Uint8Array {
  return new Uint8Array([AF_INET, 0, port >> 8, port & 0xff, ...LOOPBACK, ...Array(8).fill(0)]);
}

/** Names of policies that acted, in the order of the hits. */
function whoActed(bench: PolicyKernelBench, hits: readonly PolicyHit[]): string[] {
  return bench.actsOf(hits).map(({ policy }) => policy);
}

async function openFile(bench: PolicyKernelBench, caller: SystemCaller, path: string) {
  const { value, hits } = await bench.during(caller, "openat", [AT_FDCWD, path, O_RDONLY]);
  if (value >= 0n) await caller.call("close", [value]);
  bench.take();
  return { value, hits, who: whoActed(bench, hits) };
}

hookTest(abilities, {
  name: "kprobe policies see paths, sockets, credentials, and what functions return",
  needs: ["kprobe"],
  async run(bench) {
    await using caller = await bench.caller();
    const path = Deno.makeTempFileSync();
    await bench.add(
      makePolicy("by-path", {
        point: { kind: "kprobe", name: "vfs_open" },
        types: ["path"],
        returns: "int32",
        selectors: [{ conditions: [argumentIs(0, texts("text", path))] }],
      }),
      makePolicy("by-prefix", {
        point: { kind: "kprobe", name: "vfs_open" },
        types: ["path"],
        selectors: [{ conditions: [argumentIs(0, texts("prefix", path.slice(0, -1)))] }],
      }),
      makePolicy("failed", {
        point: { kind: "kprobe", name: OPENAT },
        returns: "int64",
        selectors: [{ conditions: [condition({ of: "return" }, numbers(-2))] }],
      }),
    );
    // The strongest program is taken at once: 7.2 lets functions of system calls be replaced. One
    // program is for many functions where the kernel can.
    const plain = abilities.kprobeMulti.has ? "on_functions" : "on_function";
    const name = abilities.modifySyscall.has ? "on_security" : plain;
    const end = abilities.modifySyscall.has ? "on_security_end" : "on_function_end";
    deepStrictEqual(
      bench.kernel.programs().sort(),
      [
        `${name} (kprobe ${OPENAT})`,
        `${plain} (kprobe vfs_open)`,
        `${end} (kprobe ${OPENAT})`,
        "on_function_end (kprobe vfs_open)",
      ].sort(),
    );
    const { value, hits } = await openFile(bench, caller, path);
    ok(value >= 0n);
    const [atCall, atEnd] = hits.filter((hit) => hit.words.length > 0);
    deepStrictEqual(whoActed(bench, [atCall!]).sort(), ["by-path", "by-prefix"]);
    strictEqual(atCall?.tgid, caller.pid);
    strictEqual(atCall.cgroup.id, bench.cgroup.id);
    const [file] = atCall.args;
    strictEqual(file?.kind === "file" && file.path.text, path);
    strictEqual(file?.kind === "file" && file.inode, BigInt(Deno.statSync(path).ino!));
    deepStrictEqual([atCall.phase, atCall.expectsReturn], ["call", true]);
    deepStrictEqual([atEnd?.phase, atEnd?.returnValue], ["return", 0n]);
    deepStrictEqual(whoActed(bench, [atEnd!]), ["by-path"]);
    const gone = await openFile(bench, caller, `${path}.none`);
    strictEqual(gone.value, -2n);
    deepStrictEqual(gone.who, ["failed"]);
    deepStrictEqual((await openFile(bench, caller, "/etc/passwd")).who, []);
    strictEqual(bench.lost, 0);
    Deno.removeSync(path);
    await bench.remove("by-path", "by-prefix", "failed");
    await checkSocketsAndCredentials(bench, caller);
    await bench.remove("connects", "becomes");
    bench.detachUnused();
    deepStrictEqual(bench.kernel.programs(), []);
  },
});

async function checkSocketsAndCredentials(
  bench: PolicyKernelBench,
  caller: SystemCaller,
): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [port, otherPort] = [listener.addr, other.addr].map((addr) => (addr as Deno.NetAddr).port);
  await bench.add(
    makePolicy("connects", {
      point: { kind: "kprobe", name: "tcp_connect" },
      types: ["sock"],
      selectors: [{
        conditions: [
          argumentIs(0, numbers(port!), { part: "destination_port" }),
          argumentIs(0, numbers(AF_INET), { part: "family" }),
          argumentIs(0, {
            kind: "network",
            values: [{
              address: new Uint8Array([...Array(10).fill(0), 255, 255, 127, 0, 0, 0]),
              bits: 104,
            }],
          }, { part: "destination_address" }),
        ],
      }],
    }),
    makePolicy("becomes", {
      point: { kind: "kprobe", name: "commit_creds" },
      types: ["cred"],
    }),
  );
  const fd = await caller.call("socket", [AF_INET, SOCK_STREAM, 0]);
  const { value, hits } = await bench.during(caller, "connect", [fd, sockaddr(port!), 16]);
  strictEqual(value, 0n);
  deepStrictEqual(whoActed(bench, hits), ["connects"]);
  const [socket] = hits[0]!.args;
  ok(socket?.kind === "socket");
  deepStrictEqual(
    [socket.family, socket.type, socket.protocol, socket.destinationAddress],
    [AF_INET, SOCK_STREAM, 6, "127.0.0.1"],
  );
  strictEqual(socket.destinationPort, port);
  const second = await caller.call("socket", [AF_INET, SOCK_STREAM, 0]);
  const elsewhere = await bench.during(caller, "connect", [second, sockaddr(otherPort!), 16]);
  deepStrictEqual([elsewhere.value, elsewhere.hits], [0n, []]);
  const became = await bench.during(caller, "setgid", [0]);
  deepStrictEqual(whoActed(bench, became.hits), ["becomes"]);
  const [credentials] = became.hits[0]!.args;
  ok(credentials?.kind === "credentials");
  strictEqual(credentials.capEffective, became.hits[0]!.capEffective);
  for (const each of [listener, other]) (await each.accept()).close();
}

hookTest(abilities, {
  name: "tracepoint policies read fields of the record: numbers, arrays and user texts",
  needs: ["tracepoint"],
  async run(bench) {
    await using caller = await bench.caller();
    const comm = program.split("/").at(-1)!.slice(0, 15);
    await bench.add(
      makePolicy("exits", {
        point: { kind: "tracepoint", subsystem: "sched", name: "sched_process_exit" },
        types: [{ index: 4, type: "string" }, { index: 5, type: "int32" }],
        selectors: [{ conditions: [argumentIs(0, texts("text", comm))] }],
      }),
      makePolicy("opens", {
        point: { kind: "tracepoint", subsystem: "syscalls", name: "sys_enter_openat" },
        types: [{ index: 5, type: "int32" }, { index: 6, type: "string" }],
        selectors: [{
          conditions: [
            argumentIs(0, numbers(AT_FDCWD)),
            argumentIs(1, texts("postfix", "-tracepoint")),
          ],
        }],
      }),
    );
    const opened = await openFile(bench, caller, "/etc/shrike-tracepoint");
    deepStrictEqual([opened.value, opened.who], [-2n, ["opens"]]);
    const [, path] = opened.hits[0]!.args;
    strictEqual(path?.kind === "text" && path.text.text, "/etc/shrike-tracepoint");
    deepStrictEqual((await openFile(bench, caller, "/etc/shrike-other")).who, []);
    await caller.end();
    const hit = await bench.until(({ words }) => words.length > 0);
    deepStrictEqual(whoActed(bench, [hit]), ["exits"]);
    deepStrictEqual(hit.args[1], { kind: "number", value: BigInt(caller.pid) });
    strictEqual(bench.lost, 0);
  },
});

hookTest(abilities, {
  name: "raw tracepoint policies read what the kernel passes",
  needs: [],
  async run(bench) {
    await using caller = await bench.caller();
    await bench.add(makePolicy("asks", {
      point: { kind: "raw_tracepoint", name: "sys_enter" },
      types: ["nop", "int64"],
      selectors: [{
        conditions: [argumentIs(1, numbers(syscallNumber("getppid", Deno.build.arch)!))],
      }],
    }));
    deepStrictEqual(bench.kernel.programs(), ["on_raw_point (raw tracepoint sys_enter)"]);
    const { hits } = await bench.during(caller, "getppid", []);
    deepStrictEqual(whoActed(bench, hits), ["asks"]);
    deepStrictEqual((await bench.during(caller, "getuid", [])).hits, []);
    await bench.remove("asks");
    bench.detachUnused();
    deepStrictEqual((await bench.during(caller, "getppid", [])).hits, []);
    strictEqual(bench.lost, 0);
  },
});

hookTest(abilities, {
  name: "hooks that do not exist are refused with names that do, and leave nothing behind",
  needs: [],
  async run(bench) {
    const before = watchedDescriptors();
    const good = makePolicy("good", { point: { kind: "raw_tracepoint", name: "sys_enter" } });
    const unknown = [
      { kind: "raw_tracepoint", name: "sys_entr" },
      ...(abilities.kprobe.has ? [{ kind: "kprobe", name: "tcp_conect" } as const] : []),
      ...(abilities.tracepoint.has
        ? [{ kind: "tracepoint", subsystem: "sched", name: "sched_proces_exit" } as const]
        : []),
    ] as const;
    const hints = [/sys_enter/, /tcp_connect/, /sched_process_exit/];
    for (const [i, point] of unknown.entries()) {
      // The first comes with one that is loaded before it, and goes with it.
      const error = await bench.add(...(i === 0 ? [good] : []), makePolicy("bad", { point }))
        .then(() => undefined, (error) => error);
      ok(error instanceof LoadError, String(error));
      strictEqual(error.obstacle, "not_supported");
      ok(hints[i]!.test(error.hint), error.hint);
      deepStrictEqual(bench.kernel.programs(), []);
      bench.tables.reclaim(() => true);
    }
    throws(() =>
      bench.kernel.attach([{ id: 0, point: { kind: "syscall", name: "x" }, policyCount: 1 }])
    );
    deepStrictEqual(watchedDescriptors(), before);
    // What was refused did not spoil what comes next.
    await bench.add(good);
    await bench.remove("good");
    bench.detachUnused();
    deepStrictEqual(watchedDescriptors(), before);
  },
});

/** How many descriptors of BPF objects this process has. */
function watchedDescriptors(): number {
  return Array.from(Deno.readDirSync("/proc/self/fd"), ({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      return "";
    }
  }).filter((target) => /bpf|perf_event/.test(target)).length;
}
