/**
 * A process that makes the system calls a test asks for: `workload calls`.
 *
 * @module
 */
import { type Architecture, syscallNumber } from "../../src/policy/mod.ts";
import { syscallPlaces } from "../../src/policy/mod.ts";
import type { TestCgroup } from "./test_cgroup.ts";

/** A number, memory with these bytes and a NUL behind, or an array of 32-bit words. */
export type CallArgument =
  | number
  | bigint
  | string
  | Uint8Array
  | readonly CallArgument[]
  | OtherMemory;

/** In a page that nobody has touched, half in such a page, or half in one that cannot be had. */
export interface OtherMemory {
  readonly memory: "untouched" | "half" | "torn";
  readonly holds: string | Uint8Array | readonly CallArgument[];
}

/** How a call is made. */
export interface CallOptions {
  /** By int 0x80, with the number of the 32-bit table. */
  readonly isCompat?: boolean;
  /** By a thread that has become this user. */
  readonly uid?: number;
  /** Instead of the number of the name. */
  readonly number?: number;
}

/** How a program is executed. */
export interface ExecOptions {
  /** By execveat(2), relative to this descriptor; with an empty path what is open there. */
  readonly fd?: number | bigint;
  /** By a thread that is not the first. */
  readonly byThread?: boolean;
}

const AT_FDCWD = -100;

/** The process is gone. */
export class CallerEnded extends Error {
  constructor(readonly status: Deno.CommandStatus) {
    super(`The process has ended: ${JSON.stringify(status)}`);
  }
}

/** Calls one after the other, in a cgroup of the test's own. */
export class SystemCaller {
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #pending = "";

  private constructor(child: Deno.ChildProcess) {
    this.pid = child.pid;
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Starts `program` (a path of the workload) in a cgroup. */
  static async start(
    program: string,
    cgroup: Pick<TestCgroup, "directory">,
    cwd?: string,
  ): Promise<SystemCaller> {
    const script = 'echo $$ >"$0" && exec "$@"';
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", script, `${cgroup.directory}/cgroup.procs`, program, "calls"],
      clearEnv: true,
      ...{ stdin: "piped", stdout: "piped" },
      ...(cwd !== undefined && { cwd }),
    }).spawn();
    const caller = new SystemCaller(child);
    await caller.#line();
    return caller;
  }

  /** Starts `program` in the cgroup of the test itself. */
  static async startAnywhere(program: string): Promise<SystemCaller> {
    const child = new Deno.Command(program, {
      args: ["calls"],
      clearEnv: true,
      ...{ stdin: "piped", stdout: "piped" },
    }).spawn();
    const caller = new SystemCaller(child);
    await caller.#line();
    return caller;
  }

  /** Makes the call; gives its value, or -errno. @throws {CallerEnded} it was killed. */
  async call(
    name: string,
    args: readonly CallArgument[],
    options: CallOptions = {},
  ): Promise<bigint> {
    const { isCompat = false, uid } = options;
    const number = options.number ?? numberOf(name, isCompat);
    const words = [isCompat ? "32" : "64", String(number), ...args.map(argumentText)];
    const head = uid === undefined ? "call" : `as ${uid}`;
    return BigInt(await this.#ask(`${head} ${words.join(" ")}`));
  }

  /** Becomes the program at `path`, which must be the workload too. @throws {CallerEnded} */
  async exec(path: string | Uint8Array | OtherMemory, options: ExecOptions = {}): Promise<void> {
    const { fd = AT_FDCWD, byThread = false } = options;
    const answer = await this.#ask(`${byThread ? "texec" : "exec"} ${fd} ${argumentText(path)}`);
    if (answer !== "ready") throw new Error(`exec: ${answer}`);
  }

  /** Says that it is the file at `path`, without exec; an errno, or 0. */
  async becomeOtherExe(path: string): Promise<number> {
    return Number(await this.#ask(`other-exe ${argumentText(path)}`));
  }

  /** From here on a child makes the calls, in its stead. */
  async fork(): Promise<string> {
    return await this.#ask("fork");
  }

  /** Ends it and waits. */
  async end(): Promise<Deno.CommandStatus> {
    await this.#writer.close().catch(() => {});
    await this.#reader.cancel().catch(() => {});
    return await this.#child.status;
  }

  async #ask(line: string): Promise<string> {
    try {
      await this.#writer.write(new TextEncoder().encode(`${line}\n`));
    } catch {
      throw new CallerEnded(await this.#child.status);
    }
    return await this.#line();
  }

  async #line(): Promise<string> {
    while (!this.#pending.includes("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new CallerEnded(await this.#child.status);
      this.#pending += value;
    }
    const end = this.#pending.indexOf("\n");
    const line = this.#pending.slice(0, end);
    this.#pending = this.#pending.slice(end + 1);
    return line;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

function numberOf(name: string, isCompat: boolean): number {
  const architecture: Architecture = Deno.build.arch;
  const number = isCompat
    ? syscallPlaces(name, architecture).compat[0]
    : syscallNumber(name, architecture);
  if (number === undefined) throw new Error(`No system call "${name}"`);
  return number;
}

function argumentText(argument: CallArgument): string {
  if (typeof argument === "number" || typeof argument === "bigint") return String(argument);
  if (typeof argument === "string" || argument instanceof Uint8Array) return `@${hex(argument)}`;
  if ("memory" in argument) {
    return `${MEMORY_MARKS[argument.memory]}${argumentText(argument.holds)}`;
  }
  return `&${argument.map(argumentText).join(",")}`;
}

const MEMORY_MARKS = { untouched: "%", half: "/", torn: "!" } as const;

function hex(text: string | Uint8Array): string {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
