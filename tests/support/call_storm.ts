/**
 * Processes that fork and call until they are told to end: `workload storm`.
 *
 * @module
 */
import type { TestCgroup } from "./test_cgroup.ts";

/** What each child does. */
export interface StormOptions {
  /** How many calls of prctl(2) it makes. */
  readonly calls: number;
  /** Second argument of each. */
  readonly text: string;
}

const PARENTS = 2;

/** A storm in a cgroup of the test's own. */
export class CallStorm {
  /** Of what all others descend from. */
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #hasEnded = false;

  private constructor(child: Deno.ChildProcess) {
    this.pid = child.pid;
    this.#child = child;
    this.#reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async start(
    program: string,
    cgroup: Pick<TestCgroup, "directory">,
    { calls, text }: StormOptions,
  ): Promise<CallStorm> {
    const script = 'echo $$ >"$0" && exec "$@"';
    const storm = new CallStorm(
      new Deno.Command("/bin/sh", {
        args: [
          ...["-c", script, `${cgroup.directory}/cgroup.procs`, program],
          ...["storm", String(PARENTS), String(calls), text],
        ],
        clearEnv: true,
        ...{ stdin: "piped", stdout: "piped" },
      }).spawn(),
    );
    await storm.#reader.read();
    return storm;
  }

  /** Its processes that are there now, itself first. */
  descendants(): number[] {
    const found = [this.pid];
    for (const pid of found) {
      try {
        const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
        found.push(...children.trim().split(" ").filter((text) => text !== "").map(Number));
      } catch {
        // It has ended meanwhile.
      }
    }
    return found;
  }

  /** Ends it; gives how many children have made their calls. */
  async end(): Promise<number> {
    if (this.#hasEnded) return 0;
    this.#hasEnded = true;
    await this.#child.stdin.close();
    const { value = "" } = await this.#reader.read();
    await this.#reader.cancel();
    const { success } = await this.#child.status;
    if (!success) throw new Error("The storm has failed");
    return Number(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
