/** Walks and ids of real cgroups: kernfs counts links and hands out handles as no other does. */
import assert from "node:assert/strict";
import { mkdirSync, rmdirSync } from "node:fs";
import { openLibc } from "../../ffi/mod.ts";
import {
  type CgroupMode,
  detectCgroupMode,
  type Hierarchy,
  HostFiles,
  readCgroupId,
  walkCgroups,
} from "../../src/cgroups/mod.ts";
import { IS_GUEST } from "../support/require_kernel.ts";

const FILES = new HostFiles();

/** An emulated CPU takes 2 ms for each. */
const PARENTS = IS_GUEST ? 10 : 30;
const CHILDREN = 99;

/** What is asked of the file system. */
class CountedFiles extends HostFiles {
  count = 0;

  override readText(path: string) {
    this.count++;
    return super.readText(path);
  }

  override directory(path: string) {
    this.count++;
    return super.directory(path);
  }

  override subdirectories(path: string) {
    this.count++;
    return super.subdirectories(path);
  }
}

/** A cgroup of ours in every mounted hierarchy that takes one; removed with all below it. */
class TestCgroup implements Disposable {
  readonly #made: string[] = [];

  constructor(readonly path: string) {
    this.make("");
  }

  make(below: string): string {
    const path = this.path + below;
    mkdirSync(path);
    this.#made.push(path);
    return path;
  }

  [Symbol.dispose](): void {
    for (const path of this.#made.reverse()) rmdirSync(path);
  }
}

function mounted({ hierarchies }: CgroupMode): Hierarchy[] {
  return hierarchies.filter(({ mount }) => mount !== undefined);
}

Deno.test("readCgroupId() reads one id in two ways in every hierarchy", () => {
  using libc = openLibc();
  const mode = detectCgroupMode({ files: FILES });
  const trees = mounted(mode);
  assert.ok(trees.length > 0, `mode ${mode.mode}`);
  for (const { mount } of trees) {
    using cgroup = new TestCgroup(`${mount!.path}/shrike-test-${crypto.randomUUID()}`);
    const { id, fromHandle, fromInode, problem } = readCgroupId(FILES, cgroup.path, libc);
    assert.equal(problem, undefined);
    assert.ok(id !== undefined && id > 0n);
    assert.deepEqual([fromHandle, fromInode], [id, id]);
  }
});

Deno.test("walkCgroups() finds new cgroups and their processes in every hierarchy", async () => {
  for (const hierarchy of mounted(detectCgroupMode({ files: FILES }))) {
    // A cpuset without CPUs takes no process.
    if (hierarchy.controllers.includes("cpuset") && hierarchy.version === 1) continue;
    const name = `/shrike-test-${crypto.randomUUID()}`;
    using cgroup = new TestCgroup(hierarchy.mount!.path + name);
    const inner = cgroup.make("/inner");
    const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
    try {
      Deno.writeTextFileSync(`${inner}/cgroup.procs`, String(child.pid));
      const { cgroups } = walkCgroups(FILES, hierarchy);
      const byPath = new Map(cgroups.map((each) => [each.path, each]));
      const [outer, found] = [byPath.get(name)!, byPath.get(`${name}/inner`)!];
      assert.equal(found.parentId, outer.id);
      assert.equal(found.level, outer.level + 1);
      assert.deepEqual([outer.isPopulated, found.isPopulated], [true, true]);
      child.kill("SIGKILL");
      await child.status;
      const later = walkCgroups(FILES, hierarchy).cgroups.find(({ path }) => path === name)!;
      assert.equal(later.isPopulated, false);
    } finally {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    }
  }
});

Deno.test("walkCgroups() asks a bounded number of questions about each of thousands of cgroups", () => {
  const hierarchy = detectCgroupMode({ files: FILES }).tracked?.hierarchy;
  assert.ok(hierarchy?.mount !== undefined);
  using cgroup = new TestCgroup(`${hierarchy.mount.path}/shrike-test-${crypto.randomUUID()}`);
  for (let i = 0; i < PARENTS; i++) {
    cgroup.make(`/${i}`);
    for (let j = 0; j < CHILDREN; j++) cgroup.make(`/${i}/${j}`);
  }
  const files = new CountedFiles();
  const count = walkCgroups(files, hierarchy).cgroups.length;
  assert.ok(count > PARENTS * (CHILDREN + 1));
  // What it is, what is in it, and whether processes are. How long that takes is a bench: work.
  assert.ok(files.count >= 2 * count && files.count <= 3 * count, `${files.count} of ${count}`);
});
