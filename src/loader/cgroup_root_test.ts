import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { Errno, LibcError } from "../../ffi/mod.ts";
import { type CgroupRootSystem, openCgroupRoot } from "./cgroup_root.ts";
import { LoadError } from "./load_error.ts";

const MOUNTINFO = `30 1 8:1 / / rw - ext4 /dev/root rw
31 30 0:27 / /sys/fs/cgroup\\040a/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw
32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
`;

/** Directories by path: their inode, or nothing when they cannot be opened. */
function fake(inodes: Record<string, number>, files: Record<string, string>) {
  const open: string[] = [];
  const opened: string[] = [];
  const fd = (path: string, operation: string): number => {
    if (inodes[path] === undefined) {
      throw new LibcError({ operation, action: "open", object: path }, Errno.EPERM);
    }
    open.push(path);
    return opened.push(path) - 1;
  };
  const system: CgroupRootSystem = {
    readText(path) {
      if (files[path] === undefined) throw new Deno.errors.NotFound(path);
      return files[path];
    },
    inode: (at) => inodes[opened[at] ?? ""] ?? 0,
    openDirectory: (path) => fd(path, "open"),
    mountDetached: (name) => fd(name, "fsopen"),
    close: (at) => void open.splice(open.indexOf(opened[at] ?? ""), 1),
  };
  return { system, open, opened };
}

Deno.test("openCgroupRoot() takes the root where it is mounted, blanks in its path or not", () => {
  const path = "/sys/fs/cgroup a/unified";
  const { system, open } = fake({ [path]: 1 }, { "/proc/self/mountinfo": MOUNTINFO });
  const root = openCgroupRoot(system);
  deepStrictEqual(open, [path]);
  root[Symbol.dispose]();
  deepStrictEqual(open, []);
});

Deno.test("openCgroupRoot() mounts for itself, then looks at process 1, and closes the rest", () => {
  const mounted = "/sys/fs/cgroup a/unified";
  const files = { "/proc/self/mountinfo": MOUNTINFO, "/proc/1/mountinfo": MOUNTINFO };
  const alone = fake({ cgroup2: 1 }, {});
  using _ = openCgroupRoot(alone.system);
  deepStrictEqual(alone.open, ["cgroup2"]);
  // A cgroup namespace: what is mounted here has the container's cgroup as its root.
  const inodes = { [mounted]: 77, cgroup2: 77, [`/proc/1/root${mounted}`]: 1 };
  const inside = fake(inodes, files);
  using _root = openCgroupRoot(inside.system);
  deepStrictEqual(inside.open, [`/proc/1/root${mounted}`]);
  strictEqual(inside.opened.length, 3);
});

Deno.test("openCgroupRoot() says where it has looked", () => {
  const { system, open } = fake({ "/sys/fs/cgroup a/unified": 77 }, {
    "/proc/self/mountinfo": MOUNTINFO,
  });
  throws(() => openCgroupRoot(system), (error) => {
    strictEqual(error instanceof LoadError && error.obstacle, "not_supported");
    strictEqual(
      (error as LoadError).state,
      "no root of cgroup v2 (/sys/fs/cgroup a/unified is not the root, a mount of our own: EPERM)",
    );
    return true;
  });
  deepStrictEqual(open, []);
});
