/**
 * A network that only a test uses, and programs in it.
 *
 * @module
 */
import type { TestCgroup } from "../support/test_cgroup.ts";

const CLIENT = new URL("network_client.ts", import.meta.url).pathname;
/** A program starts in well under a second; a loaded machine may take its time. */
const LINE_TIMEOUT_MS = 20_000;

/** How a program is started. */
export interface ProgramOptions {
  /** From its first image on, with a mount namespace of its own as a container has. */
  readonly cgroup?: TestCgroup;
}

/** A running program, whose output is read by lines. Disposing ends it. */
export class NetworkProgram implements AsyncDisposable {
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<void>[];
  #text = "";
  #isOver = false;
  #wake: () => void = () => {};

  constructor(child: Deno.ChildProcess) {
    this.pid = child.pid;
    this.#child = child;
    this.#output = [child.stdout, child.stderr].map((stream) => this.#read(stream));
    void Promise.all(this.#output).then(() => {
      this.#isOver = true;
      this.#wake();
    });
  }

  /** Waits for a line that matches. */
  async line(pattern: RegExp): Promise<string> {
    const deadline = performance.now() + LINE_TIMEOUT_MS;
    for (;;) {
      const line = this.#text.split("\n").slice(0, -1).find((line) => pattern.test(line));
      if (line !== undefined) return line;
      const left = deadline - performance.now();
      if (this.#isOver || left <= 0) {
        throw new Error(`Cannot find ${pattern} in what was said: ${this.#text}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => (clearTimeout(timer), resolve());
      });
    }
  }

  /** Closes its input and waits for the end. @throws {Error} it failed. */
  async finish(): Promise<string> {
    await this.#child.stdin.close().catch(() => {});
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), LINE_TIMEOUT_MS);
    const { code, signal } = await this.#child.status;
    clearTimeout(timer);
    await Promise.all(this.#output);
    if (code !== 0) throw new Error(`It ended with ${signal ?? code}: ${this.#text}`);
    return this.#text;
  }

  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#child.stdin.close().catch(() => {});
    await this.#child.status;
    await Promise.all(this.#output);
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#text += text;
      this.#wake();
    }
  }
}

/** A network namespace with nothing but loopback. It is gone with its last process. */
export class TestNetwork implements AsyncDisposable {
  readonly #holder: NetworkProgram;

  private constructor(holder: NetworkProgram) {
    this.#holder = holder;
  }

  /** @param setup commands of a shell that are run in it first */
  static async make(setup = ""): Promise<TestNetwork> {
    const script = `ip link set lo up && ${setup || "true"} && echo made && exec cat`;
    const holder = new NetworkProgram(spawn("unshare", ["--net", "/bin/sh", "-c", script]));
    try {
      await holder.line(/^made$/);
    } catch (error) {
      await holder[Symbol.asyncDispose]();
      throw error;
    }
    return new TestNetwork(holder);
  }

  /** Starts a program in it. */
  start(program: string, args: readonly string[], options: ProgramOptions = {}): NetworkProgram {
    const enter = ["nsenter", `--net=/proc/${this.#holder.pid}/ns/net`];
    const { cgroup } = options;
    if (cgroup === undefined) {
      return new NetworkProgram(spawn(enter[0]!, [...enter.slice(1), program, ...args]));
    }
    // A program of the host's mount namespace is a visitor in the cgroup of a container.
    const words = [...enter, "unshare", "--mount", program, ...args];
    const join = 'echo $$ >"$0" && exec "$@"';
    const procs = `${cgroup.directory}/cgroup.procs`;
    return new NetworkProgram(spawn("/bin/sh", ["-c", join, procs, ...words]));
  }

  /** Starts what `network_client.ts` does. */
  client(args: readonly (string | number)[], options: ProgramOptions = {}): NetworkProgram {
    const words = ["run", "-A", "--no-check", CLIENT, ...args.map(String)];
    return this.start(Deno.execPath(), words, options);
  }

  /** Runs a program to its end. */
  async run(program: string, ...args: string[]): Promise<string> {
    await using child = this.start(program, args);
    return await child.finish();
  }

  /** Bytes and packets of loopback, which receives what it sends. */
  async loopback(): Promise<{ readonly bytes: number; readonly packets: number }> {
    const text = await this.run("cat", "/proc/net/dev");
    const [, bytes, packets] = /^ *lo: *(\d+) +(\d+)/m.exec(text)!;
    return { bytes: Number(bytes), packets: Number(packets) };
  }

  /** Counters of TCP and IP by their names, as `nstat` shows them. */
  async counters(): Promise<Map<string, number>> {
    const text = await this.run("nstat", "-asz");
    return new Map(
      Array.from(
        text.matchAll(/^(\w+) +(\d+) /gm),
        ([, name = "", value]) => [name, Number(value)],
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder[Symbol.asyncDispose]();
  }
}

function spawn(program: string, args: readonly string[]): Deno.ChildProcess {
  const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  return new Deno.Command(program, { args: [...args], ...pipes }).spawn();
}

/** Path of a program; undefined when it is not installed. */
export function programPath(name: string): string | undefined {
  return ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map((folder) => `${folder}/${name}`)
    .find((path) => {
      try {
        return Deno.statSync(path).isFile;
      } catch {
        return false;
      }
    });
}
