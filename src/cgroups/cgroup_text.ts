/**
 * What the kernel says about cgroups in /proc, parsed. Lines of another form are left out.
 *
 * @module
 */

/** A mounted hierarchy, from /proc/self/mountinfo. */
export interface CgroupMount {
  readonly version: 1 | 2;
  readonly path: string;
  /**
   * Which cgroup stands at `path`, as seen from the reader's cgroup namespace; has ".." parts when
   * the mount was made outside of it.
   */
  readonly root: string;
  /** v1: controllers and name=... among other options. */
  readonly options: readonly string[];
}

/** A line of /proc/self/cgroup. */
export interface CgroupLine {
  /** 0 is v2. */
  readonly hierarchyId: number;
  /** v1 controllers; none for v2 and named hierarchies. */
  readonly controllers: readonly string[];
  /** Of a v1 hierarchy without controllers, such as "systemd". */
  readonly name?: string;
  /** As seen from the reader's cgroup namespace. */
  readonly path: string;
}

/** A line of /proc/cgroups. */
export interface ControllerLine {
  readonly name: string;
  /** 0: not bound to a v1 hierarchy. */
  readonly hierarchyId: number;
  readonly cgroupCount: number;
  /** False with `cgroup_disable=` on the kernel's command line. */
  readonly isEnabled: boolean;
}

/** Mounts of cgroup file systems; of several on one mount point only the last, which is on top. */
export function parseCgroupMounts(mountinfo: string): CgroupMount[] {
  const onTop = new Map<string, CgroupMount | null>();
  for (const line of mountinfo.split("\n")) {
    // ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [TAGS...] - TYPE SOURCE SUPER_OPTIONS
    const [before, after] = split(line, " - ");
    const [, , , root, path] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    if (root === undefined || path === undefined) continue;
    const mountPath = unescapeOctal(path);
    onTop.delete(mountPath);
    const version = type === "cgroup2" ? 2 : type === "cgroup" ? 1 : null;
    onTop.set(
      mountPath,
      version === null
        ? null
        : { version, path: mountPath, root: unescapeOctal(root), options: options.split(",") },
    );
  }
  return [...onTop.values()].filter((mount) => mount !== null);
}

/** The lines of /proc/PID/cgroup. */
export function parseCgroupLines(text: string): CgroupLine[] {
  const lines: CgroupLine[] = [];
  for (const line of text.split("\n")) {
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    const words = match[2]!.split(",").filter((word) => word !== "");
    const name = words.find((word) => word.startsWith("name="))?.slice("name=".length);
    lines.push({
      hierarchyId: Number(match[1]),
      controllers: words.filter((word) => !word.startsWith("name=")),
      ...(name === undefined ? {} : { name }),
      // The kernel appends this for a removed v2 cgroup that still has processes (zombies).
      path: match[3]!.replace(/ \(deleted\)$/, ""),
    });
  }
  return lines;
}

/** The lines of /proc/cgroups, in the kernel's order. */
export function parseControllerLines(text: string): ControllerLine[] {
  const lines: ControllerLine[] = [];
  for (const line of text.split("\n")) {
    const match = /^(\w+)\s+(\d+)\s+(\d+)\s+([01])$/.exec(line);
    if (match === null) continue;
    lines.push({
      name: match[1]!,
      hierarchyId: Number(match[2]),
      cgroupCount: Number(match[3]),
      isEnabled: match[4] === "1",
    });
  }
  return lines;
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** The kernel writes space, tab, line feed and backslash as "\ooo". */
function unescapeOctal(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, digits: string) => String.fromCharCode(parseInt(digits, 8)),
  );
}
