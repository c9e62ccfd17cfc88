/**
 * What an agent must tell, from the specification and nothing of the agent's code: maps that never
 * forget, and the records in the order in which they were taken.
 *
 * @module
 */
import { nameOf } from "./fake_runtime.ts";
import type { Box, Proc, Truth } from "./host_truth.ts";
import { POLICIES_MAX } from "./random_host.ts";

/** Whose a process is. */
export interface ExpectedWorkload {
  readonly id: string;
  readonly name: string;
  /** A process of the host in a container's cgroup. */
  readonly isVisitor: boolean;
}

/** An event that must come. */
export interface Expected {
  readonly type: string;
  readonly timeNs: bigint | undefined;
  readonly execId: string;
  /** Undefined: the parent is not known. */
  readonly parentExecId: string | undefined;
  readonly tgid: number;
  readonly binary: string;
  readonly workload: ExpectedWorkload | undefined;
  readonly isLate: boolean;
  /** Path, of events about cgroups; name of the policy, of matches. */
  readonly about: string | undefined;
}

/** An image, as far as an agent that took those records can know it. */
interface Image {
  readonly execId: string;
  readonly parent: Image | undefined;
  readonly binary: string;
  readonly namespaces: number;
  readonly isUnknown: boolean;
  readonly isFork: boolean;
  readonly sinceNs: bigint;
  box: Box;
  owner: Owner;
  hasExited: boolean;
}

/** A container, a service or the host; or who visits. */
interface Owner {
  readonly id: string;
  readonly containerId: string | undefined;
  readonly isVisitor: boolean;
}

/** Events of one container that are amended at most; the rest is counted as dropped. */
const AWAITED_MAX = 1024;
const NS_PER_TICK = 10_000_000n;
/** As the kernel's parent: it is not told, but known. */
const KERNEL_EXEC_ID = "";

/** The model. */
export class NaiveAgent {
  readonly #node: string;
  readonly #images = new Map<Proc, Image>();
  /** Who has used a pid last, as far as is known. */
  readonly #byTgid = new Map<number, Proc>();
  readonly #goneBoxes = new Set<Box>();
  /** Containers whose names a runtime has told. */
  readonly #named = new Set<string>();
  /** Events by container that were told with the id alone. */
  readonly #unnamed = new Map<string, string[]>();
  readonly #kernel: Image;
  #lastNs = 0n;
  /** Whether the last record was older than one that was taken before. */
  isLate = false;

  /** @param policies which policies are there now */
  constructor(node: string, root: Box, private readonly policies: readonly boolean[]) {
    this.#node = node;
    this.#kernel = {
      ...{ execId: this.#execId(1n, 0), parent: undefined, binary: "<kernel>", namespaces: 0 },
      ...{ isUnknown: false, isFork: false, sinceNs: 0n, box: root, owner: HOST },
      hasExited: false,
    };
  }

