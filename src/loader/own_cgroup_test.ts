import assert from "node:assert/strict";
import { ownCgroupRow } from "../../tests/support/sample_cgroups.ts";
import { readOwnCgroup } from "./own_cgroup.ts";

function read(row: Uint8Array<ArrayBuffer> | undefined) {
  return readOwnCgroup({ runProgram: () => row });
}

Deno.test("readOwnCgroup() joins the names, which the kernel side gives leaf first", () => {
  const own = { id: 2n ** 40n, tgid: 70, leaderStartNs: 9n, hierarchy: 4 };
  assert.deepEqual(read(ownCgroupRow({ ...own, path: "/system.slice/b" })), {
    ...{ id: 2n ** 40n, hierarchyId: 4, level: 2, path: "/system.slice/b" },
    ...{ tgid: 70, leaderStartNs: 9n },
  });
  assert.equal(read(ownCgroupRow({ ...own, path: "/" }))?.path, "/");
  const long = `/${"n".repeat(255)}`.repeat(32);
  assert.equal(read(ownCgroupRow({ ...own, path: long }))?.path, long);
});

Deno.test("readOwnCgroup() gives no path when there are more levels than names", () => {
  const own = read(ownCgroupRow({ id: 7n, path: "/x".repeat(33) }));
  assert.deepEqual([own?.level, own?.path], [33, undefined]);
});

Deno.test("readOwnCgroup() gives nothing but a 0 for a cgroup that the kernel cannot tell", () => {
  const own = read(ownCgroupRow({ id: 0n, path: "/" }));
  assert.deepEqual([own?.id, own?.path], [0n, undefined]);
  assert.equal(read(undefined), undefined);
});
