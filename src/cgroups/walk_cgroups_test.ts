import assert from "node:assert/strict";
import { FakeHost } from "../../tests/support/fake_host.ts";
import { type Hierarchy, HostFiles, walkCgroups } from "./mod.ts";

const MOUNT = { version: 1, path: "/c", root: "/", options: [] } as const;
const V1: Hierarchy = {
  ...{ version: 1, hierarchyId: 4, controllers: ["memory"], ownPath: "/", mountLevel: 0 },
  mount: MOUNT,
};
const V2: Hierarchy = { ...V1, version: 2, hierarchyId: 0, mount: { ...MOUNT, version: 2 } };

Deno.test("walkCgroups() gives parents before children, with ids, parents and levels", () => {
  using host = new FakeHost({ cgroups: ["/c", "/c/a", "/c/a/x", "/c/b"] });
  const { cgroups, beyondLimit, hierarchyId } = walkCgroups(new HostFiles(host.root), V1);
  const idOf = (path: string) => BigInt(Deno.statSync(`${host.root}/c${path}`).ino!);
  const found = cgroups.map(({ path, id, parentId, level }) => [path, id, parentId, level])
    .sort(([a], [b]) => String(a) < String(b) ? -1 : 1);
  assert.deepEqual(found, [
    ["/", idOf("/"), 0n, 0],
    ["/a", idOf("/a"), idOf("/"), 1],
    ["/a/x", idOf("/a/x"), idOf("/a"), 2],
    ["/b", idOf("/b"), idOf("/"), 1],
  ]);
  const paths = cgroups.map(({ path }) => path);
  assert.ok(paths.indexOf("/a") < paths.indexOf("/a/x"));
  assert.deepEqual([beyondLimit, hierarchyId], [0, 4]);
});

Deno.test("walkCgroups() tells populated ones by each version's file", () => {
  const populated = (files: Record<string, string>, hierarchy: Hierarchy) => {
    using host = new FakeHost({ cgroups: ["/c/a/x", "/c/b", "/c/a", "/c"], files });
    return walkCgroups(new HostFiles(host.root), hierarchy).cgroups
      .filter(({ isPopulated }) => isPopulated).map(({ path }) => path).sort();
  };
  assert.deepEqual(populated({ "/c/a/x/cgroup.procs": "7\n" }, V1), ["/", "/a", "/a/x"]);
  assert.deepEqual(populated({}, V1), []);
  const events = {
    "/c/a/cgroup.events": "populated 1\nfrozen 0\n",
    "/c/a/x/cgroup.events": "populated 0\nfrozen 0\n",
    "/c/b/cgroup.events": "populated 0\nfrozen 0\n",
  };
  assert.deepEqual(populated(events, V2), ["/", "/a"]);
});

Deno.test("walkCgroups() keeps the shallow ones when there are too many, counts the rest", () => {
  using host = new FakeHost({ cgroups: ["/c/a/x/y", "/c/b/x", "/c/d"] });
  const { cgroups, beyondLimit } = walkCgroups(new HostFiles(host.root), V2, 4);
  assert.deepEqual(cgroups.map(({ path }) => path).sort(), ["/", "/a", "/b", "/d"]);
  assert.equal(beyondLimit, 3);
});

Deno.test("walkCgroups() leaves out what vanishes on the way", () => {
  using host = new FakeHost({ cgroups: ["/c/a/x", "/c/b/x"] });
  class Vanishing extends HostFiles {
    override directory(path: string) {
      return path === "/c/a" ? undefined : super.directory(path);
    }
    override subdirectories(path: string) {
      return path === "/c/b" ? [] : super.subdirectories(path);
    }
  }
  const { cgroups } = walkCgroups(new Vanishing(host.root), V2);
  assert.deepEqual(cgroups.map(({ path }) => path), ["/", "/b"]);
});

Deno.test("walkCgroups() counts levels from the root, or from the mount if that is hidden", () => {
  using host = new FakeHost({ cgroups: ["/c/a"] });
  const files = new HostFiles(host.root);
  const deep = walkCgroups(files, { ...V2, mountLevel: 3 });
  assert.deepEqual(deep.cgroups.map(({ level }) => level), [3, 4]);
  const { mountLevel: _, ...hidden } = V2;
  const relative = walkCgroups(files, hidden);
  assert.deepEqual(relative.cgroups.map(({ level }) => level), [0, 1]);
  assert.equal(relative.isLevelRelative, true);
  const { mount: __, ...unmounted } = V2;
  assert.deepEqual(walkCgroups(files, unmounted).cgroups, []);
});
