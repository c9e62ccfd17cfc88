/** Arguments that are objects of the kernel, on hooks that every kernel has: raw tracepoints. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Condition, Test, ValuePart } from "../../src/policy/mod.ts";
import {
  argumentIs,
  makePolicy,
  network,
  numbers,
  range,
  texts,
} from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

const [AF_INET, SOCK_STREAM, IPPROTO_TCP] = [2, 1, 6];
/** The state a socket has while it is told that it is to be in the other. */
const [TCP_CLOSE, TCP_SYN_SENT] = [7, 2];

function sockaddr(port: number): Uint8Array {
  return Uint8Array.of(AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1, ...Array(8).fill(0));
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

kernelTest({
  name: "policies compare every part of a socket, negated too",
  async run() {
    await using bench = new PolicyKernelBench();
    await using caller = await bench.caller();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const [source, destination] = [freePort(), listener.addr.port];
    const rows: readonly [ValuePart, Test, Test][] = [
      ["source_address", network("127.0.0.0", 8), network("10.0.0.0", 8)],
      ["destination_address", network("127.0.0.1", 32), network("127.0.0.2", 32)],
      ["source_port", numbers(source), numbers(destination)],
      ["source_port", range(false, source, source), range(false, 0, source - 1)],
      ["destination_port", numbers(destination), numbers(source)],
      ["family", numbers(AF_INET), numbers(10)],
      ["protocol", numbers(IPPROTO_TCP), numbers(17)],
      ["state", numbers(TCP_CLOSE), numbers(TCP_SYN_SENT)],
    ];
    const policy = (name: string, condition: Condition) =>
      makePolicy(name, {
        point: { kind: "raw_tracepoint", name: "inet_sock_set_state" },
        types: ["sock", "nop", "int32"],
        selectors: [{ conditions: [condition, argumentIs(2, numbers(TCP_SYN_SENT))] }],
      });
    await bench.add(...rows.flatMap(([part, yes, no], i) => [
      policy(`yes ${i}`, argumentIs(0, yes, { part })),
      policy(`no ${i}`, argumentIs(0, no, { part })),
      policy(`not yes ${i}`, argumentIs(0, yes, { part, not: true })),
      policy(`not no ${i}`, argumentIs(0, no, { part, not: true })),
    ]));
    const fd = await caller.call("socket", [AF_INET, SOCK_STREAM, 0]);
    strictEqual(await caller.call("bind", [fd, sockaddr(source), 16]), 0n);
    const { value, hits } = await bench.during(caller, "connect", [fd, sockaddr(destination), 16]);
    strictEqual(value, 0n);
    deepStrictEqual(
      bench.actsOf(hits).map(({ policy }) => policy).sort(),
      rows.flatMap((_, i) => [`yes ${i}`, `not no ${i}`]).sort(),
    );
    (await listener.accept()).close();
  },
});

kernelTest({
  name: "policies compare the file that exec has found",
  async run() {
    await using bench = new PolicyKernelBench();
    await using caller = await bench.caller();
    const directory = Deno.makeTempDirSync();
    const [real, link] = [`${directory}/real`, `${directory}/link`];
    Deno.copyFileSync(program, real);
    Deno.symlinkSync(real, link);
    const runs = (name: string, test: Test, not = false) =>
      makePolicy(name, {
        point: { kind: "raw_tracepoint", name: "sched_process_exec" },
        types: ["nop", "nop", "linux_binprm"],
        selectors: [{ conditions: [argumentIs(2, test, { not })] }],
      });
    await bench.add(
      runs("real", texts("text", real)),
      runs("link", texts("text", link)),
      runs("not-real", texts("text", real), true),
      runs("folder", texts("prefix", `${directory}/`)),
      runs("end", texts("postfix", "/real")),
    );
    const acts = async (path: string) => {
      bench.take();
      await caller.exec(path);
      return bench.actsOf(bench.take()).map(({ policy }) => policy).sort();
    };
    deepStrictEqual(await acts(link), ["end", "folder", "real"], "the file, not the name");
    deepStrictEqual(await acts("/proc/self/exe"), ["end", "folder", "real"]);
    deepStrictEqual(await acts(program), ["not-real"]);
    Deno.removeSync(directory, { recursive: true });
  },
});
