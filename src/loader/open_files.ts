/**
 * Whether this process may open as many files as an agent needs.
 *
 * @module
 */
import { type Libc, Rlimit, RLIMIT_INFINITY } from "../../ffi/mod.ts";

/** Runtime, maps, programs, links and sockets: 160 without a policy, each hook takes a few more. */
const OPEN_FILES = 256;
/** Two perf events, and the channels of a worker. */
const OPEN_FILES_PER_CPU = 4;

/** RLIMIT_NOFILE that an agent with a few policies needs. */
export function openFilesNeeded(cpuCount: number): number {
  return OPEN_FILES + OPEN_FILES_PER_CPU * cpuCount;
}

/** The limit of open files is too low to start. */
export class OpenFilesError extends Error {
  override readonly name = "OpenFilesError";
  readonly errnoName = "EMFILE";
  readonly hint = "raise it: ulimit -n 65536, or LimitNOFILE=65536 in the unit";

  constructor(readonly limit: bigint, readonly needed: number) {
    super(`Cannot start the agent: RLIMIT_NOFILE is "${limit}", at least ${needed} are needed`);
  }
}

/**
 * Looks before anything is opened: without descriptors the runtime itself panics, and parts that
 * fail to open would be left out one by one. The launcher has raised the soft limit already.
 *
 * @throws {OpenFilesError} the limit is too low
 */
export function requireOpenFiles(libc: Pick<Libc, "prlimit">, cpuCount: number): void {
  const { soft } = libc.prlimit(Rlimit.openFiles);
  const needed = openFilesNeeded(cpuCount);
  if (soft !== RLIMIT_INFINITY && soft < BigInt(needed)) throw new OpenFilesError(soft, needed);
}
