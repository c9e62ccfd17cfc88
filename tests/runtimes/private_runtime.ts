/**
 * A container runtime of a test: its daemon, in folders of its own, and what is taken away after
 * it.
 *
 * @module
 */
import { join } from "node:path";

const DEADLINE_MS = 30_000;
const LOOK_MS = 20;

/** A daemon to start. */
export interface DaemonOptions {
  readonly program: string;
  readonly args: readonly string[];
  /** Socket it listens on when it is ready. */
  readonly socketPath: string;
  readonly logPath: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A running daemon. Stopped by its pid. */
export class Daemon {
  readonly #options: DaemonOptions;
  #child: Deno.ChildProcess | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  /** Starts it, unless it runs, and waits until it takes connections. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    const { program, args, socketPath, logPath, environment = {} } = this.#options;
    const log = await Deno.open(logPath, { create: true, append: true });
    const child = new Deno.Command(program, {
      args: [...args],
      env: environment,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    const written = child.stderr.pipeTo(log.writable).catch(() => {});
    let hasEnded = false;
    void child.status.then(() => hasEnded = true);
    await until(`"${program}" listens`, async () => {
      if (hasEnded) {
        await written;
        throw new Error(`Cannot start "${program}": ${await Deno.readTextFile(logPath)}`);
      }
      return await takesConnections(socketPath);
    });
  }

  /** Ends it with SIGTERM; containers may go on. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
    await child.status;
    clearTimeout(timer);
  }
}

/** Looks again and again until `look` is true; throws after half a minute. */
export async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!await look()) {
    if (Date.now() > deadline) throw new Error(`Not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Runs a program to its end and gives its standard output, trimmed. Throws when it fails. */
export async function runTool(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    env: environment,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Cannot run "${program} ${args[0]}": ${decoder.decode(stderr)}`);
  return decoder.decode(stdout).trim();
}

/** An id as runtimes make them. */
export function randomId(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toHex();
}

/** A folder for all state of one test; disposing it unmounts what is below and removes it. */
export async function stateFolder(
  name: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  // Paths of unix sockets have 108 bytes; below /tmp they stay short.
  const path = await Deno.makeTempDir({ prefix: `shrike-${name}-` });
  return {
    path,
    async [Symbol.asyncDispose]() {
      for (const target of mountsBelow(path)) await runTool("umount", ["-l", target]);
      await Deno.remove(path, { recursive: true });
    },
  };
}

function mountsBelow(folder: string): string[] {
  return Deno.readTextFileSync("/proc/self/mounts").split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((target) => target.startsWith(`${folder}/`))
    .sort().reverse();
}

/**
 * Removes a cgroup and all below it, in all hierarchies, once the processes in it are gone: the
 * last of a runtime end a moment after what they were there for.
 */
export async function removeCgroups(path: string): Promise<void> {
  for (const root of cgroupRoots()) {
    const folder = join(root, path);
    await until(`nobody is in "${folder}"`, async () => {
      for (const child of await listFolders(folder)) await removeCgroups(join(path, child));
      return await removeCgroup(folder);
    });
  }
}

/** False when a process is in it, or a child was made meanwhile. */
async function removeCgroup(folder: string): Promise<boolean> {
  try {
    await Deno.remove(folder);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    if ((error as { code?: string }).code === "EBUSY") return false;
    throw error;
  }
  return true;
}

function cgroupRoots(): string[] {
  return Deno.readTextFileSync("/proc/self/mounts").split("\n").map((line) => line.split(" "))
    .filter(([, , type]) => type === "cgroup" || type === "cgroup2")
    .map(([, target]) => target ?? "");
}

async function listFolders(folder: string): Promise<string[]> {
  try {
    return Array.from(await Array.fromAsync(Deno.readDir(folder)))
      .filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  } catch (error) {
    ignoreMissing(error);
    return [];
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Path of a process in the hierarchy of a v1 controller ("memory"), or of v2 for "". */
export async function cgroupPathOf(pid: number, controller: string): Promise<string> {
  const lines = (await Deno.readTextFile(`/proc/${pid}/cgroup`)).trim().split("\n");
  for (const line of lines) {
    const [, controllers = "", ...path] = line.split(":");
    if (controllers.split(",").includes(controller)) return path.join(":");
  }
  throw new Error(`Process ${pid} has no cgroup of "${controller}"`);
}

async function takesConnections(socketPath: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path: socketPath })).close();
    return true;
  } catch {
    return false;
  }
}
