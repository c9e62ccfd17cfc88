/**
 * Aligned columns for people, one line per event, never wider than the terminal.
 *
 * @module
 */
import type { AgentEvent, AmendEvent, CgroupEvent, GapEvent, ProcessEvent } from "../events/mod.ts";
import {
  amendWords,
  cgroupWords,
  eventWord,
  exeWords,
  exitWords,
  gapWords,
} from "./event_words.ts";
import { isProcessEvent } from "./event_kind.ts";
import type { LineEncoder } from "./line_encoder.ts";
import { cutToColumns, fitToColumns } from "./terminal_columns.ts";
import { terminalArguments, terminalString, terminalText } from "./terminal_text.ts";
import { TimeOfDayFormat } from "./timestamp.ts";
import { hostUserName, type UserNaming } from "./user_names.ts";

export interface TableEncoderOptions extends UserNaming {
  /** Columns of the terminal; lines are cut there. Below 80 they are as for 80. */
  readonly columns: number;
  /** Times in UTC, not in the local time zone. */
  readonly utc?: boolean;
}

const COLUMNS_MIN = 80;
const TIME_COLUMNS = 12;
const EVENT_COLUMNS = 5;
/** pid_max is at most 2^22. */
const PID_COLUMNS = 7;
const USER_COLUMNS = 8;
/** Share of BINARY in what the columns before it leave. */
const BINARY_SHARE = 0.4;

/** TIME EVENT PID PPID USER BINARY DETAIL; the header comes once. */
export class TableEncoder implements LineEncoder {
  readonly header: string;
  readonly #options: TableEncoderOptions;
  readonly #times: TimeOfDayFormat;
  readonly #columns: number;
  readonly #binaryColumns: number;

  constructor(options: TableEncoderOptions) {
    this.#options = options;
    this.#times = new TimeOfDayFormat(options.utc ?? false);
    this.#columns = Math.max(COLUMNS_MIN, options.columns);
    const before = TIME_COLUMNS + EVENT_COLUMNS + 2 * PID_COLUMNS + USER_COLUMNS + 5;
    this.#binaryColumns = Math.floor((this.#columns - before - 1) * BINARY_SHARE);
    this.header = this.#line(["TIME", "EVENT", "PID", "PPID", "USER", "BINARY", "DETAIL"]);
  }

  encode(event: AgentEvent): string {
    const time = this.#times.format(event.timeNs);
    const word = eventWord(event);
    if (!isProcessEvent(event)) {
      const words = wordsOf(event);
      const start = `${fitToColumns(time, TIME_COLUMNS)} ${fitToColumns(word, EVENT_COLUMNS)} `;
      return cutToColumns(start + words, this.#columns) + "\n";
    }
    const process = event.subject.process;
    return this.#line([
      time,
      word,
      String(process.tgid),
      event.parent === undefined ? "-" : String(event.parent.process.tgid),
      terminalString(
        hostUserName(process, this.#options) ?? String(process.credentials.euid),
      ),
      terminalText(process.binary),
      detail(event),
    ]);
  }

  #line(cells: readonly [string, string, string, string, string, string, string]): string {
    const [time, word, pid, parentPid, user, binary, rest] = cells;
    const line = [
      fitToColumns(time, TIME_COLUMNS),
      fitToColumns(word, EVENT_COLUMNS),
      fitToColumns(pid, PID_COLUMNS, true),
      fitToColumns(parentPid, PID_COLUMNS, true),
      fitToColumns(user, USER_COLUMNS),
      fitToColumns(binary, this.#binaryColumns),
      rest,
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

function detail(event: ProcessEvent): string {
  const marks = event.marks.length === 0 ? "" : ` (${event.marks.join(", ")})`;
  const process = event.subject.process;
  const words = event.type === "process_exit"
    ? exitWords(event)
    : `${exeWords(process).trimStart()} ${terminalArguments(process.argv)}`.trim();
  return (words + marks).trim();
}
