/**
 * A process of scripts/bench/programs/policy_calls.c in a cgroup, which makes calls when asked.
 *
 * @module
 */
import type { TestCgroup } from "../support/test_cgroup.ts";

/** Calls of a batch and batches, of which the fastest counts. */
export interface CallCount {
  readonly calls: number;
  readonly batches: number;
}

/** Pinned to the last CPU; the one who asks has the others. */
export class PolicyWorkload {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #pending = "";

  constructor(program: string, cgroup: TestCgroup) {
    const cpu = navigator.hardwareConcurrency - 1;
    const script = 'echo $$ >"$0" && exec "$@"';
    this.#child = new Deno.Command("/bin/sh", {
      args: ["-c", script, `${cgroup.directory}/cgroup.procs`, program, String(cpu)],
      ...{ stdin: "piped", stdout: "piped" },
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Nanoseconds of one call that has `path` as argument. */
  async callNs(path: string, { calls, batches }: CallCount): Promise<number> {
    return Number(await this.#ask(`loop ${calls} ${batches} ${path}`)) / calls;
  }

  /** The same of a call that no policy hooks. */
  async otherCallNs({ calls, batches }: CallCount): Promise<number> {
    return Number(await this.#ask(`other ${calls} ${batches}`)) / calls;
  }

  /** Calls with `path` until SIGUSR1 comes: when that was, CLOCK_MONOTONIC. */
  async untilSignal(path: string): Promise<{ readonly signalNs: Promise<bigint> }> {
    if (await this.#ask(`until ${path}`) !== "calling") throw new Error("The workload is mute");
    return { signalNs: this.#line().then(BigInt) };
  }

  /** Calls with paths that have a number where `path` has "%": for how many SIGUSR1 came. */
  async countSignals(count: number, path: string): Promise<number> {
    return Number(await this.#ask(`signals ${count} ${path}`));
  }

  async #ask(line: string): Promise<string> {
    await this.#writer.write(new TextEncoder().encode(`${line}\n`));
    return await this.#line();
  }

  async #line(): Promise<string> {
    while (!this.#pending.includes("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`The workload has ended: ${JSON.stringify(await this.status())}`);
      this.#pending += value;
    }
    const end = this.#pending.indexOf("\n");
    const line = this.#pending.slice(0, end);
    this.#pending = this.#pending.slice(end + 1);
    return line;
  }

  status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#reader.cancel().catch(() => {});
    await this.#child.status;
  }
}
