/** The guest machinery itself, on one kernel: what a guest says must arrive whatever happens. */
import assert from "node:assert/strict";
import { fetchKernel } from "../../scripts/fetch_kernels.ts";
import { bootGuest, type GuestBoot, GuestError } from "./boot_kernel.ts";
import { addBusybox, GuestTree } from "./guest_tree.ts";

const KERNEL = "6.1";

async function describeGuest(command: string, timeoutMs = 30_000): Promise<GuestBoot> {
  const tree = new GuestTree();
  await addBusybox(tree);
  return { kernel: await fetchKernel(KERNEL), tree, command, timeoutMs, memoryMb: 256 };
}

/** QEMU processes that this process has started and that still run. */
async function ownGuests(): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    const status = await Deno.readTextFile(`/proc/${name}/status`).catch(() => "");
    if (status.includes(`\nPPid:\t${Deno.pid}\n`) && /^Name:\tqemu/.test(status)) found.push(name);
  }
  return found;
}

Deno.test("bootGuest() brings back output, files and exit code", async () => {
  const boot = await describeGuest("uname -r; head -c 70000 /dev/zero >/tmp/zeros; exit 7");
  const result = await bootGuest({ ...boot, outputs: ["/tmp/zeros", "/tmp/missing"] });
  assert.equal(result.exitCode, 7);
  assert.equal(result.output, boot.kernel.release);
  assert.deepEqual([...result.files.keys()], ["/tmp/zeros"]);
  assert.deepEqual(result.files.get("/tmp/zeros"), new Uint8Array(70_000));
});

Deno.test("bootGuest() boots again after a crash, and tells the panic of the second", async () => {
  const crash = await describeGuest("echo before; echo c >/proc/sysrq-trigger; sleep 60");
  await assert.rejects(bootGuest(crash), (error) => {
    assert(error instanceof GuestError);
    assert.equal(error.reason, "crashed");
    assert.equal(error.output, "before");
    assert.match(error.console, /Kernel panic - not syncing: sysrq triggered crash/);
    return true;
  });
});

Deno.test("bootGuest() ends a guest whose time is over", async () => {
  await assert.rejects(bootGuest(await describeGuest("echo begun; sleep 600", 8_000)), (error) => {
    assert(error instanceof GuestError);
    assert.equal(error.reason, "timed_out");
    assert.equal(error.output, "begun");
    return true;
  });
  assert.deepEqual(await ownGuests(), []);
});
