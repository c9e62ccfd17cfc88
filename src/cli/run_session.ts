/**
 * What `shrike run` does: starts the agent, waits for a reason to end, stops it, sums up.
 *
 * @module
 */
import { type Agent, startAgent } from "../agent.ts";
import type { SinkParts } from "../agent_contract.ts";
import { hostRooms } from "../agent_rooms.ts";
import type { Config } from "../config/mod.ts";
import { UserNames } from "../export/mod.ts";
import { Counters, logOf } from "../telemetry/mod.ts";
import { ExitCode } from "./exit_codes.ts";
import { filterChecks } from "./filter_checks.ts";
import { nodeNameOf } from "./node_name.ts";
import { openStdoutSink, outputFormat, stateOf, type StdoutSink } from "./stdout_sink.ts";
import { filtersOf, Selection } from "./selection.ts";
import { loadSettings } from "./settings.ts";
import { formatSummary, type SummaryFigures } from "./summary.ts";
import type { TypedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

const NS_PER_MS = 1_000_000;

/** The process to follow is not there. */
export class NoSuchProcessError extends Error {
  override readonly name = "NoSuchProcessError";
  readonly hint = "give the pid of a running process; shrike ps lists them";

  constructor(readonly pid: number) {
    super(`Cannot follow process "${pid}": there is no such process`);
  }
}

/** Runs the agent in the foreground. */
export async function runAgent(typed: TypedSettings, terminal: Terminal): Promise<ExitCode> {
  terminal.checkOut();
  const counters = new Counters();
  const names = new UserNames({ counters });
  const config = loadSettings(typed, terminal, filterChecks(names));
  if (config.pid !== undefined && !isRunning(config.pid)) throw new NoSuchProcessError(config.pid);
  using signals = terminal.watchSignals(
    () => Deno.exit(ExitCode.interrupted),
    terminal.isStdinTerminal ? undefined : ignoreHangup,
  );
  const isForMachines = outputFormat(config, terminal) === "json";
  const selection = new Selection({
    ...{ counters, filters: filtersOf(config), pid: config.pid, maxEvents: config.maxEvents },
    userId: (name) => names.uidOf(name),
    showForks: config.withForks,
    // Machines need the lineage of what comes and put names to it; people want to see it come.
    showExisting: config.showExisting ?? isForMachines,
    showAmends: isForMachines,
  });
  const nodeName = nodeNameOf(config, terminal.environment);
  const stdout = Promise.withResolvers<StdoutSink>();
  let outlivesOutput = () => true;
  const openSinks = (parts: SinkParts) => {
    const opened = openStdoutSink({
      ...{ ...parts, config, nodeName, selection, names, terminal },
      outlivesOutput: () => outlivesOutput(),
    });
    stdout.resolve(opened);
    return [opened.sink];
  };
  await using agent = await startAgent({
    ...{ config, nodeName, counters, openSinks },
    environment: terminal.environment,
    needsForks: selection.needsForks,
    log: logOf,
  }, hostRooms());
  // A service guards its host also while nobody has given it a policy yet.
  const isService = "NOTIFY_SOCKET" in terminal.environment;
  outlivesOutput = () => isService || agent.policyCount() > 0;
  sayReady(agent, config, terminal);
  const { sink, isReaderGone } = await stdout.promise;
  const { stopped } = signals;
  const reasons = { config, selection, sink, isReaderGone, stopped, outlivesOutput };
  const reason = await waitForEnd(agent, reasons);
  const summary = await agent.stop();
  if (config.showSummary ?? terminal.isStderrTerminal) {
    const lost = withUnwritten(summary.lost, counters);
    const figures = { ...summary, lost, events: selection.counts };
    terminal.writeError(formatSummary({ ...figures, ...absenceOf(agent) }));
  }
  // A pipeline that failed has ended the wait; now that all is put away it may be told.
  await agent.ended;
  const end = await sink.ended;
  if (end.reason === "write_failed") throw new StdoutError(end.error);
  if (reason === "SIGHUP") return ExitCode.hungUp;
  return reason === "output" || end.reason === "reader_gone" ? ExitCode.outputLost : ExitCode.ok;
}

function absenceOf({ ready: { absence } }: Agent): Pick<SummaryFigures, "absence"> {
  if (absence === undefined) return {};
  const { durationNs, forks } = absence;
  return { absence: { durationMs: Number(durationNs) / NS_PER_MS, forks } };
}

/** Adds the events that still waited when stdout was closed: they came too late for a gap event. */
function withUnwritten(
  lost: ReadonlyMap<string, number>,
  counters: Counters,
): ReadonlyMap<string, number> {
  const told = lost.get("sink_queue_full") ?? 0;
  const unwritten = counters.total("shrike_export_dropped_total") - told;
  return unwritten > 0 ? new Map([...lost, ["not_written", unwritten]]) : lost;
}

/** Events cannot be written any more. */
export class StdoutError extends Error {
  override readonly name = "StdoutError";
  readonly hint = "check the disk or the program that reads";

  constructor(cause: unknown) {
    super(`Cannot write events to "stdout": ${stateOf(cause)}`, { cause });
  }
}

interface Reasons extends StdoutSink {
  readonly config: Config;
  readonly selection: Selection;
  readonly stopped: Promise<Deno.Signal>;
  readonly outlivesOutput: () => boolean;
}

/** Time between looks at stdout, ms. */
const READER_INTERVAL_MS = 500;

/**
 * Resolves with the first reason to end, be it a failure. Output that is lost is one only for an
 * agent that does nothing but write.
 */
async function waitForEnd(
  agent: Agent,
  { config: { durationMs }, selection, sink, isReaderGone, stopped, outlivesOutput }: Reasons,
): Promise<Deno.Signal | "output" | "done"> {
  const { promise: ended, resolve } = Promise.withResolvers<"output" | "done">();
  const done = () => resolve("done");
  const duration = durationMs === undefined ? undefined : setTimeout(done, durationMs);
  let isSinkEnded = false;
  let isLossLogged = false;
  let isOver = false;
  const look = () => {
    // The end of the agent ends its output, too: nothing is lost then.
    if (isOver) return;
    if (!isSinkEnded && !isReaderGone()) return;
    if (!outlivesOutput()) return resolve("output");
    if (isLossLogged) return;
    isLossLogged = true;
    logOf("agent").error("Events are not written any more: the reader of stdout is gone", {
      hint: "policies, metrics and the control socket go on; restart the agent with a new output",
    });
  };
  sink.ended.then(() => {
    isSinkEnded = true;
    look();
  });
  const reader = setInterval(look, READER_INTERVAL_MS);
  selection.enough.then(done);
  agent.ended.then(done, done);
  const reason = await Promise.race([stopped, ended]);
  clearTimeout(duration);
  clearInterval(reader);
  isOver = true;
  return reason;
}

/** Until there is something to reload; a service must not go down by it. */
function ignoreHangup(): void {
  logOf("agent").warn("SIGHUP ignored: nothing is reloaded", {
    hint: "restart the agent to read its settings anew; policy files are watched",
  });
}

/** For people who look at the events as they come. */
function sayReady({ ready }: Agent, config: Config, terminal: Terminal): void {
  for (const { sensor, programs, leftOut } of ready.sensors) {
    logOf("agent").info("Sensor {sensor} runs {programs}", {
      sensor,
      programs: programs.join(", "),
      leftOut,
    });
  }
  if (!terminal.isStdoutTerminal || !terminal.isStderrTerminal) return;
  const { cpus, processes } = ready;
  const end = config.durationMs === undefined ? "; Ctrl-C ends" : "";
  terminal.writeError(
    `shrike: watching ${cpus} CPU${
      cpus === 1 ? "" : "s"
    }, ${processes} processes run already${end}\n`,
  );
}

function isRunning(pid: number): boolean {
  try {
    return Deno.statSync(`/proc/${pid}`).isDirectory;
  } catch {
    return false;
  }
}
