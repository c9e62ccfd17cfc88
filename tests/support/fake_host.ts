/**
 * A tree of files that stands for a host: /proc and /sys/fs/cgroup as code under test reads them.
 *
 * @module
 */
import { dirname, join } from "node:path";

/** What to write; parents are made. */
export interface FakeHostParts {
  /** Path to text. */
  readonly files?: Readonly<Record<string, string>>;
  /** Path to target. */
  readonly links?: Readonly<Record<string, string>>;
  /** Cgroup directories, each with an empty cgroup.procs; the mounts' own too. */
  readonly cgroups?: readonly string[];
}

/** Pid that /proc/self points to. */
export const FAKE_PID = 4242;

/** The initial namespaces. */
export const INITIAL_NAMESPACES = {
  "/proc/4242/ns/cgroup": "cgroup:[4026531835]",
  "/proc/4242/ns/pid": "pid:[4026531836]",
} as const;

/** A temporary directory that is removed on dispose. */
export class FakeHost implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "shrike-host-" });

  constructor({ files = {}, links = {}, cgroups = [] }: FakeHostParts) {
    this.addLink("/proc/self", String(FAKE_PID));
    for (const path of cgroups) this.addFile(`${path}/cgroup.procs`, "");
    for (const [path, text] of Object.entries(files)) this.addFile(path, text);
    for (const [path, target] of Object.entries(links)) this.addLink(path, target);
  }

  addFile(path: string, text: string): void {
    Deno.mkdirSync(dirname(join(this.root, path)), { recursive: true });
    Deno.writeTextFileSync(join(this.root, path), text);
  }

  addLink(path: string, target: string): void {
    Deno.mkdirSync(dirname(join(this.root, path)), { recursive: true });
    Deno.symlinkSync(target, join(this.root, path));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

/** A line of mountinfo. */
export function mountLine(
  type: "cgroup" | "cgroup2" | "tmpfs",
  path: string,
  { root = "/", options = "rw" }: { root?: string; options?: string } = {},
): string {
  return `36 25 0:31 ${root} ${path} rw,nosuid - ${type} ${type} ${options}\n`;
}
