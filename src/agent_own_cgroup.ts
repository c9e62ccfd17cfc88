/**
 * Whether the kernel side and user space mean the same cgroup when they speak of this process: the
 * proof that both follow one hierarchy.
 *
 * The kernel is asked twice. A program that the agent runs itself tells at once and everywhere. A
 * move of this process to where it is already goes through the hook that all moves go through, but
 * not where cgroupfs is read-only (ProtectControlGroups=, most containers).
 *
 * @module
 */
import { LibbpfError, type Libc } from "../ffi/mod.ts";
import {
  type Hierarchy,
  type HostFiles,
  type KernelCgroup,
  type OwnCgroupReport,
  readCgroupId,
  verifyOwnCgroup,
} from "./cgroups/mod.ts";
import type { CgroupAttached } from "./events/mod.ts";
import { type KernelOwnCgroup, type LoadedSensors, readOwnCgroup } from "./loader/mod.ts";
import type { Log } from "./telemetry/mod.ts";

/** What is worked with. */
export interface OwnCgroupParts {
  readonly libc: Pick<Libc, "nameToHandle">;
  readonly log: Log;
  readonly files: HostFiles;
  /** The one that is tracked. */
  readonly hierarchy: Hierarchy;
  /** Moves this process into a cgroup; writes to its cgroup.procs unless a test does otherwise. */
  readonly moveSelf?: ((directory: string) => void) | undefined;
  /** Told where this process is, counted from the hierarchy's root, once that is proved. */
  readonly onPath: (path: string) => void;
}

/** Turns (about a second each) after which nobody waits for the proof any more. */
const PROOF_TURNS = 10;

/** This process among the cgroups. Nothing here ends the agent. */
export class OwnCgroup {
  readonly #parts: OwnCgroupParts;
  #asked: KernelOwnCgroup | undefined;
  #proof: OwnCgroupReport | undefined;
  #hasMoved = false;
  #turns = 0;

  constructor(parts: OwnCgroupParts) {
    this.#parts = parts;
  }

  /** Whether kernel and user space mean the same cgroup; undefined until that is known. */
  get proof(): OwnCgroupReport | undefined {
    return this.#proof;
  }

  /** Asks the kernel side where this process is. */
  ask(sensors: Pick<LoadedSensors, "runProgram">): void {
    try {
      this.#asked = readOwnCgroup(sensors);
    } catch (error) {
      if (!(error instanceof LibbpfError)) throw error;
      this.#parts.log.debug("{error}, continuing with a move", { error: error.message });
    }
    if (this.#asked !== undefined) this.#conclude(this.#asked, this.#asked.path);
  }

  /** Moves this process to where it is already: the hook runs all the same. */
  touch(): void {
    const { log, hierarchy: { ownDirectory } } = this.#parts;
    if (ownDirectory === undefined) return;
    const moveSelf = this.#parts.moveSelf ?? writeSelf;
    try {
      moveSelf(ownDirectory);
    } catch (error) {
      // Read-only mounts, inner nodes of v2.
      log.debug("Cannot touch own cgroup: {error}", { error: String(error) });
    }
  }

  /** A move was told; the first of this process counts. */
  onAttached(fact: CgroupAttached): void {
    if (this.#hasMoved || !this.#isOwn(fact)) return;
    this.#hasMoved = true;
    const { id, hierarchy, level } = fact.cgroup;
    const path = fact.isPathCut ? undefined : fact.path.text;
    this.#conclude({ id, hierarchyId: hierarchy, level }, path);
  }

  /** To be called about once a second: gives up waiting for the proof some time. */
  tick(): void {
    if (this.#proof === undefined && ++this.#turns >= PROOF_TURNS) this.#conclude(undefined);
  }

  /** Other pid namespaces have processes with our number. */
  #isOwn({ tgid, leaderStartNs, namespaceTgid }: CgroupAttached): boolean {
    const own = this.#asked;
    if (own === undefined) return namespaceTgid === Deno.pid;
    return tgid === own.tgid && leaderStartNs === own.leaderStartNs;
  }

  #conclude(kernel: KernelCgroup | undefined, path?: string): void {
    const { log, libc, files, hierarchy: { ownDirectory, hierarchyId }, onPath } = this.#parts;
    const id = ownDirectory === undefined ? undefined : readCgroupId(files, ownDirectory, libc).id;
    const proof = verifyOwnCgroup({ id, hierarchyId }, kernel);
    const { outcome, text, follows } = proof;
    const isNews = text !== this.#proof?.text;
    this.#proof = proof;
    if (outcome === "match" && path !== undefined) onPath(path);
    if (!isNews) return;
    const message = "Cgroups: {text}; {follows}";
    if (outcome === "mismatch") log.warn(message, { text, follows, hint: "run shrike doctor" });
    else log.info(message, { text, follows });
  }
}

/** 0 stands for the writer. */
function writeSelf(directory: string): void {
  Deno.writeTextFileSync(`${directory}/cgroup.procs`, "0");
}
