/** Traffic of two containers, of one that ends, and of one whose agent is killed. */
import assert from "node:assert/strict";
import { v1Hierarchy, v2Hierarchy } from "../support/test_cgroup.ts";
import { startAgent, textOf } from "./agent_metrics.ts";
import type { EventJson } from "./event_json.ts";
import { receivedIn, sentIn, TestContainers, TopWatch } from "./network_workloads.ts";
import { TestNetwork } from "./test_network.ts";

/** IPv4 and TCP with all options. */
const HEADERS_MAX = 20 + 60;
const PACKET_SIZE_MAX = 65_536;
const TOTALS_TIMEOUT_MS = 20_000;
const LOOK_MS = 100;

interface FlowJson extends EventJson {
  readonly flow?: {
    readonly process?: { readonly pid: number; readonly workload?: { readonly name: string } };
    readonly socket: { readonly dport?: number };
    readonly traffic: Readonly<Record<string, string>>;
  };
}

/** Ids of the BPF programs that a process has open. */
function programsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fdinfo`;
  return Array.from(Deno.readDirSync(folder)).flatMap(({ name }) => {
    try {
      const text = Deno.readTextFileSync(`${folder}/${name}`);
      // A link has the same line for its program.
      return /^prog_id:\s*(\d+)$/m.exec(text)?.[1] ?? [];
    } catch {
      return []; // it was closed
    }
  });
}

async function bpftool(...args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command("bpftool", { args }).output();
  assert.ok(success, `bpftool ${args.join(" ")}`);
  return new TextDecoder().decode(stdout);
}

/** Sum over all workloads, with those that have ended. */
function totalIn(text: string): number {
  return receivedIn(text).bytes + sentIn(text).bytes;
}

/** Waits until the series of a workload has gone; `ended` has then what it had. */
async function seriesEnds(
  url: string,
  before: string,
  { gone, stays }: { readonly gone: string; readonly stays: string },
): Promise<void> {
  const sent = sentIn(before, gone).bytes;
  const deadline = performance.now() + TOTALS_TIMEOUT_MS;
  let total = totalIn(before);
  for (;;) {
    const now = await textOf(url);
    assert.ok(totalIn(now) >= total, "totals never go back");
    total = totalIn(now);
    if (sentIn(now, gone).packets === 0) {
      const ended = sentIn(now, "ended").bytes;
      assert.ok(ended >= sentIn(before, "ended").bytes + sent, `${ended}`);
      assert.ok(sentIn(now, stays).bytes > 0, "the other one stays");
      return;
    }
    assert.equal(sentIn(now, gone).bytes, sent);
    assert.ok(performance.now() < deadline, "the series goes");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

Deno.test("metrics, top and flows tell two containers apart, and what one was that ends", async () => {
  using containers = new TestContainers(v1Hierarchy("memory") ?? v2Hierarchy());
  const { options } = containers;
  const args = ["--enable-flow-events", "--flow-interval", "1s", "--cgroup-removal-delay", "1s"];
  const { shrike, url } = await startAgent(args, options);
  await using agent = shrike;
  // A buffer of many segments has the headers of one where it is sent.
  await using network = await TestNetwork.make("ip link set lo gso_max_segs 1");
  await using top = await TopWatch.start(options);
  const served = containers.make("5");
  const senders = [{ ...containers.make("6"), port: 7001, size: 100_000 }, {
    ...containers.make("7"),
    port: 7002,
    size: 700_000,
  }];
  for (const { name, cgroup, port, size } of senders) {
    const place = ["127.0.0.1", port, size, 10];
    await using server = network.client(["serve", ...place], { cgroup: served.cgroup });
    await server.line(/^listening$/);
    await using client = network.client(["send", ...place], { cgroup });
    await client.line(/^exchanged$/);
    await client.finish();
    await server.finish();
    const flow = await agent.waitFor(
      ({ flow }: FlowJson) => flow?.process?.pid === client.pid && flow.socket.dport === port,
      `the flow to port ${port}`,
    ) as FlowJson;
    assert.equal(flow.flow!.process!.workload?.name, name);
  }
  const text = await textOf(`${url}/metrics`);
  // A reader that is slow makes the kernel send a last segment again, on loopback too.
  const again = (await network.counters()).get("TcpRetransSegs")!;
  for (const { name, port, size } of senders) {
    const [sent, taken] = [sentIn(text, name), receivedIn(text, name)];
    const most = size + HEADERS_MAX * sent.packets + again * PACKET_SIZE_MAX;
    assert.ok(sent.bytes >= size && sent.bytes <= most, JSON.stringify(sent));
    assert.ok(taken.bytes <= 10 + HEADERS_MAX * taken.packets, `${taken.bytes}`);
    // A connection may be in two intervals.
    let moved = 0;
    await agent.waitFor(({ flow }: FlowJson) => {
      if (flow?.socket.dport === port) moved += Number(flow.traffic["bytes_sent"]);
      return moved >= sent.bytes;
    }, `flows that hold ${sent.bytes} bytes`);
    assert.equal(moved, sent.bytes);
    const shown = await top.until(name, ({ bytesSent }) => bytesSent >= sent.bytes - 1);
    assert.equal(Math.round(shown.bytesSent), sent.bytes);
  }
  const [nearOut, farIn] = [
    senders.reduce((sum, { name }) => sum + sentIn(text, name).bytes, 0),
    receivedIn(text, served.name).bytes,
  ];
  assert.equal(farIn, nearOut);

  const [stays, gone] = senders as [typeof senders[0], typeof senders[0]];
  gone.cgroup.remove();
  await seriesEnds(`${url}/metrics`, text, { gone: gone.name, stays: stays.name });
});

Deno.test("traffic flows on when the agent is killed, and nothing of it stays", async () => {
  using containers = new TestContainers(v1Hierarchy("memory") ?? v2Hierarchy());
  const { shrike } = await startAgent(["--enable-flow-events"], containers.options);
  await using agent = shrike;
  const ours = programsOf(agent.pid);
  assert.ok(ours.length > 10, `${ours}`);
  const attached = (await bpftool("cgroup", "tree")).match(/\d+/g);
  assert.ok(attached?.some((id) => ours.includes(id)), "programs at the root of the cgroups");
  await using network = await TestNetwork.make();
  const place = ["127.0.0.1", 7000, 1000, 10];
  await using server = network.client(["serve", ...place]);
  await server.line(/^listening$/);
  await using client = network.client(["send", ...place]);
  await client.line(/^exchanged$/);
  agent.kill("SIGKILL");
  assert.equal((await agent.end()).signal, "SIGKILL");
  // The connection that was there ends well, and another one works.
  await client.finish();
  await server.finish();
  await using next = network.client(["serve", "127.0.0.1", 7001, 1000, 10]);
  await next.line(/^listening$/);
  await using sender = network.client(["send", "127.0.0.1", 7001, 1000, 10]);
  await sender.finish();
  await next.finish();
  // The kernel takes them away a little after the process.
  const deadline = performance.now() + TOTALS_TIMEOUT_MS;
  for (;;) {
    const [tree, programs] = [await bpftool("cgroup", "tree"), await bpftool("prog", "list")];
    const here = new Set([...programs.matchAll(/^(\d+):/gm)].map(([, id]) => id!));
    const left = ours.filter((id) => here.has(id));
    const hung = (tree.match(/\b\d+\b/g) ?? []).filter((id) => ours.includes(id));
    if (left.length === 0 && hung.length === 0) break;
    assert.ok(performance.now() < deadline, `left ${left}, attached ${hung}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
});
