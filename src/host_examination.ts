/**
 * What `shrike doctor` looks at, from the rooms that know it.
 *
 * @module
 */
import {
  CpuListError,
  type Libbpf,
  type Libc,
  onlineCpus,
  openLibbpf,
  openLibc,
  type ResourceLimit,
  Rlimit,
  RLIMIT_INFINITY,
} from "../ffi/mod.ts";
import { startAgent } from "./agent.ts";
import { AgentCgroups } from "./agent_cgroups.ts";
import { hostRooms } from "./agent_rooms.ts";
import { runtimeSettings } from "./agent_workloads.ts";
import { HostFiles, type OwnCgroupReport } from "./cgroups/mod.ts";
import { type Config, OFF } from "./config/mod.ts";
import {
  type ConfigSituation,
  type Examination,
  examineHost,
  type FeatureAnswer,
  type Limit,
  type LoadTrial,
  type RuntimesLook,
} from "./doctor/mod.ts";
import {
  KERNEL_FEATURES,
  KernelFeatures,
  LoadError,
  loadSensors,
  openFilesNeeded,
  openPayload,
  parseKernelVersion,
  readCgroupSubsystems,
} from "./loader/mod.ts";
import { SENSORS } from "./sensors/mod.ts";
import { Counters, type Log } from "./telemetry/mod.ts";
import { openWorkloads, SYSTEM_SOCKETS } from "./workloads/mod.ts";

/** What the examination starts from. */
export interface ExaminationOptions {
  readonly config: Config;
  readonly situation: ConfigSituation;
  readonly environment: Readonly<Record<string, string>>;
}

/** The files of this host. */
export function hostFiles(): HostFiles {
  return new HostFiles();
}

/** How long the agent may take to see itself move. */
const PROOF_TIMEOUT_MS = 3000;

/**
 * Examines this host: loads the sensors for a try and, where that works, lets an agent run for a
 * moment.
 */
export async function examineThisHost(options: ExaminationOptions): Promise<Examination> {
  const { config, situation, environment } = options;
  using libc = openLibc();
  const payload = openPayload();
  const { version, commit } = payload.build();
  const { trial, features, libbpf } = tryPrograms(payload.libbpfPath());
  const proof = "error" in trial ? undefined : await proveOwnCgroup(config);
  const runtimes = await lookAtRuntimes(config);
  const release = Deno.osRelease();
  const cpuCount = countCpus();
  return examineHost({
    files: hostFiles(),
    environment,
    pid: Deno.pid,
    nowMs: Date.now(),
    handles: libc,
    subsystems: readCgroupSubsystems(),
    proof,
    runtimes,
    release,
    kernelVersion: parseKernelVersion(release),
    architecture: Deno.build.arch,
    features,
    cpuCount,
    openFilesNeeded: openFilesNeeded(cpuCount),
    ...readLimits(libc),
    program: `shrike ${version} (${commit}, ${payload.form}), libbpf ${libbpf}`,
    trial,
  }, situation);
}

/** Without sysfs, which is then found missing, as many as this process may run on. */
function countCpus(): number {
  try {
    return onlineCpus().length;
  } catch (error) {
    if (!(error instanceof CpuListError)) throw error;
    return navigator.hardwareConcurrency;
  }
}

interface ProgramTrial {
  readonly trial: LoadTrial;
  readonly features: readonly FeatureAnswer[];
  /** Version of the library. */
  readonly libbpf: string;
}

function tryPrograms(libbpfPath: string): ProgramTrial {
  using libbpf = openLibbpf(libbpfPath);
  return { trial: tryLoad(libbpf), features: askFeatures(libbpf), libbpf: libbpf.version };
}

