/**
 * The hierarchies this process lives in, with where they are mounted and where it stands in them.
 *
 * @module
 */
import { type CgroupLine, type CgroupMount, parseCgroupMounts } from "./cgroup_text.ts";
import type { HostFiles } from "./host_files.ts";
import { hasHostPids } from "./own_namespaces.ts";
import { walkDirectories } from "./walk_directories.ts";

/** One cgroup hierarchy as seen from here. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** As the kernel numbers it: `cgroup_root.hierarchy_id`, 0 is v2. */
  readonly hierarchyId: number;
  /** v1: bound to it. v2: those its root offers. */
  readonly controllers: readonly string[];
  /** Of a v1 hierarchy without controllers, such as "systemd". */
  readonly name?: string;
  /** Best mount of several; missing when none can be used from here. */
  readonly mount?: CgroupMount;
  /** Place of this process as /proc/self/cgroup shows it: relative to its cgroup namespace. */
  readonly ownPath: string;
  /** The directory of `ownPath`; missing when it is not below the mount. */
  readonly ownDirectory?: string;
  /** Level of the cgroup at the mount point, 0 for the root; missing when parents are hidden. */
  readonly mountLevel?: number;
}

/** Cgroups looked at, at most, for our own below a mount that shows hidden parents. */
const OWN_SEARCH_MAX = 4096;

/**
 * A link that leads into the mounts of the host's first process, whatever is mounted here. To
 * follow it takes the right to trace that process: CAP_SYS_PTRACE, or as many rights as it has.
 */
const INIT_ROOT = "/proc/1/root";

/** Short words for messages: "v2", "v1 memory", "v1 cpu,cpuacct", "v1 name=systemd". */
export function describeHierarchy(
  { version, controllers, name }: Pick<Hierarchy, "version" | "controllers" | "name">,
): string {
  if (version === 2) return "v2";
  return `v1 ${controllers.length > 0 ? controllers.join() : `name=${name}`}`;
}

/**
 * Joins lines of /proc/self/cgroup with mounts. A mounted hierarchy without a line (/proc of
 * another process's view) is left out: nothing tells its number.
 *
 * @param isNamespaced whether this process is in a cgroup namespace of its own
 */
export function readHierarchies(
  files: HostFiles,
  lines: readonly CgroupLine[],
  isNamespaced: boolean,
): Hierarchy[] {
  const mounts = readMounts(files)
    // Every cgroup directory has this file; without it the mount is hidden below another one.
    .filter(({ path }) => files.exists(`${path}/cgroup.procs`));
  return lines.map((line) => {
    const { hierarchyId, name, path: ownPath } = line;
    const version = hierarchyId === 0 ? 2 : 1;
    const mount = bestMount(mounts.filter((mount) => isMountOf(mount, line)));
    const ownDirectory = mount && findOwnDirectory(files, mount, ownPath);
    const mountLevel = mount && levelOf(mount.root, isNamespaced);
    return {
      ...{ version, hierarchyId, ownPath },
      controllers: version === 1 ? line.controllers : readControllers(files, mount),
      ...(name === undefined ? {} : { name }),
      ...(mount === undefined ? {} : { mount }),
      ...(ownDirectory === undefined ? {} : { ownDirectory }),
      ...(mountLevel === undefined ? {} : { mountLevel }),
    };
  });
}

/** Those of this process, and where there are more, such as around a container, the host's. */
function readMounts(files: HostFiles): CgroupMount[] {
  const own = parseCgroupMounts(files.readText("/proc/self/mountinfo") ?? "");
  // Else number 1 may be anybody.
  if (!hasHostPids(files)) return own;
  const init = parseCgroupMounts(files.readText("/proc/1/mountinfo") ?? "");
  return [...own, ...init.map((mount) => ({ ...mount, path: INIT_ROOT + mount.path }))];
}

function isMountOf({ version, options }: CgroupMount, line: CgroupLine): boolean {
  if (version === 2 || line.hierarchyId === 0) return version === 2 && line.hierarchyId === 0;
  if (line.controllers.length > 0) return line.controllers.every((word) => options.includes(word));
  return options.includes(`name=${line.name}`);
}

