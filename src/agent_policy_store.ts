/**
 * Policies that are kept over restarts: a file for each document, in a directory of the agent.
 *
 * @module
 */
import { join } from "node:path";
import { checkTrusted, readTrustedFile, trustedOwners, UntrustedError } from "./files/mod.ts";

/** A policy, binding or template with what else is to be known to add it again. */
export interface StoredPolicy {
  /** As `splitDocuments()` names it. */
  readonly key: string;
  /** Where it came from, for complaints. */
  readonly file: string;
  readonly text: string;
  /** Other than the text says. */
  readonly mode?: "enforce" | "monitor";
  readonly isDisabled: boolean;
}

/** Something cannot be kept. */
export class PolicyStoreError extends Error {
  override readonly name = "PolicyStoreError";
  readonly hint: string;

  constructor(action: string, cause: unknown) {
    const state = cause instanceof Error ? cause.message.split("\n")[0]! : String(cause);
    super(`Cannot ${action}: ${state}`, { cause });
    this.hint = cause instanceof UntrustedError
      ? cause.hint
      : "check policy.persist_dir, its mode and its space";
  }
}

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
/** A text of 1 MiB in JSON. */
const FILE_SIZE_MAX = 8 * 1024 * 1024;
const SUFFIX = ".json";
/** Of files that were not finished. */
const WORK_SUFFIX = ".new";
/** What was kept by hand, or by no agent of ours. */
const POLICIES_MAX = 10_000;

/** What stands in the directory. */
export interface StoreContent {
  /** Templates first: bindings need them. */
  readonly policies: readonly StoredPolicy[];
  readonly failures: readonly PolicyStoreError[];
}

/** The directory. It is made when something is to be kept. */
export class PolicyStore {
  readonly #directory: string;
  readonly #owners: readonly number[];

  constructor(directory: string, owners: readonly number[] = trustedOwners()) {
    this.#directory = directory;
    this.#owners = owners;
  }

  /** Reads what is kept. What a kill has left half done is removed. */
  read(): StoreContent {
    const policies: StoredPolicy[] = [];
    const failures: PolicyStoreError[] = [];
    const note = (action: string, work: () => void) => {
      try {
        work();
      } catch (cause) {
        if (cause instanceof Deno.errors.NotFound) return;
        failures.push(new PolicyStoreError(action, cause));
      }
    };
    let names: string[] = [];
    note(`read "${this.#directory}"`, () => {
      this.#check();
      names = [...Deno.readDirSync(this.#directory)].map(({ name }) => name).sort();
    });
    for (const name of names.slice(0, POLICIES_MAX)) {
      const path = join(this.#directory, name);
      if (name.endsWith(WORK_SUFFIX)) note(`remove "${path}"`, () => Deno.removeSync(path));
      if (!name.endsWith(SUFFIX)) continue;
      note(`read "${path}"`, () => {
        const { text } = readTrustedFile(path, { sizeMax: FILE_SIZE_MAX, owners: this.#owners });
        policies.push(parse(path, text));
      });
    }
    const rank = ({ key }: StoredPolicy) => key.startsWith("template ") ? 0 : 1;
    return { policies: policies.sort((a, b) => rank(a) - rank(b)), failures };
  }

  /** The policy of that key; undefined when it is not kept. @throws {PolicyStoreError} */
  find(key: string): StoredPolicy | undefined {
    const path = this.#pathOf(key);
    try {
      const { text } = readTrustedFile(path, { sizeMax: FILE_SIZE_MAX, owners: this.#owners });
      return parse(path, text);
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return undefined;
      throw new PolicyStoreError(`read "${path}"`, cause);
    }
  }

  /**
   * Writes policies beside what is kept, for as long as it is not known whether they are right.
   *
   * @throws {PolicyStoreError} nothing is kept then
   */
  stage(policies: readonly StoredPolicy[]): StagedPolicies {
    const staged = new StagedPolicies(this.#directory);
    try {
      Deno.mkdirSync(this.#directory, { recursive: true, mode: DIRECTORY_MODE });
      this.#check();
      for (const policy of policies) staged.add(this.#pathOf(policy.key), format(policy));
      return staged;
    } catch (cause) {
      staged[Symbol.dispose]();
      throw new PolicyStoreError(`keep policies in "${this.#directory}"`, cause);
    }
  }

  /** Keeps one policy, whole or not at all. @throws {PolicyStoreError} */
  write(policy: StoredPolicy): void {
    using staged = this.stage([policy]);
    staged.commit();
  }

  /** @returns whether it was kept. @throws {PolicyStoreError} */
  remove(key: string): boolean {
    const path = this.#pathOf(key);
    try {
      Deno.removeSync(path);
      syncDirectory(this.#directory);
      return true;
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return false;
      throw new PolicyStoreError(`remove "${path}"`, cause);
    }
  }

  /** Who may change it would decide what this host's policies are. */
  #check(): void {
    const info = Deno.lstatSync(this.#directory);
    if (!info.isDirectory) {
      throw new UntrustedError(this.#directory, "it is no directory", "name another one");
    }
    checkTrusted(this.#directory, info, this.#owners);
  }

  #pathOf(key: string): string {
    return join(this.#directory, `${encodeURIComponent(key)}${SUFFIX}`);
  }
}

/** Files that are written and not yet in their places; disposing removes those. */
export class StagedPolicies implements Disposable {
  readonly #directory: string;
  readonly #works: { readonly work: string; readonly path: string }[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws when it cannot be written */
  add(path: string, text: string): void {
    const work = join(this.#directory, `${crypto.randomUUID()}${WORK_SUFFIX}`);
    using file = Deno.openSync(work, { write: true, createNew: true, mode: FILE_MODE });
    this.#works.push({ work, path });
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    file.syncSync();
  }

  /** Puts all in their places. @throws {PolicyStoreError} */
  commit(): void {
    for (let next = this.#works.shift(); next !== undefined; next = this.#works.shift()) {
      const { work, path } = next;
      try {
        Deno.renameSync(work, path);
      } catch (cause) {
        this.#works.unshift(next);
        throw new PolicyStoreError(`keep "${path}"`, cause);
      }
    }
    syncDirectory(this.#directory);
  }

  [Symbol.dispose](): void {
    for (const { work } of this.#works.splice(0)) {
      try {
        Deno.removeSync(work);
      } catch {
        // The next start removes it.
      }
    }
  }
}

/** A name is on the disk when its directory is. */
function syncDirectory(path: string): void {
  try {
    using directory = Deno.openSync(path);
    directory.syncSync();
  } catch {
    // Some file systems refuse it; the name is written in their own time.
  }
}

function format({ key, file, text, mode, isDisabled }: StoredPolicy): string {
  const fields = { key, file, ...(mode !== undefined && { mode }), disabled: isDisabled, text };
  return `${JSON.stringify(fields)}\n`;
}

function parse(path: string, json: string): StoredPolicy {
  const foreign = () =>
    new UntrustedError(path, "it was not written by this program", "remove it, or move it away");
  let fields: Record<string, unknown>;
  try {
    fields = { ...JSON.parse(json) };
  } catch {
    throw foreign();
  }
  const { key, file, text, mode, disabled } = fields;
  if (typeof key !== "string" || typeof file !== "string" || typeof text !== "string") {
    throw foreign();
  }
  if (typeof disabled !== "boolean") throw foreign();
  if (mode !== undefined && mode !== "enforce" && mode !== "monitor") throw foreign();
  return { key, file, text, ...(mode !== undefined && { mode }), isDisabled: disabled };
}
