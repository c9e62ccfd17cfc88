/**
 * The root of the cgroup v2 tree, where programs are attached that see all cgroups.
 *
 * @module
 */
import { LibcError, openLibc } from "../../ffi/mod.ts";
import { LoadError } from "./load_error.ts";

/** An open root. Disposing closes the descriptor; programs stay attached. */
export interface CgroupRoot extends Disposable {
  readonly fd: number;
}

/** What is asked of the system; tests have their own. */
export interface CgroupRootSystem {
  /** @throws nobody has such a file. */
  readText(path: string): string;
  /** Inode number of the directory behind a descriptor. */
  inode(fd: number): number;
  /** @throws {LibcError} */
  openDirectory(path: string): number;
  /** @throws {LibcError} */
  mountDetached(fileSystem: string): number;
  close(fd: number): void;
}

/** kernfs numbers from 1: the first cgroup of a hierarchy is its root, for every namespace. */
const ROOT_INODE = 1;

/**
 * Opens the root of the v2 tree: where it is mounted, else by a mount of our own that nobody sees,
 * else through process 1, whose mounts are those of the host when we are in a container. What a
 * cgroup namespace shows as root is not taken: programs there would see part of the host only.
 *
 * @throws {LoadError} none of these is the root.
 */
export function openCgroupRoot(system: CgroupRootSystem | undefined = undefined): CgroupRoot {
  if (system === undefined) return openOnHost();
  const seen: string[] = [];
  const attempts: readonly (readonly [string, () => number])[] = [
    ...mountsOf(system, "/proc/self/mountinfo", "")
      .map((path) => [path, () => system.openDirectory(path)] as const),
    ["a mount of our own", () => system.mountDetached("cgroup2")],
    ...mountsOf(system, "/proc/1/mountinfo", "/proc/1/root")
      .map((path) => [path, () => system.openDirectory(path)] as const),
  ];
  for (const [place, open] of attempts) {
    try {
      const fd = open();
      if (system.inode(fd) === ROOT_INODE) {
        return { fd, [Symbol.dispose]: () => system.close(fd) };
      }
      system.close(fd);
      seen.push(`${place} is not the root`);
    } catch (error) {
      if (!(error instanceof LibcError)) throw error;
      seen.push(`${place}: ${error.errnoName}`);
    }
  }
  throw new LoadError("programs of cgroups", `no root of cgroup v2 (${seen.join(", ")})`, {
    obstacle: "not_supported",
    hint: "run in the host's cgroup namespace (docker run --cgroupns=host), with CAP_SYS_ADMIN",
    feature: "cgroup2",
  });
}

function openOnHost(): CgroupRoot {
  using libc = openLibc();
  const root = openCgroupRoot({
    readText: (path) => Deno.readTextFileSync(path),
    inode: (fd) => Deno.statSync(`/proc/self/fd/${fd}`).ino ?? 0,
    openDirectory: (path) => libc.openDirectory(path),
    mountDetached: (name) => libc.mountDetached(name),
    close: (fd) => libc.close(fd),
  });
  const dispose = () => {
    using closing = openLibc();
    closing.close(root.fd);
  };
  return { fd: root.fd, [Symbol.dispose]: dispose };
}

/** Mount points of v2 in a mountinfo(5) file. Octal escapes stand for blanks and the like. */
function mountsOf(system: CgroupRootSystem, file: string, prefix: string): string[] {
  let text: string;
  try {
    text = system.readText(file);
  } catch {
    return [];
  }
  return Array.from(
    text.matchAll(/^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /gm),
    ([, path = ""]) =>
      prefix + path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))),
  );
}