/** The one that shows most, then one of our own, then the one in the usual place. */
function bestMount(mounts: readonly CgroupMount[]): CgroupMount | undefined {
  const rank = ({ root, path }: CgroupMount) => {
    const parts = partsOf(root);
    // Parents of the namespace's root show more than the root of the tree that is seen from it.
    const hidden = parts.filter((part) => part === "..").length;
    const shown = hidden > 0 ? -hidden : parts.length;
    const place = path.startsWith(INIT_ROOT) ? 2 : path.startsWith("/sys/fs/cgroup") ? 0 : 1;
    return shown * 3 + place;
  };
  return mounts.toSorted((a, b) => rank(a) - rank(b))[0];
}

/** Where the mount is in the mount namespace that it is from. */
export function usualPath(mount: CgroupMount | undefined): string | undefined {
  return mount?.path.startsWith(INIT_ROOT) ? mount.path.slice(INIT_ROOT.length) : mount?.path;
}

/**
 * Place of this process counted from the root of the hierarchy, or as far up as can be seen: a
 * cgroup namespace shows a part of it, our directory all.
 */
export function wholeOwnPath({ mount, ownDirectory, ownPath }: Hierarchy): string {
  const isSeen = mount !== undefined && partsOf(mount.root).includes("..");
  if (!isSeen || ownDirectory === undefined) return ownPath;
  return ownDirectory.slice(mount.path.length) || "/";
}

function readControllers(files: HostFiles, mount: CgroupMount | undefined): string[] {
  const text = mount && files.readText(`${mount.path}/cgroup.controllers`);
  return (text ?? "").trim().split(" ").filter((word) => word !== "");
}

/** Paths are counted from the root of the hierarchy only outside of cgroup namespaces. */
function levelOf(root: string, isNamespaced: boolean): number | undefined {
  return isNamespaced ? undefined : partsOf(root).length;
}

function findOwnDirectory(
  files: HostFiles,
  { path, root }: CgroupMount,
  ownPath: string,
): string | undefined {
  const [own, top] = [partsOf(ownPath), partsOf(root)];
  const hidden = top.filter((part) => part === "..").length;
  if (hidden > 0 && own[0] !== "..") return findByOwnPid(files, path, hidden + own.length);
  if (top.some((part, i) => part !== own[i])) return undefined;
  const directory = [path, ...own.slice(top.length)].join("/");
  return files.directory(directory) === undefined ? undefined : directory;
}

/**
 * The mount begins above the namespace's root, whose name nothing tells, but how far is known: the
 * directory at our depth that holds our pid is ours.
 */
function findByOwnPid(files: HostFiles, mountPath: string, depth: number): string | undefined {
  const pid = files.readLink("/proc/self");
  if (pid === undefined) return undefined;
  for (const found of walkDirectories(files, mountPath, OWN_SEARCH_MAX)) {
    if (found.depth > depth) return undefined;
    if (found.depth < depth) continue;
    const pids = files.readText(`${found.path}/cgroup.procs`) ?? "";
    if (pids.split("\n").includes(pid)) return found.path;
  }
  return undefined;
}

/**
 * Where the cgroup that /proc/PID/cgroup shows to this process is below the mount, "/" for the
 * mount's own; undefined when it is not there, or nothing tells where. In a cgroup namespace `..`
 * stands for parents of its root, which only our own directory gives names to.
 */
export function pathBelowMount(
  { mount, ownDirectory, ownPath }: Hierarchy,
  shown: string,
): string | undefined {
  if (mount === undefined) return undefined;
  const [parts, top] = [partsOf(shown), partsOf(mount.root)];
  if (top.includes("..")) {
    if (ownDirectory === undefined) return undefined;
    const own = partsOf(ownDirectory.slice(mount.path.length));
    const root = own.slice(0, own.length - partsOf(ownPath).length);
    const up = parts.findLastIndex((part) => part === "..") + 1;
    if (up > root.length) return undefined;
    return `/${[...root.slice(0, root.length - up), ...parts.slice(up)].join("/")}`;
  }
  const isBelow = !parts.includes("..") && top.every((part, i) => parts[i] === part);
  return isBelow ? `/${parts.slice(top.length).join("/")}` : undefined;
}

/** "/a/b" as ["a", "b"]. */
export function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}
