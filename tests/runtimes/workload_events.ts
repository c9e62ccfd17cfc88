/**
 * What the lines of `shrike run -o json` say about workloads, and whether that is true.
 *
 * @module
 */
import type { EventJson, ProcessEventJson, ProcessJson } from "../e2e/event_json.ts";

/** `workload` of a process or an amendment. */
export interface WorkloadJson {
  readonly kind: string;
  readonly name: string;
  readonly id: string;
  readonly container?: ContainerJson;
  readonly pod?: Readonly<Record<string, string>>;
  readonly outer?: { readonly runtime: string; readonly id: string };
  readonly source: string;
  readonly reason?: string;
}

/** `workload.container`. */
export interface ContainerJson {
  readonly runtime: string;
  readonly id: string;
  readonly name?: string;
  readonly image?: { readonly id?: string; readonly name?: string };
  readonly labels?: Readonly<Record<string, string>>;
  readonly pid?: number;
}

/** Tetragon's `pod`. */
export interface PodJson {
  readonly namespace?: string;
  readonly name?: string;
  readonly uid: string;
  readonly container?: { readonly id: string; readonly name?: string };
  readonly pod_labels?: Readonly<Record<string, string>>;
}

/** Members that say whose something is. */
export interface IdentityJson {
  readonly cgroup?: { readonly id: string; readonly path?: string };
  readonly docker?: string;
  readonly pod?: PodJson;
  readonly workload: WorkloadJson;
}

/** `process` with whose it is. */
export interface PlacedProcessJson extends ProcessJson, IdentityJson {
  /** Missing in the host's pid namespace. */
  readonly namespace_pid?: number;
}

/** What was learned of an earlier event. */
export interface AmendJson extends IdentityJson {
  readonly exec_id: string;
}

/** A line with its time. */
export interface AmendLine {
  readonly amend: AmendJson;
  readonly time: string;
}

/** The process of an event, however it is called; undefined for gaps and amendments. */
export function processOf(event: EventJson): PlacedProcessJson | undefined {
  const body: ProcessEventJson | undefined = event.process_exec ?? event.process_exit ??
    event.process_fork;
  return body?.process as PlacedProcessJson | undefined;
}

/** The amendment in an event, if it is one. */
export function amendOf(event: EventJson): AmendJson | undefined {
  return (event as Partial<AmendLine>).amend;
}

/** What the events say about the processes of some containers. */
export interface Judgement {
  /** The first exec of each container, by id. */
  readonly first: ReadonlyMap<string, { readonly event: EventJson; process: PlacedProcessJson }>;
  /** Events of processes in a container. */
  readonly own: number;
  /** Events of processes that only entered the cgroup: set-up processes of runtimes. */
  readonly visits: number;
  /** What is not true, in words. */
  readonly wrong: readonly string[];
}

/**
 * Compares what each event says with the cgroup its process was in.
 *
 * A process in a container's cgroup is the container's if it is in a pid namespace of its own, and
 * a visitor with another workload if it is in the host's, or came out of another of the containers.
 * Outside nothing is the container's.
 */
export function judge(events: readonly EventJson[], ids: ReadonlySet<string>): Judgement {
  const first: Map<string, { event: EventJson; process: PlacedProcessJson }> = new Map();
  const counts = { own: 0, visits: 0 };
  const wrong: string[] = [];
  for (const event of events) {
    const process = processOf(event);
    if (process === undefined) continue;
    const id = idsIn(process.cgroup?.path).find((id) => ids.has(id));
    const { workload } = process;
    if (id === undefined) {
      if (ids.has(workload.id)) wrong.push(`outside, but said to be inside: ${words(process)}`);
      continue;
    }
    if (workload.reason === "entered_from_outside") {
      counts.visits += 1;
      if (workload.id === id || process.docker === id.slice(0, 31)) {
        wrong.push(`a visitor said to be at home: ${words(process)}`);
      }
      if (process.namespace_pid !== undefined && !ids.has(workload.id)) {
        wrong.push(`inside, but said to be a visitor: ${words(process)}`);
      }
      continue;
    }
    counts.own += 1;
    if (workload.id !== id || !["container", "pod"].includes(workload.kind)) {
      wrong.push(`somebody else's: ${words(process)}`);
    }
    if (process.docker !== id.slice(0, 31)) wrong.push(`"docker" is wrong: ${words(process)}`);
    if (process.namespace_pid === undefined) {
      wrong.push(`in the host's pid namespace: ${words(process)}`);
    }
    if (event.process_exec !== undefined && !first.has(id)) first.set(id, { event, process });
  }
  return { first, ...counts, wrong };
}

function idsIn(path = ""): readonly string[] {
  return path.match(/[0-9a-f]{64}/g) ?? [];
}

function words({ pid, binary, arguments: rest = "", cgroup, workload }: PlacedProcessJson): string {
  const { kind, name, source, reason = "" } = workload;
  return `${pid} ${binary} ${rest} in ${cgroup?.path}: ${kind} ${name} ${source} ${reason}`;
}
