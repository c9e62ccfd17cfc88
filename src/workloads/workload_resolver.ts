/**
 * Cgroup -> workload: at once from what is known, better later when a runtime has answered.
 *
 * @module
 */
import type { Workload, WorkloadSource } from "../events/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";
import {
  type CgroupEntry,
  type CgroupIdentity,
  type CgroupLimits,
  CgroupWorkloads,
} from "./cgroup_workloads.ts";
import { isKnownAlike, isSettled, workloadOf } from "./entry_workload.ts";
import { type Answerer, type Lookup, Lookups } from "./lookups.ts";
import { unknownWorkload } from "./make_workload.ts";
import { outerContainer } from "./nesting.ts";
import { type PathRecognition, recognisePath, type RecognitionContext } from "./recognise_path.ts";
import type { RuntimeApi, RuntimeChange, Subject } from "./runtime/runtime_client.ts";
import { subjectKey, subjectOf } from "./subject_of.ts";
import type { TimerHandle, Timers } from "./timers.ts";

/** How often removed cgroups and unused subjects are looked through. */
const SWEEP_INTERVAL_MS = 5000;
/**
 * A subject that a runtime told of and that no cgroup uses is kept so long: image pulls are over.
 */
const UNUSED_MS = 60_000;

/** Namespaces of containerd believed to be there; more than any host was seen to have. */
const NAMESPACES_MAX = 64;

const ZERO_ID = unknownWorkload("zero_cgroup_id");
const NO_PATH = unknownWorkload("unknown_cgroup");

/** The runtimes, as far as the resolver needs them. */
export interface LinkSource {
  start(): void;
  linksFor(subject: Subject): readonly Answerer[];
  close(): void;
}

/** What links tell the resolver. */
export interface LinkEvents {
  readonly report: (change: RuntimeChange, api: RuntimeApi) => void;
  readonly found: (api: RuntimeApi) => void;
}

/** Takes a better workload of a cgroup. Must not throw. */
export type LearnedListener = (cgroup: CgroupIdentity, workload: Workload) => void;

/** Needs of the resolver. */
export interface ResolverOptions extends CgroupLimits {
  readonly subjectsMax: number;
  readonly context: RecognitionContext;
  readonly counters: Counters;
  readonly timers: Timers;
  readonly onLearned: LearnedListener;
  /** `recognise()` answers otherwise from now on. */
  readonly onContext?: (() => void) | undefined;
  readonly openLinks: (events: LinkEvents) => LinkSource;
}

