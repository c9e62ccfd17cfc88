/**
 * The agent's own messages: set up once by the program, written to stderr, one line each.
 *
 * @module
 */
import { configureSync, getLogger, type LogRecord, resetSync } from "@logtape/logtape";

/** Levels as people set them. */
export type LogLevel = "error" | "warn" | "info" | "debug";

/** Where and how messages are written. */
export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  /** journald reads stderr: lines start with `<priority>` and carry no time, it adds its own. */
  readonly isJournal: boolean;
  /** Takes whole lines with their line feed; must not throw. */
  write(text: string): void;
}

/** What rooms are given to log with; the property `hint` says what to do. */
export interface Log {
  error(message: string, properties?: Record<string, unknown>): void;
  warn(message: string, properties?: Record<string, unknown>): void;
  info(message: string, properties?: Record<string, unknown>): void;
  debug(message: string, properties?: Record<string, unknown>): void;
}

/** Levels of LogTape with the word shown and the priority of syslog(3). */
const LEVELS: Readonly<Record<LogRecord["level"], { word: LogLevel; priority: number }>> = {
  fatal: { word: "error", priority: 2 },
  error: { word: "error", priority: 3 },
  warning: { word: "warn", priority: 4 },
  info: { word: "info", priority: 6 },
  debug: { word: "debug", priority: 7 },
  trace: { word: "debug", priority: 7 },
};

/** Longer messages are cut: a line must stay one line of a terminal's scroll back. */
const MESSAGE_LENGTH_MAX = 16_384;

/** Sets the log up for the whole program; a second call replaces the first. */
export function configureLog(options: LogOptions): void {
  const lowestLevel = options.level === "warn" ? "warning" : options.level;
  const withStacks = options.level === "debug";
  const formatRecord = options.format === "json" ? formatJson : formatText;
  const stderr = (record: LogRecord) => {
    const prefix = options.isJournal ? `<${LEVELS[record.level].priority}>` : "";
    options.write(`${prefix}${formatRecord(record, { ...options, withStacks })}\n`);
  };
  configureSync({
    reset: true,
    sinks: { stderr },
    loggers: [
      { category: "shrike", sinks: ["stderr"], lowestLevel },
      // LogTape's own messages: only its failures are of interest.
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "error" },
    ],
  });
}

/** The log of a room, named after its folder. Silent until `configureLog()` was called. */
export function logOf(room: string): Log {
  return getLogger(["shrike", room]);
}

/** Forgets the set-up; for tests. */
export function resetLog(): void {
  resetSync();
}

/**
 * Whether stderr goes to journald: `JOURNAL_STREAM` is the device and inode of the stream that the
 * service manager made, and an inherited variable does not lie when both are compared.
 */
export function isJournalStream(
  journalStream: string | undefined,
  stderr: { readonly dev: number; readonly ino: number | null },
): boolean {
  return journalStream !== undefined && journalStream === `${stderr.dev}:${stderr.ino}`;
}

interface FormatOptions {
  readonly isJournal: boolean;
  readonly withStacks: boolean;
}

function formatText(record: LogRecord, { isJournal, withStacks }: FormatOptions): string {
  const { word } = LEVELS[record.level];
  const time = isJournal ? "" : `${new Date(record.timestamp).toISOString().slice(11, 23)} `;
  const { hint, error } = record.properties;
  let line = `${time}${word} ${roomOf(record)}: ${messageOf(record)}`;
  if (typeof hint === "string") line += `; hint: ${hint}`;
  line = escapeControls(line.slice(0, MESSAGE_LENGTH_MAX));
  if (withStacks && error instanceof Error && error.stack !== undefined) {
    line += `\n${error.stack.split("\n").map(escapeControls).join("\n")}`;
  }
  return line;
}

function formatJson(record: LogRecord, { withStacks }: FormatOptions): string {
  const { hint, ...properties } = record.properties;
  const fields = {
    time: new Date(record.timestamp).toISOString(),
    level: LEVELS[record.level].word,
    room: roomOf(record),
    message: messageOf(record).slice(0, MESSAGE_LENGTH_MAX),
    ...(typeof hint === "string" ? { hint } : {}),
    ...(Object.keys(properties).length === 0 ? {} : { properties }),
  };
  return JSON.stringify(fields, (_, value) => {
    if (typeof value === "bigint") return String(value);
    if (value instanceof Error) {
      const { name, message, stack } = value;
      return withStacks ? { name, message, stack } : { name, message };
    }
    return value;
  });
}

function roomOf({ category }: LogRecord): string {
  return category[0] === "shrike" ? category.slice(1).join(".") : category.join(".");
}

/** The template's text parts with the values between them. */
function messageOf({ message }: LogRecord): string {
  return message.map((part) => {
    if (typeof part === "string") return part;
    if (part instanceof Error) return part.message;
    if (typeof part === "object" && part !== null) return safeJson(part);
    return String(part);
  }).join("");
}

function safeJson(value: object): string {
  try {
    return JSON.stringify(value, (_, item) => typeof item === "bigint" ? String(item) : item);
  } catch {
    return String(value);
  }
}

/**
 * `text` with C0 and C1 controls, line separators and bidirectional marks as `\xNN` or `\uNNNN`:
 * messages name things that processes choose, and a terminal must not obey them.
 */
export function escapeControls(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => {
      const code = character.charCodeAt(0);
      return code <= 0xff
        ? `\\x${code.toString(16).padStart(2, "0")}`
        : `\\u${code.toString(16).padStart(4, "0")}`;
    },
  );
}
