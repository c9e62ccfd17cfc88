/**
 * The place of the control socket: a directory that nobody else may change, a lock that says who
 * listens, and a socket left by an agent that was killed out of the way.
 *
 * @module
 */
import { connect } from "node:net";
import { dirname } from "node:path";
import {
  checkTrusted,
  checkTrustedWay,
  FileKindError,
  openForLock,
  trustedOwners,
  UntrustedError,
} from "../files/mod.ts";
import { ControlError, SocketTakenError } from "./control_error.ts";

/** Where an agent listens and commands ask, unless they are told otherwise. */
export const DEFAULT_CONTROL_SOCKET = "/run/shrike/control.sock";

/** Of directories that are made here. */
const DIRECTORY_MODE = 0o700;
const LOCK_MODE = 0o600;
/** For the answer of whoever may listen on a socket that is there; connecting does not wait. */
const PROBE_TIMEOUT_MS = 1000;
/** A lock file that is removed just when it was opened is opened anew; more is no coincidence. */
const LOCK_TRIES_MAX = 10;

/** What a socket is for, in hints. */
export interface SocketPurpose {
  /** Option that names the path. */
  readonly flag: string;
  /** What to do when another agent has it, before other advice. */
  readonly whenTaken: string;
}

const CONTROL: SocketPurpose = {
  flag: "--control-socket",
  whenTaken: "shrike policy asks that agent; ",
};

/** The right to listen at a path, held by this process alone until it is disposed. */
export class ControlSocket implements Disposable {
  readonly path: string;
  readonly #lockPath: string;
  #lock: Deno.FsFile | undefined;

  private constructor(path: string, lock: Deno.FsFile) {
    this.path = path;
    this.#lockPath = lockPathOf(path);
    this.#lock = lock;
  }

  /**
   * Takes the place, for control unless another purpose is given. Makes the directory when it is
   * missing; its parent must be there.
   *
   * @throws {ControlError} another agent has it, or it is not safe to listen there
   */
  static async claim(path: string, purpose = CONTROL): Promise<ControlSocket> {
    const attempt = new Attempt(`listen on "${path}"`, purpose);
    attempt.do(() => prepareDirectory(attempt.action, dirname(path)));
    const lock = attempt.do(() => takeLock(lockPathOf(path)));
    if (lock === undefined) throw attempt.takenError();
    const claimed = new ControlSocket(path, lock);
    try {
      await removeStale(attempt, path);
      return claimed;
    } catch (error) {
      claimed[Symbol.dispose]();
      throw error;
    }
  }

  /** Lets another agent have the place. The socket itself goes with the server. */
  [Symbol.dispose](): void {
    const lock = this.#lock;
    if (lock === undefined) return;
    this.#lock = undefined;
    try {
      // While it is still locked: nobody else has taken this file by then.
      Deno.removeSync(this.#lockPath);
    } catch {
      // Somebody has tidied up; the lock ends with the file below all the same.
    }
    lock.close();
  }
}

function lockPathOf(path: string): string {
  return `${path}.lock`;
}

function prepareDirectory(action: string, directory: string): void {
  // Who may rename on the way to the socket can put another in the place of ours.
  const way = checkTrustedWay(directory, trustedOwners());
  try {
    Deno.mkdirSync(directory, { mode: DIRECTORY_MODE });
    return;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const info = Deno.lstatSync(directory);
  if (!info.isDirectory) {
    const state = `the directory "${directory}" is not a directory`;
    throw new ControlError(action, state, "name another path");
  }
  checkTrusted(way, info, trustedOwners());
}

/** Undefined when another process has it. It ends with the process, however that ends. */
function takeLock(path: string): Deno.FsFile | undefined {
  for (let tries = 0; tries < LOCK_TRIES_MAX; tries++) {
    const file = openForLock(path, LOCK_MODE);
    if (!file.tryLockSync(true)) {
      file.close();
      return undefined;
    }
    // Who had it before may have removed the file between our opening it and the lock.
    if (inodeOf(path) === file.statSync().ino) return file;
    file.close();
  }
  return undefined;
}

function inodeOf(path: string): number | null | undefined {
  try {
    return Deno.lstatSync(path).ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Removes a socket on which nobody listens any more. */
async function removeStale(attempt: Attempt, path: string): Promise<void> {
  const info = attempt.do(() => inodeOf(path) === undefined ? undefined : Deno.lstatSync(path));
  if (info === undefined) return;
  if (info.isSocket !== true) {
    throw new ControlError(
      attempt.action,
      "there is something that is no socket",
      "give another path",
    );
  }
  // Whoever listens without our lock is no agent of this version, and is left alone.
  if (await isAnswered(path)) throw attempt.takenError();
  attempt.do(() => Deno.removeSync(path));
}

/** Only a refused connection proves that nobody listens. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const end = (isAnswered: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isAnswered);
    };
    const timer = setTimeout(() => end(true), PROBE_TIMEOUT_MS);
    socket.on("connect", () => end(true));
    socket.on("error", ({ code }: { code?: string }) => end(code !== "ECONNREFUSED"));
  });
}

/** One try to listen, and how it is told that it failed. */
class Attempt {
  constructor(readonly action: string, readonly purpose: SocketPurpose) {}

  do<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      if (cause instanceof ControlError) throw cause;
      if (cause instanceof UntrustedError || cause instanceof FileKindError) {
        const state = `"${cause.path}": ${cause.state}`;
        throw new ControlError(this.action, state, cause.hint, cause);
      }
      const state = cause instanceof Error ? cause.message.split("\n")[0]! : String(cause);
      const hint = `run as root, or name another path with ${this.purpose.flag}`;
      throw new ControlError(this.action, state, hint, cause);
    }
  }

  takenError(): SocketTakenError {
    const hint = `${this.purpose.whenTaken}give this one its own ${this.purpose.flag}, or off`;
    return new SocketTakenError(this.action, "another agent listens there", hint);
  }
}
