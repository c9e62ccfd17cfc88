/**
 * Cgroups as text for people and as JSON lines.
 *
 * @module
 */
import { terminalString, workloadJson } from "../export/mod.ts";
import type { HostCgroup, HostCgroups } from "../host_workloads.ts";
import {
  formatList,
  type TextColumn,
  type TextLook,
  type TreeNode,
  treeRows,
} from "./text_list.ts";
import { workloadText } from "./workload_text.ts";

/** Which cgroups are listed. */
export type CgroupChoice = (cgroup: HostCgroup) => boolean;

/** On a terminal longer names of workloads are cut, so that there is room for the cgroups. */
const WORKLOAD_COLUMNS_MAX = 40;

/** ID, PROCS, STATE, WORKLOAD, then the cgroups as a tree with the ancestors of those chosen. */
export function formatCgroupTree(
  cgroups: readonly HostCgroup[],
  isChosen: CgroupChoice,
  look: TextLook,
): string {
  const rows = treeRows(chosenTrees(cgroups, isChosen));
  const shown = rows.map(({ node }) => node.cgroup);
  return formatList({
    columns: [idColumn(shown), ...stateColumns(shown), workloadColumn(shown)],
    title: "CGROUP",
    texts: rows.map(({ node: { cgroup }, branch }) => branch + nameOf(cgroup, branch === "")),
  }, look);
}

/** One line per cgroup with its whole path, parents first. */
export function formatCgroupTable(
  cgroups: readonly HostCgroup[],
  isChosen: CgroupChoice,
  look: TextLook,
): string {
  const shown = cgroups.filter(isChosen);
  const tracking = shown.map(({ trackingId }) => String(trackingId));
  return formatList({
    columns: [
      idColumn(shown),
      { title: "TRACKING", cells: tracking, isNumber: true },
      ...stateColumns(shown),
      workloadColumn(shown),
    ],
    title: "PATH",
    texts: shown.map(({ path }) => terminalString(path)),
  }, look);
}

/** One object per line; ids are strings, because they have 64 bits. */
export function encodeCgroups({ hierarchy, cgroups }: HostCgroups, isChosen: CgroupChoice): string {
  return cgroups.filter(isChosen).map((cgroup) => {
    const { id, parentId, level, path, processCount, trackingId, workload } = cgroup;
    const start = JSON.stringify({
      id: String(id),
      ...(parentId === 0n ? {} : { parent_id: String(parentId) }),
      hierarchy,
      level,
      path,
      state: stateOf(cgroup),
      processes: processCount,
      tracking_id: String(trackingId),
    });
    return `${start.slice(0, -1)},"workload":${workloadJson(workload)}}\n`;
  }).join("");
}

/** "running" when it or one below it has processes. */
function stateOf({ isPopulated }: HostCgroup): "running" | "empty" {
  return isPopulated ? "running" : "empty";
}

function idColumn(cgroups: readonly HostCgroup[]): TextColumn {
  return { title: "ID", cells: cgroups.map(({ id }) => String(id)), isNumber: true };
}

function stateColumns(cgroups: readonly HostCgroup[]): TextColumn[] {
  const counts = cgroups.map(({ processCount }) => String(processCount));
  return [
    { title: "PROCS", cells: counts, isNumber: true },
    { title: "STATE", cells: cgroups.map(stateOf) },
  ];
}

function workloadColumn(cgroups: readonly HostCgroup[]): TextColumn {
  return {
    title: "WORKLOAD",
    cells: cgroups.map(({ workload }) => workloadText(workload)),
    columnsMax: WORKLOAD_COLUMNS_MAX,
  };
}

/** The top has its whole path: it need not be the root. */
function nameOf({ path }: HostCgroup, isTop: boolean): string {
  return terminalString(isTop ? path : path.slice(path.lastIndexOf("/") + 1));
}

interface CgroupNode extends TreeNode<CgroupNode> {
  readonly cgroup: HostCgroup;
  readonly children: CgroupNode[];
}

function chosenTrees(cgroups: readonly HostCgroup[], isChosen: CgroupChoice): CgroupNode[] {
  const byId = new Map(cgroups.map((cgroup) => [cgroup.id, cgroup]));
  const kept = new Set<HostCgroup>();
  for (const cgroup of cgroups) {
    if (!isChosen(cgroup)) continue;
    for (
      let at: HostCgroup | undefined = cgroup;
      at !== undefined && !kept.has(at);
      at = byId.get(at.parentId)
    ) kept.add(at);
  }
  const nodes = new Map<bigint, CgroupNode>();
  const roots: CgroupNode[] = [];
  // Parents stand before their children.
  for (const cgroup of cgroups) {
    if (!kept.has(cgroup)) continue;
    const node: CgroupNode = { cgroup, children: [] };
    nodes.set(cgroup.id, node);
    (nodes.get(cgroup.parentId)?.children ?? roots).push(node);
  }
  for (const { children } of nodes.values()) {
    children.sort((a, b) => compareTexts(a.cgroup.path, b.cgroup.path));
  }
  return roots;
}

/** By code units: the same order in each locale. */
function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
