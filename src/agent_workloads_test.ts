import assert from "node:assert/strict";
import {
  FakeUnixServer,
  jsonAnswer,
  readRequest,
  send,
} from "../tests/support/fake_unix_server.ts";
import { cgroupFact, cgroupFound } from "../tests/support/sample_cgroups.ts";
import { type PathReader, UNTOLD_PLACE } from "./agent_cgroups.ts";
import { ProcCgroups } from "./agent_proc_cgroups.ts";
import { AgentWorkloads } from "./agent_workloads.ts";
import { loadConfig } from "./config/mod.ts";
import type { CgroupPlace, Workload } from "./events/mod.ts";
import { type CgroupListener, CgroupTable } from "./state/mod.ts";
import { Counters } from "./telemetry/mod.ts";
import type { WorkloadSettings } from "./workloads/mod.ts";

const A = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
const B = A.replaceAll("a", "b");
/** Longest wait for an answer of the fake runtime. */
const DEADLINE_MS = 10_000;
const NOWHERE: CgroupPlace = { id: 0n, trackingId: 0n, level: 0, hierarchy: 0 };

/** What a test chooses. */
interface Choices {
  /** Cgroups cannot be followed; processes are where these texts of /proc say. */
  readonly proc?: Readonly<Record<number, string>>;
  readonly settings?: WorkloadSettings;
  readonly removalDelayMs?: number;
}

/** Workloads beside a table of cgroups, and what a listener was told. */
class Bench implements Disposable {
  readonly told: (readonly [bigint, Workload | "forgotten"])[] = [];
  /** As the last amendment has it. */
  workloadAt: ((place: CgroupPlace) => Workload) | undefined;
  readonly counters = new Counters();
  readonly workloads: AgentWorkloads;
  readonly table: CgroupTable | undefined;
  paths: PathReader | undefined;
  retracks = 0;
  #news = Promise.withResolvers<void>();

  constructor({ proc, settings = { sockets: [], searchUsers: false }, ...more }: Choices = {}) {
    const listeners: CgroupListener[] = [];
    this.table = proc === undefined
      ? new CgroupTable({
        hierarchy: 0,
        counters: this.counters,
        removalDelayMs: more.removalDelayMs ?? 60_000,
        onChange: (...change) => listeners.forEach((listener) => listener(...change)),
      })
      : undefined;
    const readFile = () => {
      throw Object.assign(new Error("none"), { code: "ENOENT" });
    };
    this.workloads = new AgentWorkloads({
      config: loadConfig({ flags: new Map(), environment: {}, readFile }).config,
      counters: this.counters,
      cgroups: {
        table: this.table,
        observe: (listener) => void listeners.push(listener),
        trackBy: (paths) => this.paths = paths,
        retrack: () => this.retracks += 1,
      },
      settings,
      ...(proc !== undefined && { proc: new ProcCgroups((tgid) => proc[tgid]) }),
    });
    this.workloads.listen({
      amend: (id, workload, workloadAt) => {
        this.workloadAt = workloadAt;
        this.#tell(id, workload);
      },
      forget: (id) => this.#tell(id, "forgotten"),
    });
    this.workloads.start();
  }

  /** A cgroup that names its own workload. */
  made(id: bigint, path: string): CgroupPlace {
    this.table?.apply(cgroupFact("cgroup_created", { id, path }, 5n));
    return { ...NOWHERE, id, trackingId: id, level: 2 };
  }

  /** Waits until the listener was told this of a cgroup. */
  async heard(matches: (id: bigint, workload: Workload | "forgotten") => boolean): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("Nobody was told")), DEADLINE_MS);
    while (!this.told.some(([id, workload]) => matches(id, workload))) {
      await Promise.race([this.#news.promise, late.promise]);
    }
    clearTimeout(timer);
  }

  #tell(id: bigint, workload: Workload | "forgotten"): void {
    this.told.push([id, workload]);
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  [Symbol.dispose](): void {
    this.workloads[Symbol.dispose]();
  }
}

function hasName(name: string): (id: bigint, workload: Workload | "forgotten") => boolean {
  return (_, workload) => workload !== "forgotten" && workload.name === name;
}

