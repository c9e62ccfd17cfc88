/**
 * Aligned columns for people, one line per event, never wider than the terminal.
 *
 * @module
 */
import type {
  AgentEvent,
  AmendEvent,
  CgroupEvent,
  FlowEvent,
  GapEvent,
  ProcessEvent,
} from "../events/mod.ts";
import {
  amendWords,
  cgroupWords,
  eventWord,
  exeWords,
  exitWords,
  gapWords,
} from "./event_words.ts";
import { isNetworkEvent, isPolicyEvent, isProcessEvent, isSignalEvent } from "./event_kind.ts";
import type { LineEncoder } from "./line_encoder.ts";
import { flowWords, networkWords } from "./network_words.ts";
import { callWords, verdictWords } from "./policy_words.ts";
import { signalWords } from "./signal_words.ts";
import { cutToColumns, fitToColumns } from "./terminal_columns.ts";
import { terminalArguments, terminalString, terminalText } from "./terminal_text.ts";
import { TimeOfDayFormat } from "./timestamp.ts";
import { type UserNaming, userText } from "./user_names.ts";
import { workloadCell } from "./workload_words.ts";

export interface TableEncoderOptions extends UserNaming {
  /** Columns of the terminal; lines are cut there. Below 80 they are as for 80. */
  readonly columns: number;
  /** Times in UTC, not in the local time zone. */
  readonly utc?: boolean;
}

const COLUMNS_MIN = 80;
/** Narrower tables have no PPID, so that a short container id fits under WORKLOAD. */
const PARENT_COLUMNS_MIN = 100;
/** `HH:MM:SS.mmm`. */
const TIME_COLUMNS = 12;
const EVENT_COLUMNS = 5;
/** pid_max is at most 2^22. */
const PID_COLUMNS = 7;
const USER_COLUMNS = 8;
/** Shares of BINARY and WORKLOAD in what the columns before leave. */
const BINARY_SHARE = 0.33;
const WORKLOAD_SHARE = 0.29;

/** What stands in a row. */
interface Cells {
  readonly time: string;
  readonly word: string;
  readonly pid: string;
  readonly parentPid: string;
  readonly user: string;
  readonly binary: string;
  readonly workload: string;
  readonly detail: string;
}

/** TIME EVENT PID PPID USER BINARY WORKLOAD DETAIL; the header comes once. */
export class TableEncoder implements LineEncoder {
  readonly header: string;
  readonly #options: TableEncoderOptions;
  readonly #times: TimeOfDayFormat;
  readonly #columns: number;
  readonly #withParent: boolean;
  readonly #binaryColumns: number;
  readonly #workloadColumns: number;

  constructor(options: TableEncoderOptions) {
    this.#options = options;
    this.#times = new TimeOfDayFormat(options.utc ?? false);
    this.#columns = Math.max(COLUMNS_MIN, options.columns);
    this.#withParent = this.#columns >= PARENT_COLUMNS_MIN;
    const pids = this.#withParent ? 2 * (PID_COLUMNS + 1) : PID_COLUMNS + 1;
    const before = TIME_COLUMNS + 1 + EVENT_COLUMNS + 1 + pids + USER_COLUMNS + 1;
    // Two spaces stand between the last three.
    const left = this.#columns - before - 2;
    this.#binaryColumns = Math.floor(left * BINARY_SHARE);
    this.#workloadColumns = Math.floor(left * WORKLOAD_SHARE);
    this.header = this.#line({
      ...{ time: "TIME", word: "EVENT", pid: "PID", parentPid: "PPID", user: "USER" },
      ...{ binary: "BINARY", workload: "WORKLOAD", detail: "DETAIL" },
    });
  }

  encode(event: AgentEvent): string {
    const time = this.#times.format(event.timeNs);
    const word = eventWord(event);
    if (!isProcessEvent(event) && event.type !== "flow") {
      const words = wordsOf(event);
      const start = `${fitToColumns(time, TIME_COLUMNS)} ${fitToColumns(word, EVENT_COLUMNS)} `;
      return cutToColumns(start + words, this.#columns) + "\n";
    }
    return this.#line({ time, word, ...this.#actor(event), detail: detail(event) });
  }

  /** Of flows the process may be missing, and the workload is that of now. */
  #actor(event: ProcessEvent | FlowEvent): Omit<Cells, "time" | "word" | "detail"> {
    const parentPid = String(event.parent?.process.tgid ?? "-");
    const process = event.subject?.process;
    if (process === undefined) {
      const workload = event.type === "flow" ? workloadCell(event.workload) : "-";
      return { pid: "-", parentPid, user: "-", binary: "-", workload };
    }
    return {
      pid: String(process.tgid),
      parentPid,
      user: terminalString(userText(process, this.#options)),
      binary: terminalText(process.binary),
      workload: workloadCell(event.type === "flow" ? event.workload : process.workload),
    };
  }

  #line(cells: Cells): string {
    const line = [
      fitToColumns(cells.time, TIME_COLUMNS),
      fitToColumns(cells.word, EVENT_COLUMNS),
      fitToColumns(cells.pid, PID_COLUMNS, true),
      ...(this.#withParent ? [fitToColumns(cells.parentPid, PID_COLUMNS, true)] : []),
      fitToColumns(cells.user, USER_COLUMNS),
      fitToColumns(cells.binary, this.#binaryColumns),
      fitToColumns(cells.workload, this.#workloadColumns),
      cells.detail,
    ].join(" ");
    return cutToColumns(line, this.#columns).trimEnd() + "\n";
  }
}

function wordsOf(event: CgroupEvent | AmendEvent | GapEvent): string {
  switch (event.type) {
    case "gap":
      return gapWords(event);
    case "amend":
      return amendWords(event);
    default:
      return cgroupWords(event);
  }
}

function detail(event: ProcessEvent | FlowEvent): string {
  const marks = event.marks.length === 0 ? "" : ` (${event.marks.join(", ")})`;
  return (detailWords(event) + marks).trim();
}

/** The verdict comes first: a path may be longer than the column. */
function detailWords(event: ProcessEvent | FlowEvent): string {
  if (isPolicyEvent(event)) return `${verdictWords(event)} ${callWords(event)}`;
  if (event.type === "process_exit") return exitWords(event);
  if (event.type === "flow") return flowWords(event);
  if (isNetworkEvent(event)) return networkWords(event);
  if (isSignalEvent(event)) return signalWords(event);
  const { process } = event.subject;
  return `${exeWords(process).trimStart()} ${terminalArguments(process.argv)}`.trim();
}
