/**
 * Cgroups that a test makes for itself and takes away again.
 *
 * @module
 */
import { runWorkload, type WorkloadResult } from "./workload.ts";

/** A mounted hierarchy. */
export interface TestHierarchy {
  /** Mount point. */
  readonly path: string;
  /** As the kernel numbers it; 0 is v2. */
  readonly hierarchyId: number;
}

/** Where the v2 tree is mounted. @throws {Error} nowhere. */
export function v2Hierarchy(): TestHierarchy {
  const mountinfo = Deno.readTextFileSync("/proc/self/mountinfo");
  const path = /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2 /m.exec(mountinfo)?.[1];
  if (path === undefined) throw new Error("Cgroup v2 is not mounted");
  return { path, hierarchyId: 0 };
}

/** The hierarchy of a v1 controller; undefined when it is not mounted as v1. */
export function v1Hierarchy(controller: string): TestHierarchy | undefined {
  const mountinfo = Deno.readTextFileSync("/proc/self/mountinfo");
  const mounts = mountinfo.matchAll(/^\S+ \S+ \S+ \/ (\S+) .* - cgroup \S+ (\S+)$/gm);
  const own = Deno.readTextFileSync("/proc/self/cgroup");
  for (const [, path = "", options = ""] of mounts) {
    if (!options.split(",").includes(controller)) continue;
    const line = new RegExp(`^(\\d+):(?:[^:]*,)?${controller}(?:,[^:]*)?:`, "m").exec(own);
    if (line !== null) return { path, hierarchyId: Number(line[1]) };
  }
  return undefined;
}

/**
 * Mounts a v1 hierarchy of the test's own, without a controller unless one is named that nobody
 * uses.
 * Undefined when this kernel or host cannot.
 */
export async function mountV1(
  options: string,
): Promise<TestHierarchy & AsyncDisposable | undefined> {
  const path = Deno.makeTempDirSync({ prefix: "shrike-test-cgroup-" });
  const name = options.split(",").find((option) => option !== "none") ?? "";
  const isMounted = await run("mount", ["-t", "cgroup", "-o", options, "none", path]);
  const hierarchyId = hierarchyOf(name);
  if (!isMounted || hierarchyId === undefined) {
    Deno.removeSync(path);
    return undefined;
  }
  return {
    path,
    hierarchyId,
    async [Symbol.asyncDispose]() {
      // The kernel lets go of removed cgroups a little later, and keeps a hierarchy that is not
      // empty when it is unmounted, until it is unmounted again.
      await run("umount", [path]);
      for (let time = 1; !await hasGone(name); time++) {
        if (time === UNMOUNTS_MAX) throw new Error(`Hierarchy "${name}" is still there`);
        await run("mount", ["-t", "cgroup", "-o", options, "none", path]);
        await run("umount", [path]);
      }
      Deno.removeSync(path);
    },
  };
}

const UNMOUNTS_MAX = 10;
/** How long the kernel may take to let go of an empty hierarchy. */
const GONE_MS = 2_000;

async function hasGone(name: string): Promise<boolean> {
  const deadline = performance.now() + GONE_MS;
  while (hierarchyOf(name) !== undefined) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

async function run(program: string, args: readonly string[]): Promise<boolean> {
  const command = new Deno.Command(program, { args: [...args], stderr: "null" });
  return (await command.output()).success;
}

/** Number of the v1 hierarchy of that controller or "name=..."; undefined when v1 has none. */
function hierarchyOf(name: string): number | undefined {
  const own = Deno.readTextFileSync("/proc/self/cgroup");
  const id = new RegExp(`^(\\d+):${name}:`, "m").exec(own)?.[1];
  return id === undefined ? undefined : Number(id);
}

/** A cgroup below the root of a hierarchy; disposing removes it with all that is below. */
export class TestCgroup {
  readonly hierarchy: TestHierarchy;
  /** Within the hierarchy. */
  readonly path: string;

  /** @param isThere it was made before */
  constructor(hierarchy: TestHierarchy, path = `/shrike-test-${Deno.pid}`, isThere = false) {
    this.hierarchy = hierarchy;
    this.path = path;
    if (!isThere) Deno.mkdirSync(this.directory);
  }

  get directory(): string {
    return this.hierarchy.path + this.path;
  }

  get id(): bigint {
    return BigInt(Deno.statSync(this.directory).ino ?? 0);
  }

  get level(): number {
    return this.path.split("/").length - 1;
  }

  /** Makes a cgroup below this one. */
  make(name: string): TestCgroup {
    return new TestCgroup(this.hierarchy, `${this.path}/${name}`);
  }

  /** Gives it another name, which only v1 can; this object and those below keep the old path. */
  rename(name: string): TestCgroup {
    const path = this.path.slice(0, this.path.lastIndexOf("/") + 1) + name;
    Deno.renameSync(this.directory, this.hierarchy.path + path);
    return new TestCgroup(this.hierarchy, path, true);
  }

  /** A cgroup that is there below this one. */
  below(name: string): TestCgroup {
    return new TestCgroup(this.hierarchy, `${this.path}/${name}`, true);
  }

  /** Runs `program ARGS` with a shell's exec: its first image is already in this cgroup. */
  run(program: string, args: readonly string[]): Promise<WorkloadResult> {
    const script = 'echo $$ >"$0" && exec "$@"';
    const procs = `${this.directory}/cgroup.procs`;
    return runWorkload("/bin/sh", ["-c", script, procs, program, ...args]);
  }

  remove(): void {
    Deno.removeSync(this.directory);
  }

  [Symbol.dispose](): void {
    removeTree(this.directory);
  }
}

/** Deepest first; rmdir(2) takes the files of a cgroup with it. */
function removeTree(directory: string): void {
  let names: string[];
  try {
    names = Array.from(Deno.readDirSync(directory))
      .filter((entry) => entry.isDirectory).map((entry) => entry.name);
  } catch {
    return; // the test has removed it
  }
  for (const name of names) removeTree(`${directory}/${name}`);
  Deno.removeSync(directory);
}