  /** The agent begins and reads what runs. */
  start(running: readonly Proc[]): Expected[] {
    const expected = [this.#tell("process_exec", 0, this.#kernel, undefined, false)];
    const byAge = [...running].sort((a, b) => a.startNs < b.startNs ? -1 : 1);
    for (const proc of byAge) {
      const ktimeNs = proc.startNs / NS_PER_TICK * NS_PER_TICK;
      const parent = proc.parent === undefined ? this.#kernel : this.#images.get(proc.parent);
      const image = this.#enter(proc, {
        ...{ execId: this.#execId(ktimeNs, proc.tgid), parent, binary: proc.path, isFork: false },
        ...{ namespaces: proc.namespaces, isUnknown: false, sinceNs: 0n, box: proc.box },
        owner: ownerOf(proc.box, proc.namespaces, parent),
      });
      expected.push(this.#tell("process_exec", proc.tgid, image, undefined, false));
    }
    return expected;
  }

  /** A record was taken. */
  take(truth: Truth, wallOffsetNs: bigint): Expected[] {
    const isLate = truth.timeNs < this.#lastNs;
    this.isLate = isLate;
    if (!isLate) this.#lastNs = truth.timeNs;
    if (truth.isMalformed) return [];
    const timeNs = truth.timeNs + wallOffsetNs;
    switch (truth.kind) {
      case "fork":
        return this.#fork(truth, timeNs, isLate);
      case "exec":
        return this.#exec(truth, timeNs, isLate);
      case "exit":
        return this.#exit(truth, timeNs, isLate);
      case "hit":
        return this.#hit(truth, timeNs, isLate);
      default:
        return this.#cgroup(truth, timeNs, isLate);
    }
  }

  /** A runtime has told a name: the exec_ids of the events that must be amended. */
  named(containerId: string): string[] {
    this.#named.add(containerId);
    const events = this.#unnamed.get(containerId) ?? [];
    this.#unnamed.delete(containerId);
    return events;
  }

  /** The table of cgroups forgets what has been gone for a while. */
  forgotten(containerId: string): void {
    this.#unnamed.delete(containerId);
  }

  #fork(truth: Truth, timeNs: bigint, isLate: boolean): Expected[] {
    const { proc, box, namespaces } = truth;
    if (this.#images.has(proc)) return [];
    const parent = this.#parentOf(truth);
    const image = this.#enter(proc, {
      ...{ execId: this.#execId(truth.timeNs, proc.tgid), parent, isFork: true },
      ...{ binary: parent?.binary ?? "", isUnknown: parent === undefined || parent.isUnknown },
      ...{ namespaces, sinceNs: truth.timeNs, box, owner: ownerOf(box, namespaces, parent) },
    });
    return [this.#tell("process_fork", proc.tgid, image, timeNs, isLate)];
  }

  #exec(truth: Truth, timeNs: bigint, isLate: boolean): Expected[] {
    const { proc, box, namespaces, path } = truth;
    const before = this.#images.get(proc);
    const isOld = before !== undefined && truth.timeNs < before.sinceNs;
    const parent = before === undefined
      ? this.#parentOf(truth)
      : before.isFork || isOld
      ? before.parent ?? this.#parentOf(truth)
      : before;
    const fields = {
      ...{ execId: this.#execId(truth.timeNs, proc.tgid), parent, binary: path, isFork: false },
      ...{ namespaces, isUnknown: false, sinceNs: truth.timeNs, box },
      owner: ownerOf(box, namespaces, parent),
    };
    const hasEnded = isOld || before?.hasExited === true;
    const image = hasEnded ? { ...fields, hasExited: true } : this.#enter(proc, fields);
    return [this.#tell("process_exec", proc.tgid, image, timeNs, isLate)];
  }

  #exit(truth: Truth, timeNs: bigint, isLate: boolean): Expected[] {
    const image = this.#images.get(truth.proc) ?? this.#stranger(truth);
    if (image.hasExited) return [];
    image.hasExited = true;
    this.#seenIn(image, truth.box);
    return [this.#tell("process_exit", truth.proc.tgid, image, timeNs, isLate)];
  }

  #hit(truth: Truth, timeNs: bigint, isLate: boolean): Expected[] {
    const bits = truth.hit!.words[0]!.bits;
    const isWanted = this.policies.some((isThere, i) => isThere && (bits >> BigInt(i) & 1n) === 1n);
    if (!isWanted) return [];
    const image = this.#images.get(truth.proc) ?? this.#stranger(truth);
    this.#seenIn(image, truth.box);
    const expected: Expected[] = [];
    for (let policy = 0; policy < POLICIES_MAX; policy++) {
      if ((bits & (1n << BigInt(policy))) === 0n || this.policies[policy] !== true) continue;
      const event = this.#tell("process_kprobe", truth.proc.tgid, image, timeNs, isLate);
      expected.push({ ...event, about: `p${policy}` });
    }
    return expected;
  }

  #cgroup({ kind, subject }: Truth, timeNs: bigint, isLate: boolean): Expected[] {
    const box = subject!;
    const isTold = kind !== "cgroup_removed" || !this.#goneBoxes.has(box);
    if (kind === "cgroup_removed" || kind === "cgroup_released") this.#goneBoxes.add(box);
    if (!isTold) return [];
    return [{
      ...{ type: kind, timeNs, execId: "", parentExecId: undefined, tgid: 0, binary: "" },
      ...{ workload: undefined, isLate, about: box.path },
    }];
  }

