/**
 * Cgroups that look like containers of Docker, and what the agent says that they have moved.
 *
 * @module
 */
import assert from "node:assert/strict";
import { TestCgroup, type TestHierarchy } from "../support/test_cgroup.ts";
import { valuesIn } from "./agent_metrics.ts";
import { type ShrikeOptions, shrikePath } from "./shrike_process.ts";

/** One of them. */
export interface TestContainer {
  /** Of the workload: there is no runtime that knows a better one. */
  readonly name: string;
  readonly cgroup: TestCgroup;
}

/** They and a folder with the agent's control socket, for as long as a test runs. */
export class TestContainers {
  readonly folder = Deno.makeTempDirSync({ prefix: "shrike-e2e-" });
  /** Of the agent, and of programs that ask it. */
  readonly options: ShrikeOptions;
  readonly #top: TestCgroup;

  constructor(hierarchy: TestHierarchy) {
    this.#top = new TestCgroup(hierarchy, `/shrike-e2e-${crypto.randomUUID()}`);
    this.options = {
      env: { SHRIKE_CONTROL_SOCKET: `${this.folder}/run/control.sock`, SHRIKE_RUNTIMES: "false" },
    };
  }

  /** @param digit that its id begins with */
  make(digit: string): TestContainer {
    const id = digit + crypto.randomUUID().replaceAll("-", "").repeat(2).slice(1);
    return { name: id.slice(0, 12), cgroup: this.#top.make(`docker-${id}.scope`) };
  }

  [Symbol.dispose](): void {
    this.#top[Symbol.dispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Sums of one direction. */
export interface DirectionSum {
  readonly bytes: number;
  readonly packets: number;
}

/** What a workload has received, of all protocols unless one is named. */
export function receivedIn(text: string, workload?: string, protocol?: string): DirectionSum {
  return sumIn(text, "receive", { workload, protocol });
}

/** What a workload has sent. */
export function sentIn(text: string, workload?: string, protocol?: string): DirectionSum {
  return sumIn(text, "transmit", { workload, protocol });
}

function sumIn(
  text: string,
  direction: "receive" | "transmit",
  wanted: Readonly<Record<string, string | undefined>>,
): DirectionSum {
  const sum = (unit: string) => {
    let total = 0;
    for (const { labels, value } of valuesIn(text, `shrike_network_${direction}_${unit}_total`)) {
      const fits = Object.entries(wanted)
        .every(([name, text]) => text === undefined || labels[name] === text);
      if (fits) total += value;
    }
    return total;
  };
  return { bytes: sum("bytes"), packets: sum("packets") };
}

interface TopLine {
  readonly interval_ns: string;
  readonly workloads: readonly {
    readonly workload?: { readonly name: string };
    readonly bytes_received_per_second: number;
    readonly bytes_sent_per_second: number;
    readonly packets_sent_per_second: number;
  }[];
}

/** What a workload has moved while `shrike top` ran. */
export interface TopSum {
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly packetsSent: number;
}

const TOP_TIMEOUT_MS = 30_000;

/** A running `shrike top -o json`: its rates times its intervals are sums. */
export class TopWatch implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: TopLine[] = [];
  readonly #output: Promise<void>;
  #wake: () => void = () => {};

  private constructor(options: ShrikeOptions) {
    this.#child = new Deno.Command(shrikePath(), {
      args: ["top", "-o", "json", "--interval", "500ms"],
      env: { ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#output = this.#read();
  }

  /** Waits for its first line. */
  static async start(options: ShrikeOptions): Promise<TopWatch> {
    const top = new TopWatch(options);
    await top.#wait(() => top.#lines.length > 0);
    return top;
  }

  /** Waits until what a workload has moved is right. */
  async until(name: string, isRight: (sum: TopSum) => boolean): Promise<TopSum> {
    await this.#wait(() => isRight(this.#sum(name)));
    return this.#sum(name);
  }

  async #wait(isSo: () => boolean): Promise<void> {
    const deadline = performance.now() + TOP_TIMEOUT_MS;
    while (!isSo()) {
      const left = deadline - performance.now();
      assert.ok(left > 0, `shrike top shows it: ${JSON.stringify(this.#lines.at(-1))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => (clearTimeout(timer), resolve());
      });
    }
  }

  #sum(name: string): TopSum {
    const sum = { bytesReceived: 0, bytesSent: 0, packetsSent: 0 };
    for (const { interval_ns, workloads } of this.#lines) {
      const row = workloads.find(({ workload }) => workload?.name === name);
      if (row === undefined) continue;
      const seconds = Number(interval_ns) / 1e9;
      sum.bytesReceived += row.bytes_received_per_second * seconds;
      sum.bytesSent += row.bytes_sent_per_second * seconds;
      sum.packetsSent += row.packets_sent_per_second * seconds;
    }
    return sum;
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#lines.push(JSON.parse(line));
      this.#wake();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#output;
  }
}
