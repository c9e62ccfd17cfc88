/**
 * Sockets that are older than the sensor: whose they are, and what is told of them.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { SocketChanged } from "../../src/events/mod.ts";
import { meetOldSockets } from "../../src/loader/mod.ts";
import { openLibc } from "../../ffi/mod.ts";
import { NetworkBench, words } from "../support/network_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

for (const useHash of [false, true]) {
  kernelTest({
    name: `network sensor finds sockets that are older than it${
      useHash ? ", without storage" : ""
    }`,
    async run() {
      const { pid, stdin, stdout, status } = new Deno.Command(program, {
        args: words(`netns socket 0 4 tcp bind 0 7000 listen 0 socket 1 4 tcp connect 1 7000
          accept 0 2 socket 3 4 udp bind 3 7001 socket 4 4 udp connect 4 7001 say ready pause
          socket 5 4 tcp connect 5 7000 accept 0 6 send 5 100 recv 6 100 close 5 eof 6 close 6
          close 1 eof 2 close 2 close 0 close 3 close 4`),
        stdin: "piped",
        stdout: "piped",
      }).spawn();
      await stdout.getReader().read();
      const settings = { report_connections: true, use_socket_hash: useHash };
      using bench = new NetworkBench({ settings });
      using libc = openLibc();
      const { sensors } = bench.recorder;
      const reading = await meetOldSockets({ sensors, libc });
      ok(reading !== undefined && reading.files > 5 && !reading.isCut);
      const writer = stdin.getWriter();
      await writer.write(new TextEncoder().encode("\n"));
      await writer.close();
      strictEqual((await status).code, 0);
      const facts = await bench.cgroups.upTo((fact) =>
        fact.type === "process_exited" && fact.tgid === pid
      );
      const own = facts.filter((fact): fact is SocketChanged =>
        fact.type === "socket_changed" &&
        [fact.tuple.local.port, fact.tuple.remote.port].some((port) => port === 7000)
      );
      // The first program of a socket that is met here is its end: nobody was seen to use it.
      deepStrictEqual(new Set(own.map(({ tgid }) => tgid)), new Set([pid]));
      const of = (change: SocketChanged["change"]) => own.filter((fact) => fact.change === change);
      deepStrictEqual([of("connect").length, of("accept").length, of("close").length], [1, 1, 5]);
    },
  });
}
