import assert from "node:assert/strict";
import { FakeHost, INITIAL_NAMESPACES } from "../tests/support/fake_host.ts";
import { chooseReader, ProcCgroups } from "./agent_proc_cgroups.ts";
import { HostFiles } from "./cgroups/mod.ts";

const CONTAINER_ID = "ab".repeat(32);

/** Reads these texts by tgid. */
function cgroupsOf(texts: Readonly<Record<number, string>>): ProcCgroups {
  return new ProcCgroups((tgid) => texts[tgid]);
}

Deno.test("ProcCgroups.cgroupOf() gives the path by which a workload is known", () => {
  const docker = `/docker/${CONTAINER_ID}`;
  for (
    const [text, path] of [
      [`0::/system.slice/web.service\n`, "/system.slice/web.service"],
      // Only some of the v1 controllers are managed, the others have all processes in the root.
      [`12:cpu:/\n7:memory:${docker}\n1:name=systemd:/\n0::/\n`, docker],
      // "/mine" is nobody's; the unit that it is in is told by systemd's hierarchy.
      ["5:pids:/mine\n1:name=systemd:/system.slice/ssh.service\n", "/system.slice/ssh.service"],
      ["7:memory:/a\n0::/b\n", "/b"],
      ["0::/\n", "/"],
      [`0::${docker} (deleted)\n`, docker],
      ["0::/system.slice/a:b.service\n", "/system.slice/a:b.service"],
    ] as const
  ) {
    const { path: found, pathSource } = cgroupsOf({ 7: text }).cgroupOf(7);
    assert.deepEqual([found, pathSource], [path, "path"], text);
  }
});

Deno.test("ProcCgroups.cgroupOf() has an id for each path, and 0 where there is none to read", () => {
  const cgroups = cgroupsOf({ 1: "0::/a\n", 2: "0::/b\n", 3: "0::/a\n", 4: "" });
  const ids = [1, 2, 3, 4, 5].map((tgid) => cgroups.cgroupOf(tgid).id);
  assert.deepEqual(ids, [1n, 2n, 1n, 0n, 0n]);
  assert.ok(cgroups.cgroupOf(1).hierarchy < 0, "these ids are not the kernel's");
});

Deno.test("ProcCgroups.cgroupOf() holds a bounded number of paths, and uses no id again", () => {
  let path = "";
  const cgroups = new ProcCgroups(() => `0::${path}\n`);
  const ids = new Set<bigint>();
  for (let count = 0; count < 20_000; count++) {
    path = `/x/${count}`;
    ids.add(cgroups.cgroupOf(1).id);
  }
  assert.equal(ids.size, 20_000);
  path = "/x/0";
  assert.ok(!ids.has(cgroups.cgroupOf(1).id), "it was forgotten");
});

Deno.test("ProcCgroups reads /proc, and nothing of a process that has ended", async () => {
  const cgroups = new ProcCgroups();
  assert.ok(cgroups.cgroupOf(Deno.pid).id > 0n);
  const child = new Deno.Command("true").spawn();
  await child.status;
  assert.equal(cgroups.cgroupOf(child.pid).id, 0n);
});

Deno.test("ProcCgroups reads nothing where numbers in /proc are not the kernel's", () => {
  const files = { "/proc/7/cgroup": "0::/system.slice/web.service\n" };
  for (const [namespace, id] of [["pid:[4026531836]", 1n], ["pid:[4026532111]", 0n]] as const) {
    const links = { ...INITIAL_NAMESPACES, "/proc/4242/ns/pid": namespace };
    using host = new FakeHost({ files, links });
    const cgroups = new ProcCgroups(chooseReader(new HostFiles(host.root)));
    assert.equal(cgroups.cgroupOf(7).id, id, namespace);
  }
});
