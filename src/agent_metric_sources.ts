/**
 * What the metrics tell beside the counters: of the rooms of a running agent, asked at each scrape.
 *
 * @module
 */
import type { Workload } from "./events/mod.ts";
import type { GapCause } from "./events/mod.ts";
import type { LoadedSensors, Payload, ProgramCounts } from "./loader/mod.ts";
import type {
  SampleSource,
  TrafficReading,
  WorkloadLabels,
  WorkloadReading,
} from "./metrics/mod.ts";
import type { PolicyHits, PolicyStatus } from "./policy/mod.ts";
import type { Labels, LossLedger, Sample } from "./telemetry/mod.ts";

/** What is asked of the network; `NetworkService` of `src/network` has it. */
export interface NetworkFigures {
  readTraffic(): {
    readonly workloads: readonly (Omit<WorkloadReading, "labels"> & {
      readonly workload?: Workload;
      readonly counts: readonly TrafficReading[];
    })[];
  };
  state(): { readonly state: "off" | "ok" | "degraded" };
  counts(): ReadonlyMap<string, bigint>;
}

/** What is asked of the policies. */
export interface PolicyFigures {
  list(): readonly PolicyStatus[];
  programInfo(): readonly Omit<ProgramCounts, "sensor">[];
  mapMemorySize(): number;
}

/** Named by what they tell; the rest is counters. */
type Named = Pick<Sample, "name" | "help" | "kind">;

const NS_PER_S = 1e9;
/** Policies told apart; more are added up as policy `other`. An agent takes some hundred. */
const POLICIES_MAX = 256;
const OTHER = "other";

function counterOf(name: string, help: string): Named {
  return { name, help, kind: "counter" };
}

function gaugeOf(name: string, help: string): Named {
  return { name, help, kind: "gauge" };
}

function sample(named: Named, labels: Labels, value: number): Sample {
  return { ...named, labels, value };
}

/** Every cause: a series that was not there before has no rate, and its first rise is not seen. */
const CAUSES: Readonly<Record<GapCause, true>> = {
  perf_ring_full: true,
  shared_ring_full: true,
  no_ring: true,
  kernel_error: true,
  program_skipped: true,
  hook_detached: true,
  hook_replaced: true,
  sink_queue_full: true,
  malformed_record: true,
  agent_restart: true,
};
const LOSS = counterOf("shrike_loss_total", "Records and events that were lost, by where");

/** The ledger of losses. */
export function lossSource(losses: Pick<LossLedger, "totals">): SampleSource {
  return {
    name: "losses",
    *collect() {
      const { totals } = losses;
      for (const cause of new Set([...Object.keys(CAUSES), ...totals.keys()])) {
        yield sample(LOSS, { cause }, totals.get(cause) ?? 0);
      }
    },
  };
}

const BUILD = gaugeOf("shrike_build_info", "1; the version is in the labels");

/** What this build is. */
export function buildSource(payload: Pick<Payload, "build" | "form">): SampleSource {
  const { version, commit } = payload.build();
  const labels = { version, commit, deno: Deno.version.deno, form: payload.form };
  return { name: "build", collect: () => [sample(BUILD, labels, 1)] };
}

const TURN = gaugeOf("shrike_pipeline_turn_age_seconds", "Time since the pipeline turned last");

/** Whether the pipeline turns. */
export function turnSource(health: { readonly turnAgeSeconds: number | undefined }): SampleSource {
  return {
    name: "turns",
    collect: () => [sample(TURN, {}, health.turnAgeSeconds ?? Number.NaN)],
  };
}

const LOADED = gaugeOf("shrike_sensor_loaded", "Whether the kernel has taken the sensor");
const LEFT_OUT = gaugeOf(
  "shrike_sensor_programs_left_out",
  "Programs that the sensor does without on this kernel",
);
const RUN_SECONDS = counterOf(
  "shrike_bpf_program_run_seconds_total",
  "Time the kernel spent in a program of the agent (--bpf-stats)",
);
const RUNS = counterOf(
  "shrike_bpf_program_runs_total",
  "Runs of a program of the agent (--bpf-stats)",
);
const SKIPPED = counterOf(
  "shrike_bpf_program_skipped_total",
  "Runs the kernel skipped because the program was running on that CPU; spares may have stood in",
);
const MAP_BYTES = gaugeOf("shrike_bpf_map_memory_bytes", "Kernel memory of a map of the agent");
const MAP_ENTRIES = gaugeOf("shrike_bpf_map_max_entries", "Entries that a map holds at most");

