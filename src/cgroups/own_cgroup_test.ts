import assert from "node:assert/strict";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { type FileHandles, HostFiles, readCgroupId, verifyOwnCgroup } from "./mod.ts";

function handleOf(id: bigint, type = 0xfe): FileHandles {
  const bytes = new Uint8Array(new BigUint64Array([id]).buffer);
  return { nameToHandle: () => ({ type, bytes }) };
}

Deno.test("readCgroupId() compares file handle and inode", () => {
  using host = new FakeHost({ cgroups: ["/c"] });
  const files = new HostFiles(host.root);
  const inode = BigInt(Deno.statSync(`${host.root}/c`).ino!);
  const same = readCgroupId(files, "/c", handleOf(inode));
  assert.deepEqual(same, { id: inode, fromHandle: inode, fromInode: inode });
  const differing = readCgroupId(files, "/c", handleOf(inode + 1n));
  assert.equal(differing.id, undefined);
  assert.match(
    differing.problem!,
    new RegExp(`id ${inode + 1n} by file handle, ${inode} by inode`),
  );
});

Deno.test("readCgroupId() goes by the inode where handles are forbidden or of another kind", () => {
  using host = new FakeHost({ cgroups: ["/c"] });
  const files = new HostFiles(host.root);
  const inode = BigInt(Deno.statSync(`${host.root}/c`).ino!);
  const refused = readCgroupId(files, "/c", {
    nameToHandle: () => {
      throw new Error("EPERM");
    },
  });
  assert.deepEqual([refused.id, refused.fromHandle, refused.problem], [inode, undefined, "EPERM"]);
  const old = readCgroupId(files, "/c", handleOf(7n, 1));
  assert.deepEqual([old.id, old.fromHandle], [inode, undefined]);
  assert.match(old.problem!, /has type 1/);
  const high = 0xffff_ffff_ffff_fff0n;
  assert.equal(readCgroupId(files, "/gone", handleOf(high)).id, high);
});

Deno.test("verifyOwnCgroup() proves the hierarchy by equal ids only", () => {
  const user = { id: 42n, hierarchyId: 4 };
  const kernel = { id: 42n, hierarchyId: 4, level: 2 };
  assert.equal(verifyOwnCgroup(user, kernel).outcome, "match");
  assert.equal(verifyOwnCgroup(user, kernel).kernelLevel, 2);
  const other = verifyOwnCgroup(user, { ...kernel, id: 43n });
  assert.equal(other.outcome, "mismatch");
  assert.match(other.text, /43 in the kernel, 42 in user space/);
  // Ids of two hierarchies collide: the same number proves nothing.
  const elsewhere = verifyOwnCgroup(user, { ...kernel, hierarchyId: 0 });
  assert.equal(elsewhere.outcome, "mismatch");
  assert.match(elsewhere.text, /hierarchy 0 .*chosen 4/);
  assert.equal(verifyOwnCgroup(user, { ...kernel, id: 0n }).outcome, "mismatch");
  assert.equal(verifyOwnCgroup(user, undefined).outcome, "unknown");
  assert.equal(verifyOwnCgroup({ ...user, id: undefined }, kernel).outcome, "unknown");
});