/** Docker, which knows one container. */
function dockerWith(name: string): FakeUnixServer {
  return new FakeUnixServer(async (connection) => {
    const path = (await readRequest(connection)).split(" ")[1]!;
    const isIt = path === `/containers/${A}/json`;
    await send(connection, isIt ? jsonAnswer({ Id: A, Name: `/${name}` }) : jsonAnswer({}, 404));
  });
}

Deno.test("AgentWorkloads.identityOf() goes by the cgroup that names the workload", () => {
  using bench = new Bench();
  const { table, workloads } = bench;
  table?.applyFound(cgroupFound({ id: 1n, path: "/" }));
  bench.made(10n, `/docker/${A}`);
  table?.apply(cgroupFact("cgroup_created", {
    ...{ id: 11n, path: `/docker/${A}/deep`, parentId: 10n, trackingId: 10n },
  }, 5n));
  const seen = { ...NOWHERE, id: 11n, trackingId: 10n, level: 3 };
  const { cgroup, workload } = workloads.identityOf(seen, 6n, 70);
  assert.deepEqual([cgroup.path, workload.kind, workload.id], [
    `/docker/${A}/deep`,
    "container",
    A,
  ]);
  assert.equal(workloads.identityOf(seen, 7n, 71).workload, workload);
  assert.equal(workloads.workloadAt(cgroup), workload);
  const root = workloads.identityOf({ ...NOWHERE, id: 1n, trackingId: 1n }, 6n, 1);
  assert.equal(root.workload.kind, "host");
  const zero = workloads.identityOf(NOWHERE, 6n, 1);
  assert.equal(zero.workload.reason, "zero_cgroup_id");
});

Deno.test("AgentWorkloads takes the path of the cgroup itself when its ancestor is not known", () => {
  using bench = new Bench();
  const path = `/docker/${A}/deep`;
  bench.table?.apply(cgroupFact("cgroup_created", { id: 11n, path, trackingId: 404n }, 5n));
  const { workload } = bench.workloads.identityOf({ ...NOWHERE, id: 11n, trackingId: 404n }, 6n, 7);
  assert.deepEqual([workload.kind, workload.id], ["container", A]);
  const other = bench.workloads.identityOf(
    { ...NOWHERE, id: 12n, trackingId: 12n, level: 2 },
    6n,
    7,
  );
  assert.equal(other.workload.reason, "unknown_cgroup");
});

Deno.test("AgentWorkloads says in which container inside of it a process is", async () => {
  await using docker = dockerWith("web-1");
  using bench = new Bench({
    settings: { sockets: [{ api: "docker", path: docker.socketPath }], searchUsers: false },
  });
  const { table, workloads } = bench;
  table?.applyFound(cgroupFound({ id: 1n, path: "/" }));
  const outside = bench.made(10n, `/docker/${A}`);
  const path = `/docker/${A}/docker/${B}`;
  const made = { id: 11n, path, parentId: 10n, trackingId: 10n };
  table?.apply(cgroupFact("cgroup_created", made, 5n));
  const inside = { ...NOWHERE, id: 11n, trackingId: 10n, level: 4 };
  const inner = { runtime: "docker", id: B };
  const seen = workloads.identityOf(inside, 6n, 70);
  assert.deepEqual([seen.workload.id, seen.workload.inner], [A, inner]);
  assert.equal(workloads.entered(seen, undefined), seen.workload, "one object for all");
  assert.ok(!workloads.identityOf(outside, 6n, 71).workload.inner);
  await bench.heard(hasName("web-1"));
  const named = workloads.identityOf(inside, 7n, 70);
  assert.deepEqual([named.workload.name, named.workload.inner], ["web-1", inner]);
  assert.equal(bench.workloadAt?.(named.cgroup), named.workload, "amendments have it too");
  assert.ok(!bench.workloadAt?.(workloads.identityOf(outside, 7n, 71).cgroup).inner);
});

Deno.test("AgentWorkloads does not know whose a process is of which only /proc has told", () => {
  using bench = new Bench();
  const { cgroup, workload } = bench.workloads.identityOf(UNTOLD_PLACE, 6n, 70);
  assert.deepEqual([cgroup, workload.source, workload.reason], [
    UNTOLD_PLACE,
    "none",
    "unknown_cgroup",
  ]);
});

