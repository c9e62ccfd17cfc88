/**
 * Programs that somebody else has detached: noticed, and attached again.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { NetworkBench, words } from "../support/network_bench.ts";
import { kernelTest, skipLine } from "../support/require_kernel.ts";
import { TestCgroup, v2Hierarchy } from "../support/test_cgroup.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

interface Link {
  readonly id: number;
  readonly type: string;
  readonly attach_type?: string;
}

async function bpftool(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("bpftool", { args }).output();
  ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Links of programs that packets which come run. */
async function ingressLinks(): Promise<number[]> {
  const links = JSON.parse(await bpftool("-j", "link", "show")) as Link[];
  return links.filter((link) => link.type === "cgroup" && /ingress/.test(link.attach_type ?? ""))
    .map(({ id }) => id);
}

/** Guests have none. */
async function hasBpftool(): Promise<boolean> {
  try {
    return (await new Deno.Command("bpftool", { args: ["version"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const NAME = "LoadedSensors.checkLinks() attaches again what root has detached, unless told not to";

kernelTest({
  name: NAME,
  async run() {
    if (!await hasBpftool()) return console.log(skipLine(NAME, "bpftool is not installed"));
    const before = await ingressLinks();
    using bench = new NetworkBench();
    const { sensors } = bench.recorder;
    const own = async () => (await ingressLinks()).filter((id) => !before.includes(id));
    const received = async () => {
      using cgroup = new TestCgroup(v2Hierarchy());
      const { code, output } = await cgroup.run(
        program,
        words("netns socket 0 4 udp bind 0 7000 socket 1 4 udp connect 1 7000 send 1 9 recv-any 0"),
      );
      strictEqual(code, 0, output);
      return bench.traffic(cgroup.id, { direction: "receive" }).packets;
    };
    deepStrictEqual(sensors.checkLinks(true), []);
    const [first, ...more] = await own();
    ok(first !== undefined && more.length === 0);
    await bpftool("link", "detach", "id", `${first}`);
    strictEqual(await received(), 0n);
    deepStrictEqual(sensors.checkLinks(true), [
      { program: "on_ingress", cause: "hook_detached", isAttached: true },
    ]);
    strictEqual(await received(), 1n);
    deepStrictEqual(sensors.checkLinks(true), []);
    const [again] = await own();
    await bpftool("link", "detach", "id", `${again}`);
    const [lost, ...others] = sensors.checkLinks(false);
    deepStrictEqual([lost?.program, lost?.isAttached, others], ["on_ingress", false, []]);
    strictEqual(sensors.isAttached("on_ingress"), false);
    deepStrictEqual(sensors.checkLinks(true), []);
  },
});
