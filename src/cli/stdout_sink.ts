/**
 * The sink of `run`: events to stdout in the form that was asked for.
 *
 * @module
 */
import type { SinkParts } from "../agent_contract.ts";
import { openReaderPoll, openWritePoll } from "../agent_rooms.ts";
import type { Config } from "../config/mod.ts";
import {
  CompactEncoder,
  JsonEncoder,
  type LineEncoder,
  openStdoutWriter,
  StreamSink,
  TableEncoder,
  type UserNames,
} from "../export/mod.ts";
import { readHostNamespaces } from "../host.ts";
import type { Selection } from "./selection.ts";
import { logOf } from "../telemetry/mod.ts";
import { type Terminal, wantsColor } from "./terminal.ts";

/** What the sink is made with. */
export interface StdoutSinkOptions extends SinkParts {
  readonly config: Config;
  readonly nodeName: string;
  readonly selection: Selection;
  readonly names: UserNames;
  readonly terminal: Terminal;
  /** Whether the agent goes on when events cannot be written, so that writing is tried again. */
  readonly outlivesOutput: () => boolean;
}

/** The sink and what else is known of stdout, valid while the agent runs. */
export interface StdoutSink {
  /** Closed by the agent. */
  readonly sink: StreamSink;
  /** Whether nobody reads any more, told without writing. */
  isReaderGone(): boolean;
}

/** Opens stdout. */
export function openStdoutSink(options: StdoutSinkOptions): StdoutSink {
  const { libc, config, selection, counters, losses, clock } = options;
  const sink = new StreamSink({
    ...{ name: "stdout", counters, losses, clock, filter: selection },
    writer: openStdoutWriter({
      stdout: Deno.stdout,
      pollWritable: openWritePoll(libc, STDOUT_FD),
      writeFile: (bytes) => libc.writeFile(STDOUT_FD, bytes),
    }),
    encoder: makeEncoder(options),
    queueSizeMax: config.queueSize,
    onWriteFailed: (error) => reportFailedWrite(error, options.outlivesOutput()),
    onWriteWorks: () => logOf("agent").info("Events are written to stdout again"),
  });
  return { sink, isReaderGone: openReaderPoll(libc, STDOUT_FD) };
}

/** The log of the same failure, at most once in this time, ms. */
const LOG_INTERVAL_MS = 60_000;
let loggedMs = -Infinity;

function reportFailedWrite(error: unknown, isTriedAgain: boolean): boolean {
  if (isTriedAgain && performance.now() - loggedMs >= LOG_INTERVAL_MS) {
    loggedMs = performance.now();
    const state = stateOf(error);
    logOf("agent").error('Cannot write events to "stdout": {state}, trying again', {
      state,
      hint: "free the disk; events that do not fit the queue are lost and counted",
    });
  }
  return isTriedAgain;
}

/** What an error of a write says, without what was tried. */
export function stateOf(error: unknown): string {
  const { state, message } = error as { readonly state?: string; readonly message?: string };
  return state ?? message ?? String(error);
}

const STDOUT_FD = 1;

/** The form that was asked for, or the one that suits who reads. */
export function outputFormat(config: Config, { isStdoutTerminal }: Terminal): OutputFormat {
  return config.format ?? (isStdoutTerminal ? "compact" : "json");
}

type OutputFormat = NonNullable<Config["format"]>;

/** People get names of users in every form, machines only when they ask. */
function makeEncoder({ config, terminal, names, nodeName }: StdoutSinkOptions): LineEncoder {
  const { isStdoutTerminal, environment } = terminal;
  const hostNamespaces = readHostNamespaces();
  const naming = { hostNamespaces, userName: (uid: number) => names.nameOf(uid) };
  switch (outputFormat(config, terminal)) {
    case "compact":
      return new CompactEncoder({
        ...naming,
        colour: wantsColor(config.color, isStdoutTerminal, environment),
      });
    case "table":
      return new TableEncoder({ ...naming, columns: terminal.columns() });
    case "json":
      return new JsonEncoder({
        ...(config.usernames === "unix" ? naming : { hostNamespaces }),
        nodeName,
        enableProcessCred: config.withCredentials,
        enableProcessNs: config.withNamespaces,
      });
  }
}
