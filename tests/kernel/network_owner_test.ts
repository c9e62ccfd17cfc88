/**
 * Whose traffic it is: sockets change hands, and others have programs at the same place.
 */
import { ok, strictEqual } from "node:assert/strict";
import type { SocketChanged } from "../../src/events/mod.ts";
import { deviceCounts, NetworkBench, words } from "../support/network_bench.ts";
import { kernelTest, skipLine } from "../support/require_kernel.ts";
import { TestCgroup, v1Hierarchy, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();
const sent = { direction: "transmit" } as const;

kernelTest({
  name: "network sensor: who accepts a connection carries it, not who has made the listener",
  async run() {
    using bench = NetworkBench.shared({ settings: { report_connections: true } });
    using maker = new TestCgroup(v2Hierarchy());
    using user = maker.make("user");
    const { code, output, pid } = await maker.run(
      program,
      words(`netns socket 0 4 tcp bind 0 7000 listen 0
        fork cgroup ${user.directory} accept 0 2 recv 2 1000 send 2 50000 eof 2 end
        socket 1 4 tcp connect 1 7000 send 1 1000 recv 1 50000 shut 1 wait eof 1`),
    );
    strictEqual(code, 0, output);
    const facts = await bench.cgroups.upTo((fact) =>
      fact.type === "process_exited" && fact.tgid === pid
    );
    const bytes = bench.traffic(user.id, sent).bytes;
    ok(bytes > 50_000n && bytes < 60_000n, `${bytes}`);
    ok(bench.traffic(maker.id, sent).bytes < 10_000n);
    const close = facts.find((fact): fact is SocketChanged =>
      fact.type === "socket_changed" && fact.change === "close" && fact.tuple.local.port === 7000
    );
    strictEqual(close?.cgroup.id, user.id);
    ok(close.tgid !== pid && close.tgid !== 0);
  },
});

kernelTest({
  name: "network sensor: a socket that is passed on is the receiver's from its first use on",
  async run() {
    using bench = NetworkBench.shared();
    using maker = new TestCgroup(v2Hierarchy());
    using user = maker.make("user");
    const { code, output } = await maker.run(
      program,
      words(`netns pair 8 9 socket 0 6 tcp bind 0 7000 listen 0 socket 1 6 tcp connect 1 7000
        accept 0 2 fork cgroup ${user.directory} take 9 5 send 5 1 send 5 50000 end
        pass 8 1 recv 2 50001 wait`),
    );
    strictEqual(code, 0, output);
    const bytes = bench.traffic(user.id, sent).bytes;
    ok(bytes > 50_000n && bytes < 60_000n, `${bytes}`);
  },
});

kernelTest({
  name: "network sensor: the kernel names the cgroup of sockets as their makers saw it",
  async run() {
    using bench = NetworkBench.shared();
    using cgroup = new TestCgroup(v2Hierarchy());
    const { code } = await cgroup.run(
      program,
      words("netns socket 0 4 udp bind 0 7000 socket 1 4 udp connect 1 7000 send 1 9 recv-any 0"),
    );
    strictEqual(code, 0);
    ok(bench.kernel.attribution.confirmed >= 2);
    strictEqual(bench.kernel.attribution.contradicted, 0);
  },
});

kernelTest({
  name: "network sensor counts sockets that are older than it by the kernel's cgroup",
  async run() {
    using cgroup = new TestCgroup(v2Hierarchy());
    const { stdin, stdout, status } = new Deno.Command(program, {
      args: words(`netns cgroup ${cgroup.directory} socket 0 4 tcp bind 0 7000 listen 0
        socket 1 4 tcp connect 1 7000 accept 0 2 say ready pause send 1 5000 recv 2 5000
        say again pause send 1 40000 recv 2 40000`),
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const [reader, writer] = [stdout.getReader(), stdin.getWriter()];
    await reader.read();
    using bench = NetworkBench.shared();
    // As when an agent starts: the first packets come before it has entered the cgroup.
    await writer.write(new TextEncoder().encode("\n"));
    await reader.read();
    strictEqual(bench.traffic(cgroup.id, sent).bytes, 0n);
    const { id } = cgroup;
    const row = { id, parentId: 1n, trackingId: id, level: 1, name: "", isLeaf: false };
    bench.cgroups.map.enter({ ...row, isContainer: false });
    await writer.write(new TextEncoder().encode("\n"));
    await writer.close();
    strictEqual((await status).code, 0);
    const bytes = bench.traffic(id, sent).bytes;
    ok(bytes > 40_000n && bytes < 50_000n, `${bytes}`);
  },
});

kernelTest({
  name: "network sensor follows a v1 hierarchy by who uses a socket",
  async run() {
    const hierarchy = v1Hierarchy("pids");
    if (hierarchy === undefined) {
      return skipLine("network sensor in v1", 'controller "pids" is not mounted as v1');
    }
    using bench = new NetworkBench({ hierarchy, controller: "pids" });
    using cgroup = new TestCgroup(hierarchy);
    const { code, output } = await cgroup.run(
      program,
      words(`netns socket 0 4 tcp bind 0 7000 listen 0 socket 1 4 tcp connect 1 7000 accept 0 2
        lo send 1 40000 recv 2 40000 send 2 7 recv 1 7 lo`),
    );
    strictEqual(code, 0);
    const [before, after] = deviceCounts(output);
    ok(before && after);
    const total = bench.traffic(cgroup.id, { direction: "receive" }).bytes;
    ok(total >= after.receivedBytes - before.receivedBytes, `${total}`);
  },
});

kernelTest({
  name: "network sensor shares the root with others, and with itself",
  async run() {
    using first = new NetworkBench();
    using second = new NetworkBench();
    using cgroup = new TestCgroup(v2Hierarchy());
    const { code } = await cgroup.run(
      program,
      words("netns socket 0 4 udp bind 0 7000 socket 1 4 udp connect 1 7000 send 1 9 recv-any 0"),
    );
    strictEqual(code, 0);
    for (const bench of [first, second]) strictEqual(bench.traffic(cgroup.id, sent).bytes, 37n);
  },
});

kernelTest({
  name: "network sensor: traffic goes on when the loader is killed, and nothing stays attached",
  async run() {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--quiet", "--cached-only", HOLDER],
      stdout: "piped",
    }).spawn();
    const line = await child.stdout.getReader().read();
    strictEqual(new TextDecoder().decode(line.value), "attached\n");
    const pause = words(`netns socket 0 4 tcp bind 0 7000 listen 0 socket 1 4 tcp connect 1 7000
      accept 0 2 send 1 1000 recv 2 1000 say ready pause send 1 90000 recv 2 90000`);
    const load = new Deno.Command(program, { args: pause, stdin: "piped", stdout: "piped" })
      .spawn();
    await load.stdout.getReader().read();
    const ids = programsOf(child.pid);
    ok(ids.length > 10);
    child.kill("SIGKILL");
    strictEqual((await child.status).signal, "SIGKILL");
    const writer = load.stdin.getWriter();
    await writer.write(new TextEncoder().encode("\n"));
    await writer.close();
    strictEqual((await load.status).code, 0);
    // Another sensor finds nobody before it: what it counts is all there is.
    using bench = NetworkBench.shared();
    using cgroup = new TestCgroup(v2Hierarchy());
    await cgroup.run(
      program,
      words("netns socket 0 4 udp bind 0 7000 socket 1 4 udp connect 1 7000 send 1 9 recv-any 0"),
    );
    strictEqual(bench.traffic(cgroup.id, sent).packets, 1n);
    const attached = await programsAtRoot();
    if (attached === undefined) return skipLine("programs at the root", "there is no bpftool");
    ok(attached.length > 0);
    strictEqual(attached.filter((id) => ids.includes(id)).length, 0);
  },
});

/** Ids of the programs attached there; undefined when nobody can tell. */
async function programsAtRoot(): Promise<number[] | undefined> {
  const args = ["-j", "cgroup", "show", v2Hierarchy().path];
  try {
    const { stdout } = await new Deno.Command("bpftool", { args, stderr: "null" }).output();
    const programs = JSON.parse(new TextDecoder().decode(stdout)) as { readonly id: number }[];
    return programs.map(({ id }) => id);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Ids of the programs that a process holds. */
function programsOf(pid: number): number[] {
  return Array.from(Deno.readDirSync(`/proc/${pid}/fdinfo`), ({ name }) => {
    const text = Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`);
    return Number(/^prog_id:\s*(\d+)/m.exec(text)?.[1] ?? 0);
  }).filter((id) => id > 0);
}

const HOLDER = new URL("../support/network_holder.ts", import.meta.url).pathname;
