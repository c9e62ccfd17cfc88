/**
 * Puts the room together.
 *
 * @module
 */
import type { Counters } from "../telemetry/mod.ts";
import type { RecognitionContext } from "./recognise_path.ts";
import { RuntimeDirectory } from "./runtime/runtime_directory.ts";
import type { LinkReport, ProbeReport } from "./runtime/runtime_link.ts";
import type { SocketPlace } from "./runtime/well_known_sockets.ts";
import { systemTimers } from "./timers.ts";
import { type LearnedListener, WorkloadResolver } from "./workload_resolver.ts";

/** 30,000 containers do not fit on a host; hosts with more units or sessions forget the oldest. */
const CGROUPS_MAX = 32_768;
/** Containers, pods and units whose names are remembered. */
const SUBJECTS_MAX = 4096;
/**
 * A busy runtime answers in milliseconds; one that hangs must not hold up the questions to others.
 */
const TIMEOUT_MS = 2000;
/**
 * `ContainerStatus` with its runtime specification is some 20 KiB, a node's list of pods some 300.
 */
const RESPONSE_SIZE_MAX = 4 * 1024 * 1024;
/** Late events come within milliseconds; people look a little later. */
const REMOVAL_DELAY_MS = 60_000;

/** What an operator may set. */
export interface WorkloadSettings {
  /** Sockets of runtimes; the well-known ones when missing. [] asks nobody. */
  readonly sockets?: readonly SocketPlace[];
  /** Whether rootless runtimes are asked, each about its user's containers only. */
  readonly searchUsers?: boolean;
  /** For one question to one runtime. */
  readonly timeoutMs?: number;
  /** How long a removed cgroup stays known. */
  readonly removalDelayMs?: number;
  readonly cgroupsMax?: number;
  readonly subjectsMax?: number;
  /** Container the agent and all it sees live in, as its detection found. */
  readonly home?: string;
}

/** Needs of the room. */
export interface WorkloadNeeds {
  readonly settings: WorkloadSettings;
  readonly counters: Counters;
  /**
   * Called when names were learned that events have gone without: in a task of its own, or out of
   * `setHome()` and `renamed()`.
   */
  readonly onLearned: LearnedListener;
  /** Called when paths are read otherwise from now on, as `recognise()` does. */
  readonly onContext?: () => void;
}

/** The room, not started. */
export interface OpenedWorkloads {
  readonly resolver: WorkloadResolver;
  /** State of the endpoints found. */
  readonly describeRuntimes: () => LinkReport[];
  /** Asks the endpoints found who they are; takes as long as the slowest may. Never throws. */
  readonly probeRuntimes: () => Promise<ProbeReport[]>;
}

/** Makes the resolver and its runtimes. Nothing is opened before `resolver.start()`. */
export function openWorkloads(
  { settings, counters, onLearned, onContext }: WorkloadNeeds,
): OpenedWorkloads {
  let directory: RuntimeDirectory | undefined;
  const context: RecognitionContext = settings.home === undefined ? {} : { home: settings.home };
  const resolver = new WorkloadResolver({
    cgroupsMax: settings.cgroupsMax ?? CGROUPS_MAX,
    subjectsMax: settings.subjectsMax ?? SUBJECTS_MAX,
    removalDelayMs: settings.removalDelayMs ?? REMOVAL_DELAY_MS,
    context,
    counters,
    timers: systemTimers,
    onLearned,
    onContext,
    openLinks: (events) =>
      directory = new RuntimeDirectory({
        ...events,
        ...(settings.sockets === undefined ? {} : { sockets: settings.sockets }),
        searchUsers: settings.searchUsers ?? true,
        limits: {
          timeoutMs: settings.timeoutMs ?? TIMEOUT_MS,
          responseSizeMax: RESPONSE_SIZE_MAX,
        },
        counters,
        timers: systemTimers,
      }),
  });
  return {
    resolver,
    describeRuntimes: () => directory?.describe() ?? [],
    probeRuntimes: async () => await directory?.probe() ?? [],
  };
}