/** Programs and maps of sensors. */
export function sensorSource(
  sensors: Pick<LoadedSensors, "report" | "programInfo" | "mapUsage">,
  isMeasured: boolean,
): SampleSource {
  return {
    name: "sensors",
    *collect() {
      for (const { sensor, loaded, leftOut } of sensors.report) {
        yield sample(LOADED, { sensor }, loaded ? 1 : 0);
        yield sample(LEFT_OUT, { sensor }, leftOut.length);
      }
      for (const info of sensors.programInfo()) yield* programSamples(info, isMeasured);
      for (const { sensor, map, memorySize, maxEntries } of sensors.mapUsage()) {
        yield sample(MAP_BYTES, { sensor, map }, memorySize);
        yield sample(MAP_ENTRIES, { sensor, map }, maxEntries);
      }
    },
  };
}

function* programSamples(info: ProgramCounts, isMeasured: boolean): Generator<Sample> {
  const { sensor, program, runTimeNs, runCount, recursionMisses } = info;
  const labels = { sensor, program };
  yield sample(SKIPPED, labels, Number(recursionMisses));
  if (!isMeasured) return;
  yield sample(RUN_SECONDS, labels, Number(runTimeNs) / NS_PER_S);
  yield sample(RUNS, labels, Number(runCount));
}

const HITS = counterOf(
  "shrike_policy_hits_total",
  "Matches of a policy, by what was done: post, signal, override, monitored",
);
const WORKLOADS = gaugeOf("shrike_policy_workloads", "Workloads that a policy selects");
const SIZE = gaugeOf("shrike_policy_kernel_bytes", "Estimated kernel memory of a policy");
const POLICY_MAPS = gaugeOf("shrike_policy_map_memory_bytes", "Kernel memory of all policy maps");

/** Policies, with their programs. */
export function policySource(policies: PolicyFigures, isMeasured: boolean): SampleSource {
  return {
    name: "policies",
    *collect() {
      const all = policies.list();
      for (const policy of all.slice(0, POLICIES_MAX)) {
        const labels = { policy: policy.name, namespace: policy.namespace ?? "" };
        yield* hitSamples(labels, policy.hits);
        yield sample(SIZE, labels, policy.kernelSize);
        if (policy.workloads !== null) yield sample(WORKLOADS, labels, policy.workloads);
      }
      // Equal labels add up.
      for (const { hits } of all.slice(POLICIES_MAX)) {
        yield* hitSamples({ policy: OTHER, namespace: "" }, hits);
      }
      yield sample(POLICY_MAPS, {}, policies.mapMemorySize());
      for (const info of policies.programInfo()) {
        yield* programSamples({ ...info, sensor: "policy" }, isMeasured);
      }
    },
  };
}

function* hitSamples(labels: Labels, hits: PolicyHits): Generator<Sample> {
  for (const action of ["post", "signal", "override", "monitored"] as const) {
    yield sample(HITS, { ...labels, action }, hits[action]);
  }
}

const ACCOUNTED = gaugeOf(
  "shrike_network_accounting",
  "1 for the state that counting traffic by workload is in: off, ok or degraded",
);
const KERNEL = counterOf(
  "shrike_network_kernel_total",
  "What the programs of the network sensor count about themselves, by name",
);

/** How the network is counted; the traffic itself is in `workloadReadings()`. */
export function networkSource(network: NetworkFigures): SampleSource {
  return {
    name: "network",
    *collect() {
      const now = network.state().state;
      for (const state of ["off", "ok", "degraded"]) {
        yield sample(ACCOUNTED, { state }, state === now ? 1 : 0);
      }
      for (const [what, count] of network.counts()) yield sample(KERNEL, { what }, Number(count));
    },
  };
}

/** Traffic by workload with the names that it has now. */
export function workloadReadings(network: NetworkFigures): WorkloadReading[] {
  return network.readTraffic().workloads.map(({ workload, ...reading }) => ({
    ...reading,
    labels: workload === undefined ? UNNAMED : labelsOf(workload),
  }));
}

const UNNAMED: WorkloadLabels = {
  ...{ workload_kind: "", workload: "", pod: "", namespace: "", container: "" },
};

function labelsOf({ kind, name, pod, container }: Workload): WorkloadLabels {
  return {
    workload_kind: kind,
    workload: name,
    pod: pod?.name ?? pod?.uid ?? "",
    namespace: pod?.namespace ?? "",
    container: pod?.containerName ?? container?.name ?? "",
  };
}
