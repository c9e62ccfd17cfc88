/**
 * One line per event for people.
 *
 * @module
 */
import type {
  AgentEvent,
  FlowEvent,
  Process,
  ProcessEvent,
  Text,
  Workload,
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
import { flowWords, isNetworkFailure, networkWords } from "./network_words.ts";
import { callWords, verdictWords } from "./policy_words.ts";
import { fitToColumns } from "./terminal_columns.ts";
import { signalWords } from "./signal_words.ts";
import { terminalArguments, terminalString, terminalText } from "./terminal_text.ts";
import { TimeOfDayFormat } from "./timestamp.ts";
import { type UserNaming, userText } from "./user_names.ts";
import { workloadWords } from "./workload_words.ts";

export interface CompactEncoderOptions extends UserNaming {
  /** With ANSI colours; `wantsColour()` knows when. */
  readonly colour: boolean;
  /** Times in UTC, not in the local time zone. */
  readonly utc?: boolean;
}

/** ANSI SGR sequences: the only control characters in the output, and never from a process. */
const RESET = "\x1b[0m";
const DIM = "\x1b[2m";
const GREEN = "\x1b[32m";
const YELLOW = "\x1b[33m";
const RED = "\x1b[31m";
const MAGENTA = "\x1b[35m";
const BLUE = "\x1b[34m";
const CYAN = "\x1b[36m";
const ALARM = "\x1b[1;97;41m";

/** Characters of the arguments that are shown; a record may bring 32 KiB of them. */
const ARGUMENTS_LENGTH_MAX = 2048;
const PID_COLUMNS = 7;
const USER_COLUMNS = 8;

/**
 * `TIME exec PID USER BINARY ARGUMENTS <- PARENT[PID] (MARKS) in WORKLOAD`; of policies
 * `TIME lsm! PID USER BINARY HOOK VALUES DENIED by POLICY ...`, of the network
 * `TIME conn PID USER BINARY -> PEER (NAME) PROTOCOL ...`.
 */
export class CompactEncoder implements LineEncoder {
  readonly header = "";
  readonly #options: CompactEncoderOptions;
  readonly #times: TimeOfDayFormat;

  constructor(options: CompactEncoderOptions) {
    this.#options = options;
    this.#times = new TimeOfDayFormat(options.utc ?? false);
  }

  encode(event: AgentEvent): string {
    const time = this.#paint(DIM, this.#times.format(event.timeNs));
    const word = eventWord(event);
    if (event.type === "gap") {
      return `${time} ${this.#paint(ALARM, `${word} ${gapWords(event)}`)}\n`;
    }
    if (event.type === "flow") {
      const start = `${time} ${this.#paint(BLUE, word)} ${this.#actor(event.subject?.process)}`;
      const rest = ` ${flowWords(event)}${this.#marks(event)}${this.#workload(event.workload)}`;
      return `${start}${rest}\n`;
    }
    if (!isProcessEvent(event)) {
      const words = event.type === "amend" ? amendWords(event) : cgroupWords(event);
      return `${time} ${this.#paint(CYAN, word)} ${words}\n`;
    }
    const { process } = event.subject;
    const start = `${time} ${this.#paint(wordColour(event), word)} ${this.#actor(process)}`;
    const { workload } = process;
    return `${start}${this.#rest(event)}${this.#marks(event)}${this.#workload(workload)}\n`;
  }

  /** PID, USER and BINARY. */
  #actor(process: Process | undefined): string {
    if (process === undefined || isNobody(process)) {
      return `${"-".padStart(PID_COLUMNS)} ${"-".padEnd(USER_COLUMNS)} -`;
    }
    const pid = String(process.tgid).padStart(PID_COLUMNS);
    const name = terminalString(userText(process, this.#options));
    const user = fitToColumns(name, USER_COLUMNS);
    return `${pid} ${user} ${terminalText(process.binary)}${exeWords(process)}`;
  }

  #rest(event: ProcessEvent): string {
    if (event.type === "process_exit") {
      const failed = event.status !== 0 || event.signal !== "";
      return " " + this.#paint(failed ? RED : DIM, exitWords(event));
    }
    if (isPolicyEvent(event)) {
      const colour = event.policy.isEnforced ? RED : DIM;
      return ` ${callWords(event)} ${this.#paint(colour, verdictWords(event))}`;
    }
    if (isNetworkEvent(event)) {
      const words = networkWords(event);
      return " " + (isNetworkFailure(event) ? this.#paint(RED, words) : words);
    }
    if (isSignalEvent(event)) return " " + this.#paint(wordColour(event), signalWords(event));
    const words = cutArguments(terminalArguments(event.subject.process.argv));
    const shown = words === "" ? "" : ` ${words}`;
    return shown + this.#parent(event);
  }

  #parent(event: ProcessEvent): string {
    const parent = event.parent?.process;
    if (parent === undefined) return "";
    return " " + this.#paint(DIM, `<- ${baseName(parent.binary)}[${parent.tgid}]`);
  }

  #marks(event: Pick<ProcessEvent | FlowEvent, "marks">): string {
    if (event.marks.length === 0) return "";
    return " " + this.#paint(YELLOW, `(${event.marks.join(", ")})`);
  }

  #workload(workload: Workload): string {
    const words = workloadWords(workload);
    return words === "" ? "" : " " + this.#paint(DIM, `in ${words}`);
  }

  #paint(colour: string, text: string): string {
    return this.#options.colour ? colour + text + RESET : text;
  }
}

/** A socket whose process is not known has one without pid. */
function isNobody({ unknown, tgid }: Process): boolean {
  return unknown && tgid === 0;
}

/** What colour depends on. */
export interface ColourSituation {
  /** Value of the environment variable NO_COLOR. */
  readonly noColor: string | undefined;
  readonly isTerminal: boolean;
}

/** Colours only on a terminal, and not when NO_COLOR has any value but "" (no-color.org). */
export function wantsColour(situation: ColourSituation): boolean {
  return situation.isTerminal && (situation.noColor ?? "") === "";
}

function wordColour(event: ProcessEvent): string {
  switch (event.type) {
    case "process_exec":
      return GREEN;
    case "process_fork":
      return CYAN;
    case "process_exit":
      return YELLOW;
    case "process_connect":
    case "process_accept":
    case "process_listen":
    case "process_close":
    case "process_dns":
      return isNetworkFailure(event) ? RED : BLUE;
    case "process_signal":
      return event.isFatal ? RED : YELLOW;
    case "oom_kill":
      return RED;
    default:
      return event.policy.isEnforced ? RED : MAGENTA;
  }
}

/** Cutting may halve an escape of ours, which is plain ASCII, or a pair, which is put right. */
function cutArguments(text: string): string {
  if (text.length <= ARGUMENTS_LENGTH_MAX) return text;
  const kept = text.slice(0, ARGUMENTS_LENGTH_MAX).replace(/[\ud800-\udbff]$/, "");
  return `${kept}… (${text.length - kept.length} more characters)`;
}

function baseName(path: Text): string {
  const shown = terminalText(path);
  return shown.slice(shown.lastIndexOf("/") + 1);
}
