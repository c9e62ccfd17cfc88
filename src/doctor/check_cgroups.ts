/**
 * How the host uses cgroups, and whether the agent can follow them.
 *
 * @module
 */
import {
  type CgroupMode,
  type CgroupWalk,
  describeHierarchy,
  type FileHandles,
  findNetworkConflict,
  type Hierarchy,
  type HostFiles,
  type OwnCgroupReport,
  readCgroupId,
  verifyOwnCgroup,
  WALKED_CGROUPS_MAX,
} from "../cgroups/mod.ts";
import { type Finding, TopicFindings } from "./finding.ts";

/** What is looked at. */
export interface CgroupCheck {
  readonly files: HostFiles;
  readonly handles: FileHandles;
  readonly mode: CgroupMode;
  /** Of the tracked hierarchy; null without one. */
  readonly walk: CgroupWalk | null;
  /** Whether a kernel hook and user space mean the same cgroup; undefined when none ran. */
  readonly proof: OwnCgroupReport | undefined;
  /** `[major, minor]` of the running kernel. */
  readonly kernelVersion: readonly [number, number];
}

export function checkCgroups(check: CgroupCheck): Finding[] {
  const { mode, walk } = check;
  const found = new TopicFindings("cgroups");
  const namespace = mode.isNamespaced === undefined
    ? "no cgroup namespaces (before Linux 4.6)"
    : mode.isNamespaced
    ? "in a cgroup namespace of its own"
    : "in the host's cgroup namespace";
  const manager = mode.hasSystemd ? "with systemd" : "without systemd";
  found.ok("mode", `${mode.mode}, ${manager}, this process ${namespace}`);
  for (const hierarchy of mode.hierarchies) {
    found.ok(`hierarchy ${hierarchy.hierarchyId}`, describeMount(hierarchy));
  }
  if (mode.controllers.length > 0) found.ok("controllers", describeControllers(mode));
  if (mode.tracked !== null) {
    const { hierarchy, subsystem, reasons } = mode.tracked;
    const index = subsystem === undefined ? "" : `, by subsystem ${subsystem.index}`;
    const what = `${describeHierarchy(hierarchy)} (hierarchy ${hierarchy.hierarchyId}${index})`;
    found.ok("tracked", [what, ...reasons].join("; "));
  }
  for (const warning of mode.warnings) found.warning("detection", warning);
  checkOwnId(check, found);
  if (walk !== null) checkWalk(walk, found);
  const conflict = findNetworkConflict(mode, check.kernelVersion);
  if (conflict !== null) found.warning("net_cls, net_prio", conflict);
  return found.findings;
}

function describeMount(hierarchy: Hierarchy): string {
  const { mount, ownPath, version, controllers } = hierarchy;
  const offered = version === 2 && controllers.length > 0 ? ` (${controllers.join()})` : "";
  const place = mount === undefined
    ? "not mounted here"
    : `at "${mount.path}"${mount.root === "/" ? "" : `, which shows "${mount.root}"`}`;
  return `${describeHierarchy(hierarchy)}${offered} ${place}; own cgroup "${ownPath}"`;
}

function describeControllers({ controllers }: CgroupMode): string {
  const names = controllers.filter(({ isEnabled }) => isEnabled).map(({ name }) => name);
  const disabled = controllers.filter(({ isEnabled }) => !isEnabled).map(({ name }) => name);
  return names.join(" ") + (disabled.length > 0 ? `; disabled: ${disabled.join(" ")}` : "");
}

function checkOwnId(
  { files, handles, mode, proof }: CgroupCheck,
  found: TopicFindings,
): void {
  const hierarchy = mode.tracked?.hierarchy;
  if (hierarchy === undefined) return;
  const directory = hierarchy.ownDirectory;
  const reading = directory === undefined ? undefined : readCgroupId(files, directory, handles);
  const { hierarchyId } = hierarchy;
  const report = proof ?? verifyOwnCgroup({ id: reading?.id, hierarchyId }, undefined);
  const user = `user space says ${reading?.id ?? "nothing"}`;
  if (report.outcome === "mismatch") {
    found.warning("own id", {
      ...{ text: report.text, follows: report.follows },
      hint: "report it with the file that `shrike doctor --bundle FILE.tar.gz` writes",
    });
  } else {
    found.ok("own id", report.outcome === "match" ? report.text : `${user}; ${report.text}`);
  }
  if (reading?.problem === undefined) return;
  found.warning("own id by handle", {
    text: reading.problem,
    follows: reading.id === undefined
      ? "the agent's own id cannot be checked"
      : `the inode number ${reading.id} is taken for the id`,
    hint: "allow name_to_handle_at in the seccomp profile of the container",
  });
}

function checkWalk(walk: CgroupWalk, found: TopicFindings): void {
  const { cgroups, beyondLimit, isCountCut } = walk;
  const populated = cgroups.filter(({ isPopulated }) => isPopulated).length;
  if (beyondLimit === 0) {
    found.ok("existing", `${cgroups.length} cgroups, ${populated} of them with processes`);
    return;
  }
  const more = `${isCountCut ? "at least " : ""}${beyondLimit}`;
  found.warning("existing", {
    text: `${cgroups.length} cgroups and ${more} beyond the limit of ${WALKED_CGROUPS_MAX}`,
    follows: "processes in those beyond it have no workload (reason unknown_cgroup)",
    hint: "look for a service that leaves empty cgroups behind",
  });
}
