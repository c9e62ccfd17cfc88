/**
 * Whether events say the cgroup and the workload that their processes have.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { PlaceExample } from "../support/cgroup_places.ts";
import type { EventJson, ProcessEventJson, ProcessJson } from "./event_json.ts";

/** `process.workload`. */
export interface WorkloadJson {
  readonly kind: string;
  readonly name: string;
  readonly id: string;
  readonly source: string;
  readonly reason?: string;
}

/** A process with what says whose it is. Ids are strings, because they have 64 bits. */
export interface PlacedProcess extends ProcessJson {
  readonly cgroup?: {
    readonly id: string;
    readonly tracking_id?: string;
    readonly path?: string;
    readonly level: number;
  };
  readonly docker?: string;
  readonly workload?: WorkloadJson;
}

interface PlacedProcessEvent extends ProcessEventJson {
  readonly process: PlacedProcess;
  readonly parent?: PlacedProcess;
}

/** A line of `shrike run -o json`. */
export interface PlacedEvent extends EventJson {
  readonly process_exec?: PlacedProcessEvent;
  readonly process_exit?: PlacedProcessEvent;
}

/** How the events of a place are checked. */
export interface PlaceCheck {
  /** Id of the cgroup with that path in the hierarchy that must be followed. */
  idOf(path: string): string;
  /** How its path was learned. */
  readonly source: "kernel" | "path";
  /** Program that was run in it; /bin/true unless said. */
  readonly program?: string;
}

/** Checks exec and exit of the program that was run in a place. */
export function checkPlace(
  events: readonly PlacedEvent[],
  place: PlaceExample,
  { idOf, source, program = "/bin/true" }: PlaceCheck,
): void {
  const { path, namedBy = path, mark } = place;
  const isOf = (event: PlacedProcessEvent | undefined) =>
    event?.process.argv?.[0] === program && event.process.argv[1] === mark;
  const execs = events.flatMap(({ process_exec }) => isOf(process_exec) ? [process_exec!] : []);
  const losses = JSON.stringify(events.filter((event) => "gap" in event));
  assert.equal(execs.length, 1, `${program} ${mark}; losses told: ${losses}`);
  const exits = events.flatMap(({ process_exit }) => isOf(process_exit) ? [process_exit!] : []);
  if (program === "/bin/true") assert.equal(exits.length, 1, `end of ${mark}`);
  for (const { process } of [...execs, ...exits]) {
    const { cgroup, docker, workload } = process;
    assert.deepEqual(cgroup, {
      ...{ id: idOf(path), tracking_id: idOf(namedBy), path },
      level: path.split("/").length - 1,
    }, mark);
    assert.equal(docker, place.docker, mark);
    assert(workload !== undefined);
    const { source: told, reason, ...rest } = workload;
    assert.deepEqual(rest, place.workload, mark);
    const isAsked = place.isContainer && told === "pending";
    assert.deepEqual(
      [told, reason],
      isAsked ? ["pending", "lookup_running"] : [source, reasonOf(place)],
      mark,
    );
  }
}

/** Why no runtime has told more: there is none in the guest. */
function reasonOf({ isContainer, workload }: PlaceExample): string | undefined {
  if (isContainer) return "no_runtime";
  return workload["kind"] === "host" ? "unrecognised_path" : undefined;
}

/**
 * Checks all events about processes in the cgroups of a workload, with their parents: each is the
 * workload's, or of a process of the host's that only came in, or one of which the agent says that
 * it does not know whose it is.
 *
 * @param mayBeUnknown whether that last answer is allowed
 */
export function checkNobodyElse(
  events: readonly PlacedEvent[],
  { path, namedBy = path, workload, isContainer }: PlaceExample,
  { idOf, mayBeUnknown }: { idOf(path: string): string; readonly mayBeUnknown: boolean },
): void {
  const id = idOf(namedBy);
  let [own, visitors] = [0, 0];
  for (const event of events) {
    const { process, parent } = event.process_exec ?? event.process_exit ?? {};
    for (const each of [process, parent]) {
      const { id: cgroupId, tracking_id = cgroupId } = each?.cgroup ?? {};
      if (tracking_id !== id || each?.workload === undefined) continue;
      const text = JSON.stringify(each);
      const { id: workloadId, source, reason } = each.workload;
      if (reason === "entered_from_outside") {
        assert(isContainer, text);
        assert.notEqual(workloadId, workload["id"], text);
        visitors += 1;
      } else if (source === "none") {
        assert(mayBeUnknown && reason !== undefined, text);
      } else {
        assert.equal(workloadId, workload["id"], text);
        own += 1;
      }
    }
  }
  assert(own > 0 || mayBeUnknown, `no event from ${namedBy}`);
  // The program that makes the namespaces of a container is in its cgroup and not yet in them.
  if (isContainer && !mayBeUnknown) assert(visitors > 0, `nobody came into ${namedBy}`);
}