/** Knows the workload of each cgroup. `resolve()` never waits, throws or does I/O. */
export class WorkloadResolver {
  readonly #options: ResolverOptions;
  readonly #cgroups: CgroupWorkloads;
  readonly #lookups: Lookups;
  readonly #links: LinkSource;
  readonly #bySource: Readonly<Record<WorkloadSource, Counter>>;
  readonly #amended: Counter;
  readonly #unrecognised: Counter;
  readonly #nested: Counter;
  /** Subjects a runtime told of, by the time it did. */
  readonly #announced = new Map<string, number>();
  #context: RecognitionContext;
  #timer: TimerHandle | undefined;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#context = options.context;
    const { counters, timers } = options;
    const resolutions = (source: WorkloadSource) =>
      counters.counter(
        "shrike_workloads_resolutions_total",
        "Answers to the question whose a cgroup is, by how the workload was known",
        { source },
      );
    this.#bySource = {
      kernel: resolutions("kernel"),
      path: resolutions("path"),
      runtime: resolutions("runtime"),
      pending: resolutions("pending"),
      none: resolutions("none"),
    };
    this.#amended = counters.counter(
      "shrike_workloads_amendments_total",
      "Workloads that became better known after events had carried them",
    );
    this.#unrecognised = counters.counter(
      "shrike_workloads_unrecognised_paths_total",
      "Cgroups whose path has no known form, so that they count as the host's",
    );
    this.#nested = counters.counter(
      "shrike_workloads_nested_total",
      "Containers whose first process came out of another container",
    );
    this.#cgroups = new CgroupWorkloads(options, counters, (key) => {
      if (!this.#announced.has(key)) this.#lookups.drop(key);
    });
    this.#links = options.openLinks({
      report: (change, api) => this.#onChange(change, api),
      found: (api) => this.#lookups.refreshAll({ api, withKnown: false }),
    });
    this.#lookups = new Lookups({
      answerersFor: (subject) => this.#links.linksFor(subject),
      counters,
      timers,
      changed: (lookup) => this.#onLookup(lookup),
      subjectsMax: options.subjectsMax,
    });
  }

  /** Looks for runtimes and begins to ask them. */
  start(): void {
    this.#links.start();
    this.#scheduleSweep();
  }

  /** The workload of a cgroup, as it is known now. The same object until something is learned. */
  resolve(cgroup: CgroupIdentity): Workload {
    const workload = this.#resolve(cgroup);
    this.#bySource[workload.source].value += 1;
    return workload;
  }

  /** Containers, pods and units whose first answer is still to come; a failure is one. */
  get openQuestions(): number {
    return this.#lookups.unansweredCount;
  }

  /**
   * A process came into a container, out of the workload `from`. The first one tells what is around
   * the container where the path does not.
   *
   * @returns the workload, with what is around it
   */
  entered(cgroup: CgroupIdentity, from: Workload | undefined): Workload {
    const entry = this.#cgroups.find(cgroup);
    if (entry === undefined) return this.#resolve(cgroup);
    if (entry.wasEntered) return entry.workload;
    entry.wasEntered = true;
    const outer = outerContainer(entry.workload, from);
    if (outer === undefined || entry.recognition.outer !== undefined) return entry.workload;
    this.#nested.value += 1;
    entry.recognition = { ...entry.recognition, outer };
    entry.workload = Object.freeze({ ...entry.workload, outer });
    return entry.workload;
  }

  /** What a path says, with all that is known of the host by now. */
  recognise(path: string): PathRecognition {
    return recognisePath(path, this.#context);
  }

  /** The agent and all it sees live in the container at that path. */
  setHome(home: string): void {
    this.#setContext({ ...this.#context, home });
  }

  /** A cgroup has another path now; told to `onLearned` when it was asked for before. */
  renamed(cgroup: CgroupIdentity): void {
    const known = this.#cgroups.find({ ...cgroup, path: undefined });
    if (known === undefined || known.removedMs !== undefined) return;
    const { path } = cgroup;
    if (path !== undefined && path !== known.cgroup.path) this.#readAgain(cgroup, path);
  }

  /** The cgroup is gone; late events still find its workload for the removal delay. */
  removed(hierarchy: number, id: bigint, createdNs: bigint): void {
    this.#cgroups.remove(hierarchy, id, createdNs, this.#options.timers.nowMs());
  }

  /** All cgroups with their workloads, oldest first, for `shrike cgroups`. */
  *entries(): Generator<{ readonly cgroup: CgroupIdentity; readonly workload: Workload }> {
    for (const { cgroup, workload } of this.#cgroups.entries()) yield { cgroup, workload };
  }

  /** Forgets what has waited long enough; called by itself, public for tests. */
  sweep(): void {
    const nowMs = this.#options.timers.nowMs();
    this.#cgroups.sweep(nowMs);
    for (const [key, announcedMs] of this.#announced) {
      if (announcedMs + UNUSED_MS > nowMs) break;
      this.#announced.delete(key);
      if (!this.#cgroups.isUsed(key)) this.#lookups.drop(key);
    }
  }

  /** Ends all questions and connections. */
  close(): void {
    this.#timer?.cancel();
    this.#links.close();
    this.#lookups.close();
  }

  #resolve(cgroup: CgroupIdentity): Workload {
    if (cgroup.id === 0n) return ZERO_ID;
    const known = this.#cgroups.find(cgroup);
    if (known !== undefined) {
      if (known.lookup === undefined && known.key !== undefined) this.#ask(known);
      return known.workload;
    }
    if (cgroup.path === undefined) return NO_PATH;
    return this.#admit(cgroup, cgroup.path).workload;
  }

  #admit(asked: CgroupIdentity, path: string): CgroupEntry {
    const { hierarchy, id, createdNs, pathSource } = asked;
    const cgroup: CgroupIdentity = { hierarchy, id, createdNs, path, pathSource };
    const recognition = recognisePath(path, this.#context);
    if (!recognition.isRecognised) this.#unrecognised.value += 1;
    const subject = subjectOf(recognition);
    const entry: CgroupEntry = {
      cgroup,
      recognition,
      lookup: undefined,
      key: subject === undefined ? undefined : subjectKey(subject),
      workload: NO_PATH,
      wasSettled: false,
      wasEntered: false,
      removedMs: undefined,
    };
    if (subject !== undefined) entry.lookup = this.#lookups.want(subject);
    entry.workload = workloadOf(entry);
    entry.wasSettled = isSettled(entry);
    this.#cgroups.put(entry);
    return entry;
  }

  /** Asks for an entry that found no room before. */
  #ask(entry: CgroupEntry): void {
    const subject = subjectOf(entry.recognition);
    if (subject !== undefined) entry.lookup = this.#lookups.want(subject);
    if (entry.lookup !== undefined) this.#update(entry);
  }

  #onLookup(lookup: Lookup): void {
    for (const entry of this.#cgroups.of(lookup.key)) {
      entry.lookup = lookup;
      this.#update(entry);
    }
  }

  /** Tells of names learned and of the first end of a question, not of each further failure. */
  #update(entry: CgroupEntry): void {
    const workload = workloadOf(entry);
    const isNews = workload.source === "runtime" || (isSettled(entry) && !entry.wasSettled);
    entry.wasSettled ||= isSettled(entry);
    if (isKnownAlike(entry.workload, workload)) return;
    entry.workload = workload;
    if (!isNews) return;
    this.#amended.value += 1;
    this.#options.onLearned(entry.cgroup, entry.workload);
  }

  #onChange(change: RuntimeChange, api: RuntimeApi): void {
    switch (change.type) {
      case "connected":
        // Names may have changed while nobody listened.
        this.#lookups.refreshAll({ api, withKnown: true });
        break;
      case "container":
        if (change.namespace !== undefined) this.#addNamespace(change.namespace);
        this.#announce(change.id, change.namespace, api);
        break;
      case "removed":
        this.#forgetContainer(change.id);
        break;
      case "namespaces":
        this.#setNamespaces(change.names);
        break;
    }
  }

  /** Asks before the first process of the container is seen. */
  #announce(id: string, namespace: string | undefined, api: RuntimeApi): void {
    // Docker's own API tells more about its containers.
    if (api === "containerd" && namespace === "moby") return;
    const isKubernetes = namespace === undefined || namespace === "k8s.io";
    const subject: Subject = {
      kind: "container",
      id,
      runtime: api === "cri" ? "containerd" : api,
      inPod: api === "cri" || namespace === "k8s.io",
      ...(isKubernetes ? {} : { namespace }),
    };
    const lookup = this.#lookups.refresh(subject);
    if (lookup === undefined) return;
    this.#announced.delete(lookup.key);
    this.#announced.set(lookup.key, this.#options.timers.nowMs());
  }

  #forgetContainer(id: string): void {
    const key = subjectKey({ kind: "container", id, runtime: "", inPod: false });
    if (!this.#announced.has(key) || this.#cgroups.isUsed(key)) return;
    this.#announced.delete(key);
    this.#lookups.drop(key);
  }

  /** containerd makes a namespace with what is first put into it, and tells nobody. */
  #addNamespace(name: string): void {
    const known = this.#context.containerdNamespaces ?? new Set();
    if (known.size < NAMESPACES_MAX) this.#setNamespaces([name]);
  }

  /** Of several containerd each tells its own; what is too many counts as news of all. */
  #setNamespaces(names: readonly string[]): void {
    const known = this.#context.containerdNamespaces;
    if (known !== undefined && names.every((name) => known.has(name))) return;
    let all = new Set([...known ?? [], ...names]);
    if (all.size > NAMESPACES_MAX) all = new Set(names);
    this.#setContext({ ...this.#context, containerdNamespaces: all });
  }

  /** Paths that looked like the host's may be containers by what is known now. */
  #setContext(context: RecognitionContext): void {
    this.#context = context;
    for (const { cgroup, recognition, removedMs } of [...this.#cgroups.entries()]) {
      if (cgroup.path === undefined || removedMs !== undefined) continue;
      if (isReadAlike(recognition, this.recognise(cgroup.path))) continue;
      this.#readAgain(cgroup, cgroup.path);
    }
    this.#options.onContext?.();
  }

  #readAgain(cgroup: CgroupIdentity, path: string): void {
    const entry = this.#admit(cgroup, path);
    this.#amended.value += 1;
    this.#options.onLearned(entry.cgroup, entry.workload);
  }

  #scheduleSweep(): void {
    this.#timer = this.#options.timers.after(SWEEP_INTERVAL_MS, () => {
      this.sweep();
      this.#scheduleSweep();
    });
  }
}

/** Whether a path still says the same; what is around it may have been learned otherwise. */
function isReadAlike(before: PathRecognition, now: PathRecognition): boolean {
  return before.isRecognised === now.isRecognised && before.kind === now.kind &&
    before.id === now.id && (now.outer === undefined || now.outer.id === before.outer?.id);
}
