/**
 * The executable with the runtimes of a test, and what it says about their containers.
 *
 * @module
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import type { EventJson } from "../e2e/event_json.ts";
import { RunningShrike } from "../e2e/shrike_process.ts";
import type { SocketPlace } from "../../src/workloads/mod.ts";
import {
  amendOf,
  type IdentityJson,
  judge,
  type Judgement,
  type PlacedProcessJson,
  processOf,
  type WorkloadJson,
} from "./workload_events.ts";

/** A `shrike run -o json` that asks the runtimes of a test. */
export class WatchedAgent implements AsyncDisposable {
  readonly #shrike: RunningShrike;

  private constructor(shrike: RunningShrike) {
    this.#shrike = shrike;
  }

  /** Starts it; it sees everything that runs from now on. */
  static async start(
    sockets: readonly SocketPlace[],
    args: readonly string[] = [],
  ): Promise<WatchedAgent> {
    const flags = sockets.map(({ api, path }) => `--runtime-socket=${api}:${path}`);
    return new WatchedAgent(await RunningShrike.start([...flags, ...args]));
  }

  /** All lines so far. */
  get events(): readonly EventJson[] {
    return this.#shrike.events;
  }

  /** The first exec of a container's own processes. */
  async firstExec(id: string): Promise<PlacedProcessJson> {
    const event = await this.#shrike.waitFor((event) => {
      const process = event.process_exec === undefined ? undefined : processOf(event);
      return process?.cgroup?.path?.includes(id) === true &&
        process.workload.reason !== "entered_from_outside";
    }, `the first exec of container ${id}`);
    const process = processOf(event);
    ok(process !== undefined);
    return process;
  }

  /** Whose the process of an exec is, once a runtime has told: by the exec itself or amended. */
  named(process: PlacedProcessJson): Promise<IdentityJson> {
    return this.#told(process, ({ source }) => source === "runtime");
  }

  /** Whether anything was told later of an exec. */
  isAmended({ exec_id }: PlacedProcessJson): boolean {
    return this.events.some((event) => amendOf(event)?.exec_id === exec_id);
  }

  /** When the name of an exec's workload was told, ms since the epoch; it has been. */
  amendedAtMs({ exec_id }: PlacedProcessJson): number {
    const event = this.events.find((event) => {
      const amend = amendOf(event);
      return amend?.exec_id === exec_id && amend.workload.source === "runtime";
    });
    ok(event !== undefined);
    return Date.parse(event.time);
  }

  /** Waits for an exec in a container with that argument. */
  execIn(id: string, argument: string): Promise<PlacedProcessJson> {
    return this.#execIn(id, argument, -Infinity);
  }

  /** Waits for an exec in a container with that argument that has not happened yet. */
  nextExecIn(id: string, argument: string): Promise<PlacedProcessJson> {
    return this.#execIn(id, argument, Date.now());
  }

  async #execIn(id: string, argument: string, sinceMs: number): Promise<PlacedProcessJson> {
    const event = await this.#shrike.waitFor((event) => {
      if (Date.parse(event.time) < sinceMs) return false;
      const process = event.process_exec === undefined ? undefined : processOf(event);
      return process?.cgroup?.path?.includes(id) === true &&
        process.argv?.includes(argument) === true &&
        process.workload.reason !== "entered_from_outside";
    }, `an exec of "${argument}" in container ${id}`);
    const process = processOf(event);
    ok(process !== undefined);
    return process;
  }

  /** Waits until everything that has happened by now has been told. */
  settle(): Promise<void> {
    return this.#shrike.seeCanary();
  }

  /** What all events say about those containers; fails when anything is not true. */
  judge(ids: Iterable<string>): Judgement {
    const judgement = judge(this.events, new Set(ids));
    deepStrictEqual(judgement.wrong, []);
    return judgement;
  }

  async #told(
    process: PlacedProcessJson,
    matches: (workload: WorkloadJson) => boolean,
  ): Promise<IdentityJson> {
    if (matches(process.workload)) return process;
    const event = await this.#shrike.waitFor((event) => {
      const amend = amendOf(event);
      return amend?.exec_id === process.exec_id && matches(amend.workload);
    }, `the amendment of ${process.exec_id} (${process.workload.name})`);
    const amend = amendOf(event);
    ok(amend !== undefined);
    return amend;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shrike.end("SIGTERM");
    await this.#shrike[Symbol.asyncDispose]();
  }
}
