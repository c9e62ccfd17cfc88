/**
 * A host on which something happens all the time, from one seed: processes, threads, cgroups,
 * containers, matches of policies, and records of all of it, some of which are lost or broken.
 *
 * @module
 */
import type { CgroupFound, ProcessFound } from "../../src/events/mod.ts";
import type { RecalledCgroup } from "../../src/state/mod.ts";
import { HOST_NAMESPACES, ROOT_CREDENTIALS } from "../support/sample_events.ts";
import { executable } from "../support/sample_facts.ts";
import { policyHit } from "../support/sample_policy_hits.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import { type Box, type Proc, RECORD_NAMES, type Truth, type TruthKind } from "./host_truth.ts";
import { bootNs, type SimulatedClock } from "./simulated_clock.ts";

/** Takes the records. */
export interface RecordTaker {
  made(truth: Truth): void;
  lost(cpu: number, kind: string, timeNs: bigint): void;
}

const CPUS = 4;
const HOST_NAMESPACES_NUMBER = 1;
/** Pids are used again after about three seconds, as on a busy host with a small pid_max. */
const PIDS_MAX = 3_000;
const LIVE_AIM = 300;
const BOXES_AIM = 40;
/** Time between two records. */
const STEP_NS_MAX = 500_000;
const PATHS = ["/bin/sh", "/usr/bin/curl", "/usr/bin/python3", "/opt/a b", "/usr/sbin/nginx"];
/** Policies that a match may name. */
export const POLICIES_MAX = 4;

/** The host. */
export class RandomHost {
  readonly root: Box;
  readonly #random: SeededRandom;
  readonly #clock: SimulatedClock;
  readonly #taker: RecordTaker;
  readonly #live: Proc[] = [];
  readonly #byTgid = new Map<number, Proc>();
  readonly #boxes = new Map<bigint, Box>();
  /** The kernel's table, which keeps what has gone until an agent has told of it. */
  readonly #table = new Map<bigint, Box>();
  readonly #init: Proc;
  #lossesLeft = 0;
  #nextTgid = 2;
  #nextBoxId = 100n;
  #nextNamespaces = 2;

  constructor(random: SeededRandom, clock: SimulatedClock, taker: RecordTaker) {
    this.#random = random;
    this.#clock = clock;
    this.#taker = taker;
    this.root = this.#box("/", "", undefined, undefined);
    this.#boxes.set(this.root.id, this.root);
    for (
      const [path, name] of [["/docker", "docker"], ["/system.slice", "system.slice"]] as const
    ) {
      const box = this.#box(path, name, this.root, undefined, 0n);
      this.#boxes.set(box.id, box);
    }
    this.#init = this.#proc(1, 10_000_000n, undefined, this.root);
    this.#init.path = "/sbin/init";
  }

  get cpus(): number {
    return CPUS;
  }