Deno.test("AgentWorkloads tells its listener what a runtime says later", async () => {
  await using docker = dockerWith("web-1");
  using bench = new Bench({
    settings: { sockets: [{ api: "docker", path: docker.socketPath }], searchUsers: false },
  });
  const place = bench.made(10n, `/docker/${A}`);
  assert.equal(bench.workloads.identityOf(place, 6n, 70).workload.source, "pending");
  await bench.heard(hasName("web-1"));
  assert.deepEqual(bench.told.map(([id]) => id), Array(bench.told.length).fill(10n));
  assert.equal(bench.workloads.identityOf(place, 7n, 70).workload.name, "web-1");
});

Deno.test("AgentWorkloads hands on removals to the resolver, and forgetting to the listener", () => {
  using bench = new Bench({ removalDelayMs: 0 });
  const place = bench.made(10n, `/docker/${A}`);
  bench.workloads.identityOf(place, 6n, 70);
  const count = (state: string) =>
    bench.counters.snapshot().find(({ name, labels }) =>
      name === "shrike_workloads_cgroups" && labels["state"] === state
    )?.value;
  assert.deepEqual([count("live"), count("removed")], [1, 0]);
  const removed = { id: 10n, path: `/docker/${A}`, createdNs: 5n };
  bench.table?.apply(cgroupFact("cgroup_removed", removed, 9n));
  assert.deepEqual([count("live"), count("removed")], [0, 1]);
  assert.equal(bench.workloads.identityOf(place, 8n, 70).workload.id, A, "late events have it");
  bench.told.length = 0;
  bench.table?.sweep(10n);
  assert.deepEqual(bench.told, [[10n, "forgotten"]]);
});

Deno.test("AgentWorkloads tells of a cgroup whose path has changed", () => {
  using bench = new Bench();
  const place = bench.made(10n, "/made");
  const { workload } = bench.workloads.identityOf(place, 6n, 70);
  assert.equal(workload.reason, "unrecognised_path");
  const renamed = { id: 10n, path: `/docker/${A}`, createdNs: 5n };
  bench.table?.apply(cgroupFact("cgroup_renamed", renamed, 9n));
  assert.deepEqual(bench.told.map(([id, told]) => [id, (told as Workload).id]), [[10n, A]]);
  assert.equal(bench.workloads.identityOf(place, 9n, 70).workload.id, A);
});

Deno.test("AgentWorkloads has the table go by what the resolver knows, and read paths again", () => {
  using bench = new Bench();
  const node = `/docker/${A}`;
  assert.equal(bench.paths?.recognise(`${node}/docker/${B}`).id, A);
  assert.equal(bench.retracks, 0);
  bench.paths?.setHome(node);
  assert.equal(bench.retracks, 1);
  assert.equal(bench.paths?.recognise(`${node}/docker/${B}`).id, B);
});

Deno.test("AgentWorkloads goes by the names in /proc where cgroups are not followed", async () => {
  await using docker = dockerWith("web-1");
  using bench = new Bench({
    proc: { 70: `7:memory:/docker/${A}\n0::/\n`, 71: "0::/system.slice/ssh.service\n" },
    settings: { sockets: [{ api: "docker", path: docker.socketPath }], searchUsers: false },
  });
  const { workloads } = bench;
  const first = workloads.identityOf(NOWHERE, 6n, 70);
  assert.deepEqual([first.workload.id, first.workload.source], [A, "pending"]);
  assert.equal(first.cgroup.id, 0n, "the kernel's id is not known");
  assert.equal(workloads.entered(first, undefined), first.workload, "as the first of a container");
  const unit = workloads.identityOf(NOWHERE, 6n, 71);
  assert.deepEqual([unit.workload.name, unit.workload.source], ["ssh.service", "path"]);
  const ended = workloads.identityOf(NOWHERE, 6n, 72);
  assert.deepEqual([ended.cgroup, ended.workload.reason], [NOWHERE, "cgroups_not_followed"]);
  await bench.heard(hasName("web-1"));
  // By this id cache and amendments find the process.
  const names = bench.told.filter(([id]) => id === first.cgroup.trackingId).map(([, told]) => told);
  assert.equal((names.at(-1) as Workload).name, "web-1");
  assert.notEqual(unit.cgroup.trackingId, first.cgroup.trackingId);
});
