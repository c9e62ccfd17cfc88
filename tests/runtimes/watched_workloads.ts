/**
 * The room under test, with the sockets of a test and what it says later.
 *
 * @module
 */
import type { Workload } from "../../src/events/mod.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import { type OpenedWorkloads, openWorkloads, type SocketPlace } from "../../src/workloads/mod.ts";
import { until } from "./private_runtime.ts";

/** Resolver, counters and amendments. */
export class WatchedWorkloads {
  readonly counters = new Counters();
  /** Every amendment, in order. */
  readonly learned: { readonly id: bigint; readonly workload: Workload }[] = [];
  readonly #room: OpenedWorkloads;
  #nextId = 1n;

  constructor(sockets: readonly SocketPlace[]) {
    this.#room = openWorkloads({
      settings: { sockets, searchUsers: false },
      counters: this.counters,
      onLearned: ({ id }, workload) => this.learned.push({ id, workload }),
    });
    this.#room.resolver.start();
  }

  /** Resolves a new cgroup of that path. */
  resolve(path: string, id: bigint = this.#nextId++): Workload {
    return this.#room.resolver.resolve({
      hierarchy: 1,
      id,
      createdNs: 1n,
      path,
      pathSource: "path",
    });
  }

  /** Resolves and waits until a runtime has told the names. */
  async resolveFully(path: string): Promise<Workload> {
    const id = this.#nextId++;
    await until(`a runtime knows "${path}"`, () => this.resolve(path, id).source === "runtime");
    return this.resolve(path, id);
  }

  /** Waits until the stream of changes is open. */
  async watching(api: string): Promise<void> {
    await until(
      `"${api}" is watched`,
      () => this.#room.describeRuntimes().some((link) => link.api === api && link.isWatching),
    );
  }

  /** Waits for a container that the runtime has announced, so that its names are there already. */
  async announced(count: number): Promise<void> {
    await until(
      `${count} subjects`,
      () =>
        this.counters.total("shrike_workloads_subjects") >= count &&
        this.counters.total("shrike_workloads_lookups_open") === 0,
    );
  }

  /** Waits for an amendment with that name. */
  async amended(name: string): Promise<void> {
    await until(
      `an amendment names "${name}"`,
      () => this.learned.some(({ workload }) => workload.name === name),
    );
  }

  [Symbol.dispose](): void {
    this.#room.resolver.close();
  }
}
