/**
 * What `shrike top` does.
 *
 * @module
 */
import type { TrafficAnswer } from "../api/mod.ts";
import type { Config } from "../config/mod.ts";
import { agentClient } from "./agent_client.ts";
import { ExitCode } from "./exit_codes.ts";
import { type PageScreen, Screen } from "./screen.ts";
import { FILTER_FLAGS } from "./selection.ts";
import type { TypedSettings } from "./table_options.ts";
import { type Terminal, textLook } from "./terminal.ts";
import { topJson, topLines, type TopPage } from "./top_table.ts";
import { ratesBetween, type TrafficInterval } from "./traffic_rates.ts";
import { loadWorkloadChoice, type WorkloadChoice } from "./workload_choice.ts";

/** Those of the system unless a test has others. */
export interface TopParts {
  openScreen(terminal: Terminal): PageScreen;
  /** Resolves after that time, or as soon as `stopped` does. */
  wait(timeMs: number, stopped: Promise<unknown>): Promise<void>;
}

/** Writes what workloads do until it is stopped, or once. */
export async function showTop(
  typed: TypedSettings,
  terminal: Terminal,
  parts: TopParts = { openScreen: (terminal) => new Screen(terminal), wait },
): Promise<ExitCode> {
  const choice = loadWorkloadChoice(typed, terminal);
  const { config } = choice;
  const client = agentClient(config);
  const first = await client.traffic();
  using signals = terminal.watchSignals(() => Deno.exit(ExitCode.interrupted));
  const isLive = terminal.isStdoutTerminal && !config.isTopOnce && config.topFormat === "table";
  using screen = isLive ? parts.openScreen(terminal) : undefined;
  screen?.show(() => [`The first figures come in ${config.topIntervalMs / 1000} s; q ends`]);
  let isStopped = false;
  const ends = screen === undefined ? [signals.stopped] : [signals.stopped, screen.quit];
  const stopped = Promise.race(ends).then(() => void (isStopped = true));
  const writer = new PageWriter(config, terminal, screen);
  for (let before = first; !isStopped;) {
    await parts.wait(config.topIntervalMs, stopped);
    if (isStopped) break;
    const after = await Promise.race([client.traffic(), stopped]);
    if (after === undefined) break;
    writer.write(pageOf(before, after, choice));
    if (config.isTopOnce) return ExitCode.ok;
    before = after;
  }
  return config.isTopOnce ? ExitCode.interrupted : ExitCode.ok;
}

/** Pages where they belong: over each other, or one after the other. */
class PageWriter {
  readonly #config: Config;
  readonly #terminal: Terminal;
  readonly #screen: PageScreen | undefined;
  #isFirst = true;

  constructor(config: Config, terminal: Terminal, screen: PageScreen | undefined) {
    this.#config = config;
    this.#terminal = terminal;
    this.#screen = screen;
  }

  write(page: TopPage): void {
    const look = textLook(this.#config.color, this.#terminal);
    if (this.#screen !== undefined) {
      this.#screen.show(({ columns }) => topLines(page, { ...look, columns }));
      return;
    }
    const isJson = this.#config.topFormat === "json";
    const text = isJson ? topJson(page) : topLines(page, look).map((line) => `${line}\n`).join("");
    // A blank line between two tables.
    this.#terminal.writeOut(isJson || this.#isFirst ? text : `\n${text}`);
    this.#isFirst = false;
  }
}

function pageOf(
  before: TrafficAnswer,
  { reading, state }: TrafficAnswer,
  { config, isChosen }: WorkloadChoice,
): TopPage {
  const interval = ratesBetween(before.reading, reading);
  const isPicky = config.kinds.length > 0 || WORKLOAD_FLAGS.some((name) => config[name].length > 0);
  const rates = interval.rates.filter(({ traffic: { workload } }) =>
    workload === undefined ? !isPicky : isChosen(workload)
  );
  const chosen: TrafficInterval = { ...interval, rates };
  return { time: new Date(), interval: chosen, sort: config.topSort, state };
}

/** Sums of several workloads fit none of them. */
const WORKLOAD_FLAGS = Object.keys(FILTER_FLAGS) as (keyof typeof FILTER_FLAGS)[];

async function wait(timeMs: number, stopped: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeMs);
  await Promise.race([promise, stopped]);
  clearTimeout(timer);
}
