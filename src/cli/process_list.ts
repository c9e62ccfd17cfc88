/**
 * Process trees as text for people.
 *
 * @module
 */
import type { Process } from "../events/mod.ts";
import {
  fitToColumns,
  terminalArguments,
  terminalText,
  type UserNaming,
  userText,
} from "../export/mod.ts";
import type { ProcessTree } from "../host.ts";
import { formatList, type TextColumn, type TextLook, treeRows } from "./text_list.ts";

/** How lists of processes look. */
export interface ListLook extends TextLook {
  readonly naming: UserNaming;
}

/** pid_max is at most 2^22. */
const PID_COLUMNS = 7;
const USER_COLUMNS = 8;

/** PID, USER, EXEC_ID, then the commands as a tree. */
export function formatTree(roots: readonly ProcessTree[], look: ListLook): string {
  const rows = treeRows(roots);
  const processes = rows.map(({ node }) => node.process);
  return formatList({
    columns: [
      pidColumn("PID", processes.map(({ tgid }) => tgid)),
      userColumn(processes, look),
      { title: "EXEC_ID", cells: processes.map(({ execId }) => execId) },
    ],
    title: "COMMAND",
    texts: rows.map(({ node: { process }, branch }) => branch + commandText(process)),
  }, look);
}

/** One line per process with its parent's pid and start time, by pid. */
export function formatTable(roots: readonly ProcessTree[], look: ListLook): string {
  const processes = treeRows(roots).map(({ node }) => node.process)
    .sort((a, b) => a.tgid - b.tgid);
  const pids = new Map(processes.map(({ execId, tgid }) => [execId, tgid]));
  return formatList({
    columns: [
      pidColumn("PID", processes.map(({ tgid }) => tgid)),
      pidColumn("PPID", processes.map(({ parentExecId }) => pids.get(parentExecId))),
      userColumn(processes, look),
      { title: "START", cells: processes.map(({ startTimeNs }) => startText(startTimeNs)) },
      { title: "EXEC_ID", cells: processes.map(({ execId }) => execId) },
    ],
    title: "COMMAND",
    texts: processes.map(commandText),
  }, look);
}

function pidColumn(title: string, pids: readonly (number | undefined)[]): TextColumn {
  return { title: title.padStart(PID_COLUMNS), cells: pids.map(pidText), isNumber: true };
}

function userColumn(processes: readonly Process[], look: ListLook): TextColumn {
  return {
    title: fit("USER"),
    cells: processes.map((process) => fit(userText(process, look.naming))),
  };
}

function pidText(pid: number | undefined): string {
  return (pid === undefined ? "-" : String(pid)).padStart(PID_COLUMNS);
}

function fit(user: string): string {
  return fitToColumns(user, USER_COLUMNS);
}

const UNKNOWN = { text: "?" };

function commandText(process: Process): string {
  // Of other users' processes /proc shows the command line but not the file.
  const binary = terminalText(
    process.binary.text === "" ? process.argv[0] ?? UNKNOWN : process.binary,
  );
  const words = terminalArguments(process.argv);
  return words === "" ? binary : `${binary} ${words}`;
}

const NS_PER_MS = 1_000_000n;

/** "2026-11-21 00:38:09" of the local time zone. */
function startText(timeNs: bigint): string {
  const date = new Date(Number(timeNs / NS_PER_MS));
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
