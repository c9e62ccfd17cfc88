/**
 * Process trees as text for people.
 *
 * @module
 */
import type { Process } from "../events/mod.ts";
import {
  cutToColumns,
  fitToColumns,
  hostUserName,
  terminalArguments,
  terminalText,
  type UserNaming,
} from "../export/mod.ts";
import type { ProcessTree } from "../host.ts";

/** How lists look. */
export interface ListLook {
  readonly naming: UserNaming;
  readonly color: boolean;
  /** Lines are cut here; uncut without it. */
  readonly columns?: number;
}

const DIM = "\x1b[2m";
const RESET = "\x1b[0m";
/** pid_max is at most 2^22. */
const PID_COLUMNS = 7;
const USER_COLUMNS = 8;
/** Deeper processes stand below each other: chains of thousands exist, screens that wide do not. */
const INDENT_MAX = 192;

/** A node and the text that draws the tree before it. */
interface Row {
  readonly tree: ProcessTree;
  readonly branch: string;
}

/** PID, USER, EXEC_ID, then the commands as a tree. */
export function formatTree(roots: readonly ProcessTree[], look: ListLook): string {
  const rows = treeRows(roots);
  const idColumns = execIdColumns(rows);
  const lines = rows.map(({ tree: { process }, branch }) => ({
    before: [
      pidText(process.tgid),
      userText(process, look),
      process.execId.padEnd(idColumns),
    ],
    after: branch + commandText(process),
  }));
  return joinLines(["PID".padStart(PID_COLUMNS), fit("USER"), "EXEC_ID".padEnd(idColumns)], {
    title: "COMMAND",
    lines,
    look,
  });
}

/** One line per process with its parent's pid and start time, by pid. */
export function formatTable(roots: readonly ProcessTree[], look: ListLook): string {
  const rows = treeRows(roots);
  const idColumns = execIdColumns(rows);
  const pids = new Map(rows.map(({ tree: { process } }) => [process.execId, process.tgid]));
  const lines = rows.map(({ tree: { process } }) => process)
    .sort((a, b) => a.tgid - b.tgid)
    .map((process) => ({
      before: [
        pidText(process.tgid),
        pidText(pids.get(process.parentExecId)),
        userText(process, look),
        startText(process.startTimeNs),
        process.execId.padEnd(idColumns),
      ],
      after: commandText(process),
    }));
  const titles = [
    "PID".padStart(PID_COLUMNS),
    "PPID".padStart(PID_COLUMNS),
    fit("USER"),
    "START".padEnd(START_COLUMNS),
    "EXEC_ID".padEnd(idColumns),
  ];
  return joinLines(titles, { title: "COMMAND", lines, look });
}

/** Rows parents first, each with its branch. Without recursion: chains may be very long. */
function treeRows(roots: readonly ProcessTree[]): Row[] {
  const rows: Row[] = [];
  const waiting = roots.toReversed().map((tree) => ({ tree, branch: "", indent: "" }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { tree, branch, indent } = next;
    rows.push({ tree, branch });
    const last = tree.children.length - 1;
    for (let at = last; at >= 0; at--) {
      const isDrawn = indent.length < INDENT_MAX;
      waiting.push({
        tree: tree.children[at]!,
        branch: indent + (at === last ? "└─ " : "├─ "),
        indent: isDrawn ? indent + (at === last ? "   " : "│  ") : indent,
      });
    }
  }
  return rows;
}

function execIdColumns(rows: readonly Row[]): number {
  return rows.reduce((most, { tree }) => Math.max(most, tree.process.execId.length), 7);
}

function pidText(pid: number | undefined): string {
  return (pid === undefined ? "-" : String(pid)).padStart(PID_COLUMNS);
}

function userText(process: Process, { naming }: ListLook): string {
  return fit(hostUserName(process, naming) ?? String(process.credentials.euid));
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

/** "2026-11-21 00:38:09" of the local time zone. */
const START_COLUMNS = 19;
const NS_PER_MS = 1_000_000n;

function startText(timeNs: bigint): string {
  const date = new Date(Number(timeNs / NS_PER_MS));
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

interface List {
  readonly title: string;
  readonly lines: readonly { readonly before: readonly string[]; readonly after: string }[];
  readonly look: ListLook;
}

function joinLines(titles: readonly string[], { title, lines, look }: List): string {
  const { color, columns } = look;
  const cut = (text: string) => columns === undefined ? text : cutToColumns(text, columns);
  const paint = (text: string) => color ? `${DIM}${text}${RESET}` : text;
  const texts = lines.map(({ before, after }) => {
    const start = `${before.join(" ")} `;
    // Cut first: an escape sequence takes no column.
    const line = cut(start + after);
    return color ? paint(line.slice(0, start.length)) + line.slice(start.length) : line;
  });
  return `${[paint(cut(`${titles.join(" ")} ${title}`)), ...texts].join("\n")}\n`;
}
