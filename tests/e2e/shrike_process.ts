/**
 * Drives the executable as a user would: arguments in, lines out.
 *
 * @module
 */
import { type EventJson, execWith } from "./event_json.ts";
import { openWorkspace } from "../../scripts/build/workspace.ts";

/** Path of the executable under test; SHRIKE_BIN names another. */
export function shrikePath(): string {
  return Deno.env.get("SHRIKE_BIN") ?? `${openWorkspace().dist}/shrike`;
}

/** The agent starts in well under a second; a loaded machine may take its time. */
const READY_TIMEOUT_MS = 20_000;
/** From an event in the kernel to its line. */
const EVENT_TIMEOUT_MS = 10_000;
/** From a signal to the end of the process. */
const END_TIMEOUT_MS = 10_000;
/** Time that a program run to see whether the agent sees it has before the next one is run. */
const CANARY_INTERVAL_MS = 100;

/** Surroundings of the executable. */
export interface ShrikeOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Program that starts the executable, with its arguments, such as setpriv. */
  readonly wrapper?: readonly string[];
}

/** How an executable ended. */
export interface ShrikeEnd {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the executable to its end. */
export async function runShrike(
  args: readonly string[],
  options: ShrikeOptions = {},
): Promise<ShrikeEnd> {
  const child = spawnShrike(args, options);
  const timer = setTimeout(() => child.kill("SIGKILL"), READY_TIMEOUT_MS + END_TIMEOUT_MS);
  const { code, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decoder = new TextDecoder();
  return { code, signal, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A `shrike run -o json` that is running. Dispose it, and it is gone. */
export class RunningShrike implements AsyncDisposable {
  readonly pid: number;
  /** All events so far, in the order of the lines. */
  readonly events: EventJson[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<void>;
  readonly #errors: Promise<string>;
  #ended = false;
  #failure: unknown = null;
  /** Called on new events and at the end, one for each who waits. */
  readonly #waiters = new Set<() => void>();

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.pid = child.pid;
    this.#errors = new Response(child.stderr).text();
    this.#output = this.#readEvents();
  }

  /** Starts the agent and waits until it sees what runs. `args` come after `run -o json`. */
  static async start(
    args: readonly string[] = [],
    options: ShrikeOptions = {},
  ): Promise<RunningShrike> {
    const shrike = RunningShrike.spawn(args, options);
    try {
      await shrike.seeCanary();
      return shrike;
    } catch (error) {
      await shrike[Symbol.asyncDispose]();
      throw new Error(`Cannot start the agent: ${await shrike.#errors}`, { cause: error });
    }
  }

  /** Starts the agent without waiting. */
  static spawn(args: readonly string[], options: ShrikeOptions = {}): RunningShrike {
    return new RunningShrike(spawnShrike(["run", "-o", "json", ...args], options));
  }

  /**
   * Runs `run` again and again until the agent shows what it ran.
   *
   * @param run starts a program with the argument it is given
   */
  async seeCanary(run: (argument: string) => Promise<unknown> = runTrue): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      const argument = `canary-${crypto.randomUUID()}`;
      await run(argument);
      const found = await this.#find(execWith(argument), CANARY_INTERVAL_MS);
      if (found !== null) return;
      if (this.#ended || performance.now() > deadline) {
        throw new Error(`Cannot see what runs: ${this.events.length} other events came`);
      }
    }
  }

  /** The first event, come or to come, that `matches`. */
  async waitFor(matches: (event: EventJson) => boolean, what: string): Promise<EventJson> {
    const found = await this.#find(matches, EVENT_TIMEOUT_MS);
    if (found !== null) return found;
    const state = this.#ended ? `, and the agent has ended: ${await this.#errors}` : "";
    throw new Error(`Cannot find ${what} among ${this.events.length} events${state}`);
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for the end, after `signal` when one is given. */
  async end(signal?: Deno.Signal): Promise<ShrikeEnd> {
    if (signal !== undefined) this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), END_TIMEOUT_MS);
    const status = await this.#child.status;
    clearTimeout(timer);
    await this.#output;
    if (this.#failure !== null) throw this.#failure;
    const stderr = await this.#errors;
    return { code: status.code, signal: status.signal, stdout: "", stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) {
      // A stopped process ends by nothing else.
      try {
        this.#child.kill("SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    await this.#child.status;
    await this.#output;
    await this.#errors;
  }

  #find(matches: (event: EventJson) => boolean, timeoutMs: number): Promise<EventJson | null> {
    let next = 0;
    return new Promise((resolve) => {
      const finish = (event: EventJson | null) => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        resolve(event);
      };
      const timer = setTimeout(() => finish(null), timeoutMs);
      const look = () => {
        for (; next < this.events.length; next += 1) {
          const event = this.events[next]!;
          if (matches(event)) return finish(event);
        }
        if (this.#ended) finish(null);
      };
      this.#waiters.add(look);
      look();
    });
  }

  #wake(): void {
    for (const look of this.#waiters) look();
  }

  async #readEvents(): Promise<void> {
    let rest = "";
    try {
      for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.events.push(JSON.parse(line));
        this.#wake();
      }
      if (rest !== "") throw new Error(`Cannot read last line: it is not whole: ${rest}`);
    } catch (error) {
      this.#failure = error;
    }
    this.#ended = true;
    this.#wake();
  }
}

/** Runs a program that does nothing, with `argument` to know it by. */
export async function runTrue(argument: string): Promise<void> {
  await new Deno.Command("/bin/true", { args: [argument] }).output();
}

/** A new argument that nothing else on this machine uses. */
export function makeMark(name: string): string {
  return `${name}-${crypto.randomUUID()}`;
}

const ENVIRONMENT = {
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  // This machine may have an agent already, which is asked there and has policies of its own.
  SHRIKE_CONTROL_SOCKET: "off",
  SHRIKE_POLICY_DIR: "off",
  SHRIKE_POLICY_PERSIST_DIR: "off",
};

function spawnShrike(args: readonly string[], options: ShrikeOptions): Deno.ChildProcess {
  const [program = "", ...rest] = [...options.wrapper ?? [], shrikePath(), ...args];
  return new Deno.Command(program, {
    args: rest,
    // A user's settings must not decide whether a test passes.
    clearEnv: true,
    env: { ...ENVIRONMENT, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}