/** Into the kernel and out again, attached to nothing. */
function tryLoad(libbpf: Libbpf): LoadTrial {
  try {
    const payload = openPayload();
    const parts = { libbpf, payload, sensors: SENSORS, settings: {}, log: SILENT };
    using loaded = loadSensors(parts);
    const sensors = loaded.report.map(({ error, ...report }) => ({
      ...report,
      ...(error === undefined ? {} : { hint: error.hint }),
    }));
    return { sensors, mapMemorySize: loaded.mapMemorySize() };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const hint = error instanceof LoadError ? error.hint : "report it with this output";
    return { error: { message, hint } };
  }
}

function askFeatures(libbpf: Libbpf): FeatureAnswer[] {
  const features = new KernelFeatures(libbpf);
  return (Object.keys(KERNEL_FEATURES) as (keyof typeof KERNEL_FEATURES)[]).map((name) => {
    const { need } = KERNEL_FEATURES[name];
    try {
      return { name, need, answer: features.has(name) };
    } catch (error) {
      return { name, need, answer: error instanceof Error ? error.message : String(error) };
    }
  });
}

/** It is nobody to be asked, and must not enforce what another agent may enforce already. */
const WITHOUT_POLICIES = {
  controlSocket: OFF,
  policyDirectory: OFF,
  policyFiles: [],
  persistDirectory: OFF,
};

/**
 * Lets an agent without sinks run until it has seen itself in its cgroup. Undefined when it cannot
 * run, which other findings tell, or has not seen itself in time.
 */
async function proveOwnCgroup(config: Config): Promise<OwnCgroupReport | undefined> {
  let cgroups: AgentCgroups | undefined;
  try {
    await using _agent = await startAgent({
      ...{ nodeName: "doctor", counters: new Counters(), needsForks: false },
      config: { ...config, ...WITHOUT_POLICIES },
      environment: {},
      log: () => SILENT,
      openSinks: () => [],
    }, { ...hostRooms(), openCgroups: (parts) => cgroups = new AgentCgroups(parts) });
    const endMs = performance.now() + PROOF_TIMEOUT_MS;
    while (cgroups?.proof === undefined && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  } catch {
    return undefined;
  }
  return cgroups?.proof;
}

/** Asks the runtimes of this host who they are. */
export async function lookAtRuntimes(
  config: Pick<Config, "askRuntimes" | "runtimeSockets" | "runtimeTimeoutMs">,
): Promise<RuntimesLook> {
  const settings = runtimeSettings(config);
  const opened = openWorkloads({ settings, counters: new Counters(), onLearned: nothing });
  try {
    opened.resolver.start();
    const probes = await opened.probeRuntimes();
    const endpoints = probes.map(({ api, socketPath: path, error, failures: _, ...probe }) => ({
      ...{ api, path, ...probe },
      ...(error === undefined ? {} : { error: { text: error.message, hint: error.hint } }),
    }));
    const isFound = (api: string, path: string) =>
      endpoints.some((endpoint) => endpoint.api === api && endpoint.path === path);
    const isNamed = (path: string) => config.runtimeSockets.some((named) => named.path === path);
    const files = hostFiles();
    const unused = (settings.sockets ?? SYSTEM_SOCKETS)
      .map(({ api, path }) => ({ api, path, exists: files.exists(path) }))
      .filter(({ api, path, exists }) => !isFound(api, path) && (exists || isNamed(path)));
    return { isAsked: config.askRuntimes, endpoints, unused };
  } finally {
    opened.resolver.close();
  }
}

function readLimits(libc: Libc): { readonly lockedMemory: Limit; readonly openFiles: Limit } {
  const soft = ({ soft }: ResourceLimit) => soft === RLIMIT_INFINITY ? null : soft;
  return {
    lockedMemory: soft(libc.prlimit(Rlimit.lockedMemory)),
    openFiles: soft(libc.prlimit(Rlimit.openFiles)),
  };
}

const nothing = () => {};
/** The examination says itself what is to be said. */
const SILENT: Log = { error: nothing, warn: nothing, info: nothing, debug: nothing };
