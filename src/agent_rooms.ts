/**
 * The agent's rooms on this host.
 *
 * @module
 */
import { type Libc, onlineCpus, openLibbpf, openLibc, PollEvent, PollSet } from "../ffi/mod.ts";
import type { AgentRooms, DropsParts } from "./agent_contract.ts";
import { AgentCgroups } from "./agent_cgroups.ts";
import { AgentControl } from "./agent_control.ts";
import { AgentMetrics } from "./agent_metrics.ts";
import { NETWORK_SENSOR, openNetwork } from "./agent_open_network.ts";
import { openPolicies } from "./agent_open_policies.ts";
import { AgentPresence } from "./agent_presence.ts";
import { ProcCgroups } from "./agent_proc_cgroups.ts";
import { AgentWorkloads } from "./agent_workloads.ts";
import { type CaptureEvent, CapturePool } from "./capture/mod.ts";
import { hasHostPids, HostFiles } from "./cgroups/mod.ts";
import { learnHostNamespaces, openSystemClock, START_OFFSET_NS } from "./host.ts";
import {
  HookWatch,
  KernelDrops,
  loadSensors,
  openPayload,
  type RecordKindName,
  requireOpenFiles,
} from "./loader/mod.ts";
import { Pipeline } from "./pipeline/mod.ts";
import { PolicyHitDecoder, SENSORS } from "./sensors/mod.ts";
import type { Log } from "./telemetry/mod.ts";
import { ProcessCache, ProcReader } from "./state/mod.ts";

/** @throws {OpenFilesError} what comes next would run out of descriptors */
function openHostLibc(): Libc {
  const libc = openLibc();
  try {
    requireOpenFiles(libc, onlineCpus().length);
  } catch (error) {
    libc[Symbol.dispose]();
    throw error;
  }
  return libc;
}

const SIGNAL_SENSOR = "signal";

/** With them, what the kernel says of the host's namespaces. */
const loadSensorsOfHost: AgentRooms["loadSensors"] = ({ withNetwork, withSignals, ...parts }) => {
  const sensors = loadSensors({
    ...parts,
    sensors: SENSORS.filter(({ name }) =>
      (withNetwork || name !== NETWORK_SENSOR) && (withSignals || name !== SIGNAL_SENSOR)
    ),
  });
  learnHostNamespaces(sensors);
  return sensors;
};

/** The real ones. */
export function hostRooms(): AgentRooms {
  const decoders = [...SENSORS.flatMap((sensor) => sensor.decoders), new PolicyHitDecoder()];
  return {
    openLibc: openHostLibc,
    openClock: openSystemClock,
    openPayload,
    openLibbpf,
    openControl: (parts) => new AgentControl(parts),
    openPresence: (parts) => new AgentPresence(parts),
    openCgroups: (parts) => new AgentCgroups(parts),
    openWorkloads: (parts) =>
      new AgentWorkloads({
        ...parts,
        // Who wants no cgroups does not want to pay for a look into /proc at each exec either.
        ...(!parts.config.followCgroups && { proc: new ProcCgroups(() => undefined) }),
      }),
    loadSensors: loadSensorsOfHost,
    openCapture: ({ payload, config, log, onFailure, ...parts }) =>
      new CapturePool({
        ...parts,
        libbpfPath: payload.libbpfPath(),
        workerUrl: payload.workerUrl(),
        cpus: onlineCpus,
        ...(config.workers === undefined ? {} : { workers: config.workers }),
        ringPages: config.ringPages,
        sharedRingSize: config.sharedRingSize,
        onEvent: (event) => tellCaptureEvent(event, log, onFailure),
      }),
    openPolicies,
    openMetrics: (parts) => new AgentMetrics(parts),
    openNetwork,
    openDrops: (parts) => openDrops(parts, decoders),
    openProc: ({ clock, libc, config, cgroups }) => {
      // Other numbers than in the records would name other processes: see OWN_PIDS.
      if (!hasHostPids(new HostFiles())) return undefined;
      return new ProcReader({
        clock,
        placeOf: (text) => cgroups.placeOf(text),
        readLink: (path) => libc.readlink(path),
        environment: config.withEnvironment,
        startOffsetNs: START_OFFSET_NS,
      });
    },
    openPipeline: ({ nodeName, config, options, cgroups, workloads, ...parts }) => {
      const { clock, counters } = parts;
      const cache = new ProcessCache({
        ...{ nodeName, clock, counters },
        entriesMax: config.cacheEntries,
        bytesMax: config.cacheSize,
        identityOf: (place, timeNs, tgid) => workloads.identityOf(place, timeNs, tgid),
        onEntered: (identity, from) => workloads.entered(identity, from),
      });
      const table = cgroups === undefined ? {} : { cgroups };
      return new Pipeline({ ...parts, ...table, cache, decoders }, options);
    },
  };
}

function tellCaptureEvent(
  event: CaptureEvent,
  log: Log,
  onFailure: (error: Error) => void,
): void {
  switch (event.type) {
    case "failed":
      return onFailure(event.error);
    case "worker_restarted":
      return log.warn("{error}, continuing with a new worker", { error: event.error });
    case "cpu_added":
      return log.info("CPU {cpu} came online, reading it", { cpu: event.cpu });
    case "cpu_removed":
      return log.info("CPU {cpu} went offline", { cpu: event.cpu });
    case "cpu_left_out":
      return log.warn("{error}, continuing without that CPU", {
        error: event.error,
        hint: event.error.hint,
      });
    case "ring_smaller":
      return log.warn("The ring of CPU {cpu} has {size} bytes instead of {askedSize}", {
        ...{ cpu: event.cpu, size: event.size, askedSize: event.askedSize },
        hint: "raise LimitMEMLOCK= or kernel.perf_event_mlock_kb, or use a smaller --ring-pages",
      });
    default:
      event satisfies never;
  }
}

/** Asks poll(2) whether a small write to `fd` would wait. */
export function openWritePoll(libc: Libc, fd: number): () => boolean {
  const poll = new PollSet(libc, [fd], PollEvent.out);
  return () => poll.wait(0) > 0 && (poll.readyAt(0) & PollEvent.out) !== 0;
}

/**
 * Asks poll(2) whether the reader of `fd` has gone: a writer hears that at its next write only,
 * which on a quiet host may be hours away.
 */
export function openReaderPoll(libc: Libc, fd: number): () => boolean {
  const poll = new PollSet(libc, [fd], 0);
  return () => poll.wait(0) > 0 && (poll.readyAt(0) & (PollEvent.error | PollEvent.hangup)) !== 0;
}

/** What was lost in the kernel, and hooks that are not there any more. */
function openDrops(
  { capture, sensors, policies, config, ...parts }: DropsParts,
  kinds: readonly RecordKindName[],
): Pick<KernelDrops, "check"> {
  const hooks = new HookWatch({ ...parts, sensors, reattach: config.reattachHooks });
  const drops = new KernelDrops({
    ...{ ...parts, kinds, isStalled: (cpu) => capture.wasStalled(cpu) },
    sensors: {
      readDrops: (kind) => sensors.readDrops(kind),
      skippedRuns: () => [
        ...sensors.skippedRuns(),
        { program: "policies", count: policies?.skippedRuns() ?? 0 },
      ],
    },
  });
  return {
    check() {
      drops.check();
      hooks.tick();
    },
  };
}
