/**
 * The root of v2 with programs of others, and a kernel that was told to name the cgroups of sockets
 * wrongly.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { isKernelSince } from "../../src/loader/mod.ts";
import { NetworkBench, words } from "../support/network_bench.ts";
import { kernelTest, skipLine } from "../support/require_kernel.ts";
import { mountV1, TestCgroup, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();
const sent = { direction: "transmit" } as const;
const DATAGRAM = words(
  "netns socket 0 4 udp bind 0 7000 socket 1 4 udp connect 1 7000 send 1 9 recv-any 0",
);

/** Programs of somebody else at the root: they count what is sent, and let it pass. */
class ForeignPrograms implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(count: number) {
    this.#child = new Deno.Command(program, {
      args: ["net-foreign", v2Hierarchy().path, `${count}`],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
  }

  async line(): Promise<string> {
    const { value } = await this.#reader.read();
    return new TextDecoder().decode(value).trim();
  }

  /** Packets that each has seen. */
  async counts(): Promise<number[]> {
    await this.#writer.write(new TextEncoder().encode("\n"));
    return (await this.line()).split(" ").map(Number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    strictEqual((await this.#child.status).code, 0);
  }
}

kernelTest({
  name: "network sensor runs beside programs that were at the root before, and leaves them there",
  async run() {
    await using foreign = new ForeignPrograms(2);
    strictEqual(await foreign.line(), "attached");
    const before = await foreign.counts();
    {
      using bench = NetworkBench.shared();
      using cgroup = new TestCgroup(v2Hierarchy());
      strictEqual((await cgroup.run(program, DATAGRAM)).code, 0);
      deepStrictEqual(bench.traffic(cgroup.id, sent), { bytes: 37n, packets: 1n });
    }
    const during = await foreign.counts();
    using cgroup = new TestCgroup(v2Hierarchy());
    strictEqual((await cgroup.run(program, DATAGRAM)).code, 0);
    const after = await foreign.counts();
    for (const i of [0, 1]) {
      ok((during[i] ?? 0) > (before[i] ?? 0), `${before} ${during}`);
      ok((after[i] ?? 0) > (during[i] ?? 0), `${during} ${after}`);
    }
  },
});

kernelTest({
  name: "network sensor takes the row of an ended workload, and counts anew from there",
  async run() {
    using bench = NetworkBench.shared();
    using cgroup = new TestCgroup(v2Hierarchy());
    const send = async () => strictEqual((await cgroup.run(program, DATAGRAM)).code, 0);
    await send();
    const [before] = bench.kernel.readTraffic().filter((row) => row.trackingId === cgroup.id);
    deepStrictEqual(bench.kernel.takeTraffic(cgroup.id), before);
    strictEqual(bench.kernel.takeTraffic(cgroup.id), undefined);
    await send();
    deepStrictEqual(bench.traffic(cgroup.id, sent), { bytes: 37n, packets: 1n });
    strictEqual(bench.kernel.counts().get("traffic_torn"), 0n);
  },
});

const NET_CLS = "network sensor sees that net_cls made the kernel name wrong cgroups, before 5.15";
kernelTest({
  name: NET_CLS,
  async run() {
    // Until the next boot the kernel does not tell the cgroups of sockets any more.
    if (Deno.env.get("SHRIKE_TEST_NET_CLS") !== "1") {
      return skipLine(NET_CLS, "it changes the kernel for good: in guests only");
    }
    if (isKernelSince(Deno.osRelease(), [5, 15])) return skipLine(NET_CLS, "this kernel is newer");
    const hierarchy = await mountV1("net_cls");
    if (hierarchy === undefined) return skipLine(NET_CLS, "this kernel has no net_cls");
    await using _unmounting = hierarchy;
    using classes = new TestCgroup(hierarchy);
    Deno.writeTextFileSync(`${classes.directory}/net_cls.classid`, "0x100001");
    using bench = NetworkBench.shared();
    using cgroup = new TestCgroup(v2Hierarchy());
    const script = `echo $$ >'${classes.directory}/cgroup.procs' && exec "$0" "$@"`;
    const { code } = await cgroup.run("/bin/sh", ["-c", script, program, ...DATAGRAM]);
    strictEqual(code, 0);
    ok(bench.kernel.attribution.contradicted > 0);
    // Who uses a socket says whose it is, as before.
    deepStrictEqual(bench.traffic(cgroup.id, sent), { bytes: 37n, packets: 1n });
  },
});