  /** A group of which nothing but ids is known. */
  #stranger({ proc, box }: Truth): Image {
    const owner = ownerOf(box, 0, undefined);
    return this.#enter(proc, {
      ...{ execId: this.#execId(proc.startNs, proc.tgid), parent: undefined, binary: "" },
      ...{ namespaces: 0, isUnknown: true, isFork: false, sinceNs: 0n, box, owner },
    });
  }

  #seenIn(image: Image, box: Box): void {
    if (image.box === box) return;
    image.box = box;
    image.owner = ownerOf(box, image.namespaces, image.parent);
  }

  #parentOf({ parent }: Truth): Image | undefined {
    return parent === undefined ? this.#kernel : this.#images.get(parent);
  }

  #enter(proc: Proc, fields: Omit<Image, "hasExited">): Image {
    const image = { ...fields, hasExited: false };
    const last = this.#byTgid.get(proc.tgid);
    if (last !== undefined && last !== proc && last.startNs < proc.startNs) {
      const ended = this.#images.get(last);
      if (ended !== undefined) ended.hasExited = true;
      // Nothing younger than three seconds uses the pid again, so nobody asks for it any more.
      this.#images.delete(last);
    }
    this.#byTgid.set(proc.tgid, proc);
    this.#images.set(proc, image);
    return image;
  }

  #tell(
    type: string,
    tgid: number,
    image: Image,
    timeNs: bigint | undefined,
    isLate: boolean,
  ): Expected {
    const { owner, execId, parent, binary } = image;
    const { containerId, isVisitor } = owner;
    const isNamed = containerId !== undefined && this.#named.has(containerId);
    if (type === "process_exec" && containerId !== undefined && !isVisitor && !isNamed) {
      const events = this.#unnamed.get(containerId) ?? [];
      if (events.length < AWAITED_MAX) events.push(execId);
      this.#unnamed.set(containerId, events);
    }
    const name = containerId === undefined
      ? nameOfHost(owner.id)
      : isNamed
      ? nameOf(containerId)
      : containerId.slice(0, 12);
    return {
      ...{
        type,
        timeNs,
        execId,
        parentExecId: image === this.#kernel ? KERNEL_EXEC_ID : parent?.execId,
      },
      ...{ tgid, binary, isLate, about: undefined },
      workload: { id: owner.id, name, isVisitor },
    };
  }

  #execId(timeNs: bigint, tgid: number): string {
    return btoa(`${this.#node}:${timeNs}:${tgid}`);
  }
}

const HOST: Owner = { id: "host", containerId: undefined, isVisitor: false };

/** Whose a process is that was seen in `box`, and descends from `origin`. */
function ownerOf(box: Box, namespaces: number, origin: Image | undefined): Owner {
  const { containerId } = box;
  if (containerId === undefined) return { id: hostId(box), containerId, isVisitor: false };
  const isFromOutside = origin !== undefined && !origin.isUnknown &&
    origin.owner.id !== containerId && origin.namespaces === namespaces;
  return isFromOutside
    ? { ...origin.owner, isVisitor: true }
    : { id: containerId, containerId, isVisitor: false };
}

function hostId({ path }: Box): string {
  if (path === "/" || path === "/docker") return "host";
  return path;
}

function nameOfHost(id: string): string {
  return id === "host" ? "host" : id.slice(id.lastIndexOf("/") + 1);
}
