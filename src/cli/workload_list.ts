/**
 * Workloads as a table for people and as JSON lines.
 *
 * @module
 */
import type { Workload } from "../events/mod.ts";
import { terminalString, workloadJson } from "../export/mod.ts";
import type { HostWorkload } from "../host_workloads.ts";
import { formatList, type TextLook } from "./text_list.ts";
import { sourceText } from "./workload_text.ts";

/** On a terminal longer texts are cut. */
const NAME_COLUMNS_MAX = 48;
const IMAGE_COLUMNS_MAX = 40;
const PLACE_COLUMNS_MAX = 36;
/** Runtimes show as many of an id. */
const ID_LENGTH = 12;
const NONE = "-";

/** A row each; rows come sorted. */
export function formatWorkloadTable(workloads: readonly HostWorkload[], look: TextLook): string {
  const cells = (cell: (workload: Workload) => string) =>
    workloads.map(({ workload }) => cell(workload));
  const counts = (count: (workload: HostWorkload) => number) =>
    workloads.map((each) => String(count(each)));
  return formatList({
    columns: [
      { title: "KIND", cells: cells(({ kind }) => kind) },
      {
        title: "NAME",
        cells: cells(({ name }) => terminalString(name)),
        columnsMax: NAME_COLUMNS_MAX,
      },
      { title: "ID", cells: cells(idText) },
      { title: "IMAGE", cells: cells(imageText), columnsMax: IMAGE_COLUMNS_MAX },
      { title: "POD/UNIT", cells: cells(placeText), columnsMax: PLACE_COLUMNS_MAX },
      { title: "PROCS", cells: counts(({ processCount }) => processCount), isNumber: true },
      { title: "CGROUPS", cells: counts(({ cgroupIds }) => cgroupIds.length), isNumber: true },
    ],
    title: "SOURCE",
    texts: cells(sourceText),
  }, look);
}

/** One object per line; ids of cgroups are strings, because they have 64 bits. */
export function encodeWorkloads(workloads: readonly HostWorkload[]): string {
  return workloads.map(({ workload, processCount, cgroupIds }) => {
    const end = JSON.stringify({ processes: processCount, cgroups: cgroupIds.map(String) });
    return `{"workload":${workloadJson(workload)},${end.slice(1)}\n`;
  }).join("");
}

/** Units and the host are whole by their name. */
function idText({ id, kind, name }: Workload): string {
  const isNamed = kind === "host" || id === name || id.startsWith("/");
  return isNamed ? NONE : terminalString(id.slice(0, ID_LENGTH));
}

function imageText({ container }: Workload): string {
  const { name, id } = container?.image ?? {};
  return terminalString(name ?? id ?? NONE);
}

/** The pod it is in, else the unit that it is not itself. */
function placeText({ pod, unit, name }: Workload): string {
  if (pod !== undefined) {
    const { namespace, name: podName = pod.uid } = pod;
    return terminalString(namespace === undefined ? podName : `${namespace}/${podName}`);
  }
  return unit === undefined || unit.name === name ? NONE : terminalString(unit.name);
}