  /** One thing happens. */
  step(): void {
    const random = this.#random;
    this.#clock.nowNs += BigInt(1_000 + random.below(STEP_NS_MAX));
    const roll = random.fraction();
    const isFull = this.#live.length > LIVE_AIM + random.below(100);
    if (roll < 0.02) this.#changeBoxes();
    else if (roll < 0.03) this.#move(this.#any());
    else if (roll < 0.08) this.#hit(this.#any());
    else if (roll < 0.34) this.#exec(this.#any());
    else if (roll < 0.67 && !isFull) this.#fork(this.#any());
    else if (this.#live.length > 20) this.#exit(this.#any());
  }

  /** What /proc tells now. */
  processes(): ProcessFound[] {
    return this.#live.map((proc) => {
      const { tgid, parent, box, namespaces } = proc;
      const readNs = this.#clock.nowNs;
      return {
        ...{ type: "process_found", tgid, namespaceTgid: tgid, pidNsLevel: 0 },
        startTicks: proc.startNs / 10_000_000n,
        ...{ readFromNs: readNs, readToNs: readNs, parentTgid: parent?.tgid ?? 0 },
        parentIsKernel: parent === undefined,
        ...{ credentials: ROOT_CREDENTIALS, exe: executable(proc.path) },
        namespaces: {
          ...HOST_NAMESPACES,
          pid: 4_026_000_000 + namespaces,
          mnt: 4_026_000_000 + namespaces,
        },
        ...{ argv: [{ text: proc.path }], cwd: { text: "/" } },
        cgroup: { id: box.id, trackingId: box.naming.id, level: box.level, hierarchy: 0 },
      };
    });
  }

  /** What runs now, each with what is so. */
  running(): readonly Proc[] {
    return this.#live;
  }

  /** What a walk of the cgroups finds; parents first. */
  cgroups(): CgroupFound[] {
    return [...this.#boxes.values()].map(({ id, path, level, parent, users }) => ({
      ...{ type: "cgroup_found", hierarchy: 0, id, path, level },
      ...{ parentId: parent?.id ?? 0n, isPopulated: users > 0 },
    }));
  }

  /** The kernel's table. */
  recall(id: bigint): RecalledCgroup | undefined {
    const box = this.#table.get(id);
    return box && {
      ...{ parentId: box.parent?.id ?? 0n, trackingId: box.naming.id, createdNs: box.createdNs },
      ...{ level: box.level, isLeaf: box.containerId !== undefined, name: box.name },
      isContainer: box.containerId !== undefined,
    };
  }

  exists(path: string, id: bigint): boolean {
    return this.#boxes.get(id)?.path === path;
  }

  #any(): Proc {
    return this.#live[this.#random.below(this.#live.length)]!;
  }

  #fork(caller: Proc, where?: Box): Proc {
    // CLONE_PARENT, or a thread's: the kernel names the real parent.
    const parent = this.#random.chance(0.05) ? caller.parent ?? caller : caller;
    const child = this.#proc(
      this.#freeTgid(),
      bootNs(this.#clock.nowNs),
      parent,
      where ?? caller.box,
    );
    child.path = caller.path;
    child.namespaces = caller.namespaces;
    this.#emit("fork", child);
    return child;
  }

  #exec(proc: Proc, path = this.#random.pick(PATHS as [string, ...string[]])): void {
    proc.path = path;
    this.#emit("exec", proc);
  }

  #exit(proc: Proc): void {
    if (proc === this.#init) return;
    this.#emit("exit", proc, {
      exitCode: this.#random.chance(0.1) ? 9 : this.#random.below(3) << 8,
    });
    proc.isAlive = false;
    proc.box.users -= 1;
    proc.parent?.children.delete(proc);
    for (const child of proc.children) {
      child.parent = this.#init;
      this.#init.children.add(child);
    }
    proc.children.clear();
    const last = this.#live.pop()!;
    if (last !== proc) {
      this.#live[proc.at] = last;
      last.at = proc.at;
    }
    this.#byTgid.delete(proc.tgid);
  }

  #hit(proc: Proc): void {
    const bits = BigInt(1 + this.#random.below(2 ** POLICIES_MAX - 1));
    const { tgid, startNs, box } = proc;
    const hit = policyHit({
      ...{ timeNs: this.#clock.nowNs, tgid, tid: tgid, leaderStartNs: startNs },
      cgroup: { id: box.id, trackingId: box.naming.id, level: box.level, hierarchy: 0 },
      words: [{ index: 0, bits }],
    });
    this.#emit("hit", proc, { hit });
  }

  /** Between cgroups of the host; who is in a container stays there. */
  #move(proc: Proc): void {
    const target = this.#random.pick([...this.#boxes.values()] as [Box, ...Box[]]);
    const isHosts = (box: Box) => box.containerId === undefined && box !== this.root;
    if (proc.box.containerId !== undefined || !isHosts(target) || target === proc.box) return;
    this.#place(proc, target);
  }

  #place(proc: Proc, box: Box): void {
    proc.box.users -= 1;
    box.users += 1;
    proc.box = box;
    this.#emit("cgroup_attached", proc, { subject: box });
  }

  #changeBoxes(): void {
    const random = this.#random;
    if (this.#boxes.size < BOXES_AIM && random.chance(0.7)) return this.#makeBox();
    const boxes = [...this.#boxes.values()].filter((box) => box.createdNs !== 0n);
    const box = boxes[random.below(boxes.length)];
    if (box === undefined) return;
    if (box.users > 0) return this.#endBox(box);
    box.isRemoved = true;
    this.#boxes.delete(box.id);
    if (box.parent !== undefined) box.parent.users -= 1;
    this.#emit("cgroup_removed", this.#init, { subject: box });
    this.#tick();
    this.#emit("cgroup_released", this.#init, { subject: box });
  }

  /** Ends what runs in a cgroup, as a runtime does before it takes the cgroup away. */
  #endBox(box: Box): void {
    for (const proc of [...this.#live]) {
      if (proc.box === box && this.#random.chance(0.8)) {
        this.#clock.nowNs += 1_000n;
        this.#exit(proc);
      }
    }
  }

  #makeBox(): void {
    const random = this.#random;
    const roll = random.fraction();
    const actor = this.#hostProcess();
    if (roll < 0.5) return this.#startContainer(actor);
    const containers = [...this.#boxes.values()].filter((box) => box.containerId !== undefined);
    const inside = containers[random.below(containers.length)];
    if (roll < 0.65 && inside !== undefined && inside.level < 4) {
      this.#addBox(`sub${random.below(1000)}`, inside, inside.containerId, actor);
      return;
    }
    const slice = this.#boxAt("/system.slice");
    this.#addBox(`s${random.below(1_000_000)}.service`, slice, undefined, actor);
  }

  /** As runtimes do it: cgroup, a process of the host in it, namespaces, the program. */
  #startContainer(runtime: Proc): void {
    const id = Array.from(
      { length: 8 },
      () => this.#random.below(2 ** 32).toString(16).padStart(8, "0"),
    ).join("");
    const isScope = this.#random.chance(0.5);
    const parent = this.#boxAt(isScope ? "/system.slice" : "/docker");
    const box = this.#addBox(isScope ? `docker-${id}.scope` : id, parent, id, runtime);
    this.#tick();
    const child = this.#fork(runtime);
    this.#tick();
    this.#place(child, box);
    this.#tick();
    if (this.#random.chance(0.3)) {
      // runc's own program, still with the host's namespaces: a visitor.
      this.#exec(child, "/usr/bin/runc");
      this.#tick();
    }
    child.namespaces = this.#nextNamespaces++;
    this.#exec(child);
  }

  #tick(): void {
    this.#clock.nowNs += BigInt(1_000 + this.#random.below(100_000));
  }

  #hostProcess(): Proc {
    for (let i = 0; i < 20; i++) {
      const proc = this.#any();
      if (proc.namespaces === HOST_NAMESPACES_NUMBER && proc.box.containerId === undefined) {
        return proc;
      }
    }
    return this.#init;
  }

  #boxAt(path: string): Box {
    for (const box of this.#boxes.values()) if (box.path === path) return box;
    throw new Error(`no cgroup ${path}`);
  }

  #addBox(name: string, parent: Box, containerId: string | undefined, actor: Proc): Box {
    const path = `${parent.path === "/" ? "" : parent.path}/${name}`;
    const box = this.#box(path, name, parent, containerId, this.#clock.nowNs);
    parent.users += 1;
    this.#boxes.set(box.id, box);
    this.#emit("cgroup_created", actor, { subject: box });
    return box;
  }

  #box(
    path: string,
    name: string,
    parent: Box | undefined,
    containerId: string | undefined,
    createdNs = 0n,
  ): Box {
    const isInside = containerId !== undefined && parent?.containerId === containerId;
    const box: Omit<Box, "naming"> & { naming: Box | undefined } = {
      ...{ id: parent === undefined ? 1n : this.#nextBoxId++, path, name, parent, createdNs },
      ...{ containerId, isRemoved: false, users: 0, level: (parent?.level ?? -1) + 1 },
      naming: isInside ? parent.naming : undefined,
    };
    box.naming ??= box as Box;
    this.#table.set(box.id, box as Box);
    return box as Box;
  }

  #proc(tgid: number, startNs: bigint, parent: Proc | undefined, box: Box): Proc {
    const proc: Proc = {
      ...{ tgid, startNs, parent, box, namespaces: HOST_NAMESPACES_NUMBER, path: "" },
      ...{ isAlive: true, at: this.#live.length, children: new Set() },
    };
    parent?.children.add(proc);
    box.users += 1;
    this.#live.push(proc);
    this.#byTgid.set(tgid, proc);
    return proc;
  }

  #freeTgid(): number {
    do this.#nextTgid = this.#nextTgid >= PIDS_MAX ? 2 : this.#nextTgid + 1; while (
      this.#byTgid.has(this.#nextTgid)
    );
    return this.#nextTgid;
  }

  #emit(kind: TruthKind, proc: Proc, more: Partial<Truth> = {}): void {
    const random = this.#random;
    const timeNs = this.#clock.nowNs;
    const cpu = random.below(CPUS);
    if (this.#lossesLeft === 0 && random.chance(0.0005)) this.#lossesLeft = 1 + random.below(40);
    if (this.#lossesLeft > 0) {
      this.#lossesLeft -= 1;
      return this.#taker.lost(cpu, RECORD_NAMES[kind], timeNs);
    }
    this.#taker.made({
      ...{ kind, timeNs, cpu, proc, box: proc.box, namespaces: proc.namespaces },
      ...{ parent: proc.parent, path: proc.path, exitCode: 0, subject: undefined, hit: undefined },
      isMalformed: kind !== "hit" && random.chance(0.0001),
      ...more,
    });
  }
}
