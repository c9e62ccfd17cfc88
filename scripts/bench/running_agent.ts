/**
 * The executable under measurement, started for one bench and stopped after it.
 *
 * @module
 */
import { join } from "node:path";
import { type BenchContext, BenchError } from "./bench.ts";
import { runTool } from "../build/run_tool.ts";
import { isExitOf } from "./event_lines.ts";

const LIVE_DEADLINE_MS = 30_000;
const FENCE_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 15_000;
/** Between two looks at the output file: short beside what is waited for, long beside a look. */
const LOOK_INTERVAL_MS = 10;
const NEWLINE = 10;

/** What a storm program prints. */
export interface StormRun {
  readonly pid: number;
  readonly execs: number;
  readonly wallNs: number;
  /** CPU time of the program and its children. */
  readonly cpuNs: number;
}

/** How the agent is run. */
export interface RunningAgentOptions {
  /** Through `arrival`, which stamps each piece of output in the file `stamps`. */
  readonly stamped?: boolean;
  readonly args?: readonly string[];
}

/** Runs the program `storm` to its end. */
export async function runStorm(
  context: BenchContext,
  child: string,
  count: number,
  ...more: readonly string[]
): Promise<StormRun> {
  const output = await runTool(context.programs.storm, [child, String(count), ...more]);
  return JSON.parse(output) as StormRun;
}

/** `shrike run -o json` with its output in a file in memory. */
export class RunningAgent {
  readonly output: string;
  readonly stamps: string;
  readonly #errors: string;
  readonly #process: Deno.ChildProcess;
  readonly #context: BenchContext;
  #pid: number;
  #offset = 0;

  private constructor(
    context: BenchContext,
    process: Deno.ChildProcess,
    paths: { output: string; stamps: string; errors: string },
  ) {
    this.#context = context;
    this.#process = process;
    this.#pid = process.pid;
    this.output = paths.output;
    this.stamps = paths.stamps;
    this.#errors = paths.errors;
  }

  /** Process id of the agent itself. */
  get pid(): number {
    return this.#pid;
  }

  /**
   * Starts the agent; returns before it is ready. Ended by `stop()` or `kill()`.
   *
   * @throws {BenchError} the executable is not there.
   */
  static async start(
    context: BenchContext,
    options: RunningAgentOptions = {},
  ): Promise<RunningAgent> {
    try {
      await Deno.stat(context.agent);
    } catch {
      throw new BenchError(`Cannot run "${context.agent}": no such file`, "run `deno task build`");
    }
    const folder = await Deno.makeTempDir({ dir: context.scratch });
    const paths = {
      output: join(folder, "events.json"),
      stamps: join(folder, "stamps"),
      errors: join(folder, "stderr"),
    };
    const command = [context.agent, "run", "-o", "json", ...options.args ?? []];
    const stamped = options.stamped ?? false;
    // exec keeps the pid, so without `arrival` the shell's pid becomes the agent's.
    const script = stamped ? 'exec "$@" 2>"$0"' : 'o=$1; shift; exec "$@" >"$o" 2>"$0"';
    const process = new Deno.Command("/bin/sh", {
      args: [
        "-c",
        script,
        paths.errors,
        ...(stamped ? [context.programs.arrival, paths.output, paths.stamps] : [paths.output]),
        ...command,
      ],
      stdin: "null",
      stdout: stamped ? "piped" : "null",
      stderr: "null",
    }).spawn();
    const agent = new RunningAgent(context, process, paths);
    if (stamped) await agent.#readPid();
    return agent;
  }

  /**
   * Waits until the agent shows an exec that happened after its start.
   *
   * @throws {BenchError} it ended, or is not there in time.
   */
  async waitUntilLive(): Promise<void> {
    const deadline = performance.now() + LIVE_DEADLINE_MS;
    const fences = new Set<number>();
    while (performance.now() < deadline) {
      fences.add((await runStorm(this.#context, this.#context.programs.fenceChild, 1)).pid);
      await this.#pause();
      for (const line of await this.takeLines()) {
        for (const pid of fences) {
          if (isExitOf(line, pid, this.#context.programs.fenceChild)) return;
        }
      }
    }
    throw await this.#error("no live event", LIVE_DEADLINE_MS);
  }

  /**
   * Runs one more process and waits until its exit has come: events are in order, so all events of
   * what ran before are in the output then.
   *
   * @returns the lines since the last call.
   * @throws {BenchError} the agent ended, or the exit does not come in time.
   */
  async linesUntilFence(): Promise<string[]> {
    const child = this.#context.programs.fenceChild;
    const { pid } = await runStorm(this.#context, child, 1);
    const deadline = performance.now() + FENCE_DEADLINE_MS;
    const lines: string[] = [];
    while (performance.now() < deadline) {
      const more = await this.takeLines();
      lines.push(...more);
      if (more.some((line) => isExitOf(line, pid, child))) return lines;
      await this.#pause();
    }
    throw await this.#error("the exit of the last process is missing", FENCE_DEADLINE_MS);
  }

  /**
   * The whole lines that were written since the last call.
   *
   * @param sizeMax bytes to read at most; where there are more, the next call gives what follows
   */
  async takeLines(sizeMax = Infinity): Promise<string[]> {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(this.output);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
    using output = file;
    await output.seek(this.#offset, Deno.SeekMode.Start);
    const size = Math.min((await output.stat()).size - this.#offset, sizeMax);
    if (size <= 0) return [];
    const bytes = new Uint8Array(size);
    const read = await output.read(bytes) ?? 0;
    const end = bytes.subarray(0, read).lastIndexOf(NEWLINE) + 1;
    this.#offset += end;
    return new TextDecoder().decode(bytes.subarray(0, end)).split("\n").slice(0, -1);
  }

  /**
   * Ends the agent as Ctrl-C does and removes nothing: its files stay until the run is over.
   *
   * @param deadlineMs longer where it has much to write before it ends
   * @throws {BenchError} it does not end in time (it is killed then), or not with success.
   */
  async stop(deadlineMs = STOP_DEADLINE_MS): Promise<void> {
    Deno.kill(this.#process.pid, "SIGINT");
    const late = setTimeout(() => Deno.kill(this.#pid, "SIGKILL"), deadlineMs);
    const status = await this.#process.status;
    clearTimeout(late);
    if (!status.success) {
      throw await this.#error(`it ended with exit code ${status.code}`, 0);
    }
  }

  /** Ends the agent at once; for the way out after an error. */
  async kill(): Promise<void> {
    for (const pid of new Set([this.#pid, this.#process.pid])) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    await this.#process.status;
  }

  async #readPid(): Promise<void> {
    const reader = this.#process.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    await this.#process.stdout.cancel();
    this.#pid = (JSON.parse(new TextDecoder().decode(value)) as { pid: number }).pid;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
  }

  async #error(state: string, waitedMs: number): Promise<BenchError> {
    const errors = await Deno.readTextFile(this.#errors).catch(() => "");
    const waited = waitedMs > 0 ? ` after ${waitedMs / 1000} s` : "";
    return new BenchError(
      `Cannot measure "${this.#context.agent}": ${state}${waited}`,
      errors.trim() === "" ? "the agent wrote nothing to stderr" : `it wrote: ${errors.trim()}`,
    );
  }
}
