/**
 * User names of the host, as far as /etc/passwd has them. Directory services (LDAP, SSSD) are not
 * asked: that could block for seconds.
 *
 * @module
 */
import type { Namespaces, Process } from "../events/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";

/** How export forms turn a uid into a name. */
export interface UserNaming {
  /** Name of a uid on the host; without it no names are shown. */
  readonly userName?: (uid: number) => string | undefined;
  /** Namespaces of the host's init, to tell whose a process's are. */
  readonly hostNamespaces?: Namespaces;
}

/**
 * Name of the process's effective uid; undefined when it has none or may not be what the host's
 * /etc/passwd means: in another user namespace the number is another user, in another mount
 * namespace the file is another. Where that of the host is not known, the user namespace counts.
 */
export function hostUserName(process: Process, naming: UserNaming): string | undefined {
  const { userName, hostNamespaces: host } = naming;
  if (userName === undefined || process.unknown) return undefined;
  const { namespaces, credentials } = process;
  const inHost = host === undefined || host.mnt === 0
    ? credentials.userNsLevel === 0
    : namespaces.user === host.user && namespaces.mnt === host.mnt;
  return inHost ? userName(credentials.euid) : undefined;
}

/** (uid_t)-1: the id is not known. */
const UNKNOWN_ID = 4294967295;

/** Whether anybody knows as whom the process runs. */
export function hasKnownUser({ credentials }: Process): boolean {
  return credentials.euid !== UNKNOWN_ID;
}

/** Name or number of the process's effective uid, for people; "-" when it is not known. */
export function userText(process: Process, naming: UserNaming): string {
  if (!hasKnownUser(process)) return "-";
  return hostUserName(process, naming) ?? String(process.credentials.euid);
}

/** Bytes of the file that are read at most; a bigger one is not used at all. */
const FILE_SIZE_MAX = 4 * 1024 * 1024;
/** Names kept at most; the first ones in the file win. */
const NAMES_MAX = 65_536;
/** The file is looked at no more often: an exec storm must not become a storm of stat(2). */
const CHECK_INTERVAL_MS = 1000;

export interface UserNamesOptions {
  readonly counters: Counters;
  /** Default `/etc/passwd`. */
  readonly path?: string;
  /** Milliseconds of any steady clock; default `performance.now()`. */
  readonly now?: () => number;
}

/** Reads the file when first asked and when it has changed. Keeps the last good names. */
export class UserNames {
  readonly #path: string;
  readonly #now: () => number;
  readonly #unreadable: Counter;
  #names = new Map<number, string>();
  #uids = new Map<string, number>();
  #checkedMs = -Infinity;
  #version = "";

  constructor(options: UserNamesOptions) {
    this.#path = options.path ?? "/etc/passwd";
    this.#now = options.now ?? (() => performance.now());
    this.#unreadable = options.counters.counter(
      "shrike_export_user_names_unreadable_total",
      "Times the file with user names could not be read or was too big",
    );
  }

  /** Name of the uid; the first line of the file that has it. */
  nameOf(uid: number): string | undefined {
    this.#check();
    return this.#names.get(uid);
  }

  uidOf(name: string): number | undefined {
    this.#check();
    return this.#uids.get(name);
  }

  #check(): void {
    const nowMs = this.#now();
    if (nowMs - this.#checkedMs < CHECK_INTERVAL_MS) return;
    this.#checkedMs = nowMs;
    try {
      const { mtime, size, ino } = Deno.statSync(this.#path);
      const version = `${ino} ${size} ${mtime?.getTime()}`;
      if (version === this.#version) return;
      if (size > FILE_SIZE_MAX) {
        this.#unreadable.value++;
      } else {
        this.#load(Deno.readTextFileSync(this.#path));
      }
      this.#version = version;
    } catch {
      // Being replaced, or a host without the file: numbers are shown instead of names.
      this.#unreadable.value++;
    }
  }

  #load(text: string): void {
    this.#names = new Map();
    this.#uids = new Map();
    for (const line of text.split("\n")) {
      if (this.#uids.size >= NAMES_MAX) return;
      const [name, , uidText] = line.split(":", 3);
      if (name === undefined || name === "" || name.startsWith("#")) continue;
      if (uidText === undefined || !/^\d{1,10}$/.test(uidText)) continue;
      const uid = Number(uidText);
      if (!this.#names.has(uid)) this.#names.set(uid, name);
      if (!this.#uids.has(name)) this.#uids.set(name, uid);
    }
  }
}
