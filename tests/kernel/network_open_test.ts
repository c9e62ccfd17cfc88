/**
 * How many connections a workload has open.
 */
import { strictEqual } from "node:assert/strict";
import { NetworkBench, words } from "../support/network_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { TestCgroup, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

kernelTest({
  name: "network sensor counts both ends of open connections, and none of what is no more",
  async run() {
    using bench = NetworkBench.shared();
    using cgroup = new TestCgroup(v2Hierarchy());
    using other = new TestCgroup(v2Hierarchy(), `/shrike-test-other-${Deno.pid}`);
    const { stdin, stdout, status } = new Deno.Command(program, {
      // Refused, listening and UDP sockets are no connections; the second end is handed to another.
      args: words(`netns cgroup ${cgroup.directory} socket 7 4 tcp fail 7 7009
        socket 0 4 tcp bind 0 7000 listen 0
        socket 1 4 tcp connect 1 7000 accept 0 2 socket 3 4 tcp connect 3 7000 accept 0 4
        socket 5 4 udp bind 5 7001 socket 6 4 udp connect 6 7001 send 6 9 recv-any 5
        say ready pause cgroup ${other.directory} send 4 100 recv 3 100
        shut 1 eof 2 close 2 eof 1 close 1 say closed pause close 4 close 3 say end pause`),
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const [reader, writer] = [stdout.getReader(), stdin.getWriter()];
    const openOf = (id: bigint) =>
      bench.kernel.readTraffic().find(({ trackingId }) => trackingId === id)?.openCount;
    const open = () => openOf(cgroup.id);
    const goOn = async () => {
      await writer.write(new TextEncoder().encode("\n"));
      await reader.read();
    };
    await reader.read();
    strictEqual(open(), 4);
    await goOn();
    strictEqual(open(), 2);
    await goOn();
    strictEqual(open(), 0);
    await writer.write(new TextEncoder().encode("\n"));
    await writer.close();
    strictEqual((await status).code, 0);
    await reader.cancel();
    // Whoever has a connection in the end did not open it.
    strictEqual(openOf(other.id) ?? 0, 0);
  },
});
