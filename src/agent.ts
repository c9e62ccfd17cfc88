/**
 * Start and stop order of all rooms.
 *
 * Start: libc, clock, payload, libbpf, sensors into the kernel, rings, sinks, tables of policies,
 * metrics, hooks, pipeline (which reads /proc first), control socket and policies. Stop: control
 * socket, hooks and policies, pipeline (empties the rings), last flows, metrics, sinks, rings, then
 * the rest in reverse; until when this run has watched is written down when all was handed over. A
 * step that fails undoes those before it.
 *
 * @module
 */
import type { Libbpf, Libc } from "../ffi/mod.ts";
import type {
  AgentOptions,
  AgentRooms,
  Capture,
  CaptureParts,
  CgroupRoom,
  MetricsRoom,
  NetworkRoom,
  PipelineRoom,
  PolicyParts,
  PolicyRoom,
  PresenceRoom,
} from "./agent_contract.ts";
import { needsNetwork } from "./agent_network.ts";
import { networkMapEntries, networkSettings } from "./agent_open_network.ts";
import type { Absence } from "./agent_presence.ts";
import { AgentUsage } from "./agent_usage.ts";
import type { WorkloadListener } from "./agent_workloads.ts";
import type { Config } from "./config/mod.ts";
import type { KernelDrops, LoadedSensors, MapEntries, SensorReport } from "./loader/mod.ts";
import type { PipelineOptions } from "./pipeline/mod.ts";
import type { SensorSettings } from "./sensors/mod.ts";
import {
  Counters,
  type Log,
  LossLedger,
  type SendDatagram,
  ServiceManager,
  type SystemClock,
  Watchdog,
} from "./telemetry/mod.ts";

/** Facts about an agent that runs. */
export interface AgentReady {
  readonly cpus: number;
  readonly processes: number;
  readonly sensors: readonly SensorReport[];
  /** When it is known that another run watched this host before. */
  readonly absence: Absence | undefined;
}

/** What an agent has used and lost. */
export interface AgentSummary {
  readonly durationMs: number;
  readonly lost: ReadonlyMap<string, number>;
  readonly cpuMs: number;
  /** Highest resident size, bytes. */
  readonly memoryPeakSize: number;
}

/** A running agent; disposing stops it. */
export interface Agent extends AsyncDisposable {
  readonly ready: AgentReady;
  readonly counters: Counters;
  /** Rejects when pipeline or capture fails; otherwise resolves when `stop()` has ended it. */
  readonly ended: Promise<void>;
  /** Policies it has now; while there are any it must not end for want of an output. */
  policyCount(): number;
  /** Ends everything and says what it was; the same answer for each call. */
  stop(): Promise<AgentSummary>;
}

const NS_PER_MS = 1_000_000;

/**
 * Starts an agent.
 *
 * @throws what the step that failed has thrown; nothing of the agent is left then
 */
export async function startAgent(options: AgentOptions, rooms: AgentRooms): Promise<Agent> {
  await using started = new AsyncDisposableStack();
  const { config, counters, log } = options;
  const libc = started.use(rooms.openLibc());
  const clock = rooms.openClock(libc);
  const usage = new AgentUsage(libc, clock);
  started.defer(() => usage.take());
  const losses = new LossLedger();
  const shared = { counters, losses, clock };
  const payload = rooms.openPayload();
  const presenceParts = { ...shared, config, payload, log: log("agent") };
  const presence = started.use(rooms.openPresence(presenceParts));
  const libbpf = started.use(rooms.openLibbpf(payload.libbpfPath()));
  logLibbpf(libbpf, log("libbpf"));
  const cgroups = rooms.openCgroups({ libc, config, counters, log: log("cgroup") });
  const workloads = started.use(rooms.openWorkloads({ config, counters, cgroups }));
  // Runtimes take some milliseconds to answer; meanwhile the sensors are loaded.
  workloads.start();
  const wanted = sensorParts(config, cgroups, libc.pageSize);
  const loadParts = { libbpf, payload, ...wanted, log: log("loader") };
  const sensors = started.use(rooms.loadSensors(loadParts));
  const { recordsMapFd } = sensors;
  const captureParts = { ...shared, payload, recordsMapFd, config, log: log("capture") };
  const { capture, captureFailed } = await startCapture(started, rooms, captureParts);
  const sinks = options.openSinks({ ...shared, libc });
  for (const sink of sinks) started.defer(() => sink.close());
  const watched = { ...shared, config, libbpf, libc, payload, sensors, cgroups, workloads, log };
  const { policies, network, metrics } = await openWatchers(started, rooms, watched);
  const dropParts = { ...shared, config, log: log("loader") };
  const drops = rooms.openDrops({ ...dropParts, sensors, capture, policies });
  const reader = rooms.openProc({ clock, libc, config, cgroups });
  const ticking = [cgroups, policies, network, presence, metrics];
  const turns = new Turns(turnWork({ libc, clock, capture, drops, ticking, log: log("agent") }));
  sensors.attach();
  network.attached();
  const absence = presence.begin();
  let processes = 0;
  const scan = () => counted(reader?.scan() ?? [], (count) => processes = count);
  const pipeline = rooms.openPipeline({
    ...{ ...shared, source: capture, sinks, nodeName: options.nodeName, config, workloads },
    cgroups: cgroups.open(sensors),
    options: {
      ...pipelineOptions(options, { cgroups, policies, network }),
      ...{ onTick: () => turns.tick(), scan, ...(reader !== undefined && { reader }) },
    },
  });
  workloads.listen(listeners(pipeline, policies));
  for (const follower of [policies, network]) follower?.follow(pipeline);
  const running = new Running(pipeline, captureFailed, { presence, sensors, policies, network });
  started.defer(() => running.stop());
  // Policies ask about what ran before. When the scan fails, the start has failed.
  await running.started;
  network.start();
  const controlParts = { ...shared, config, payload, policies, network, log: log("policy") };
  const control = started.use(rooms.openControl(controlParts));
  await control.start();
  metrics.started(sensors.report);
  const manager = openServiceManager(options.environment, libc);
  started.use(startWatchdog(manager, turns));
  const ready = { cpus: capture.rings.length, processes, sensors: sensors.report, absence };
  manager.ready(`Watching ${ready.cpus} CPUs`);
  const parts = started.move();
  const stop = async (): Promise<AgentSummary> => {
    for (const told of [manager, metrics]) told.stopping();
    await parts.disposeAsync();
    return { ...usage.taken, lost: losses.totals };
  };
  const policyCount = () => policies?.list().length ?? 0;
  return makeAgent({ ready, counters, ended: running.ended, policyCount }, stop);
}

function counted<Item>(
  items: readonly Item[],
  tell: (count: number) => void,
): readonly Item[] {
  tell(items.length);
  return items;
}

/** What goes by the sensors, before they are attached. */
async function openWatchers(
  started: AsyncDisposableStack,
  rooms: AgentRooms,
  { log, ...parts }:
    & Omit<PolicyParts, "log">
    & Pick<AgentOptions, "config" | "log">
    & { readonly losses: LossLedger },
): Promise<{
  readonly policies: PolicyRoom | undefined;
  readonly network: NetworkRoom;
  readonly metrics: MetricsRoom;
}> {
  const policies = rooms.openPolicies({ ...parts, log: log("policy") });
  started.defer(() => policies?.end());
  const network = rooms.openNetwork({ ...parts, log: log("network") });
  const metricsParts = { ...parts, policies, network, log: log("metrics") };
  const metrics = started.use(rooms.openMetrics(metricsParts));
  await metrics.start();
  return { policies, network, metrics };
}

/** `captureFailed` rejects when no more records will come. */
async function startCapture(
  started: AsyncDisposableStack,
  rooms: AgentRooms,
  parts: Omit<CaptureParts, "onFailure">,
): Promise<{ readonly capture: Capture; readonly captureFailed: Promise<void> }> {
  const { promise: captureFailed, reject } = Promise.withResolvers<void>();
  // Heard through `Running`; until there is one, the step under way fails by itself.
  captureFailed.catch(() => {});
  const capture = rooms.openCapture({ ...parts, onFailure: reject });
  started.defer(() => capture.stop());
  await capture.start();
  return { capture, captureFailed };
}

function makeAgent(
  parts: Pick<Agent, "ready" | "counters" | "ended" | "policyCount">,
  stop: Agent["stop"],
): Agent {
  let stopped: Promise<AgentSummary> | undefined;
  const stopOnce = () => stopped ??= stop();
  return {
    ...parts,
    stop: stopOnce,
    [Symbol.asyncDispose]: async () => void await stopOnce(),
  };
}

/** Both learn of workloads; events have their names before policies select them. */
function listeners(pipeline: PipelineRoom, policies: PolicyRoom | undefined): WorkloadListener {
  return {
    amend: (trackingId, ...learned) => {
      pipeline.amend(trackingId, ...learned);
      policies?.amend(trackingId);
    },
    forget: (trackingId) => pipeline.forget(trackingId),
  };
}

function pipelineOptions(
  { config, needsForks }: AgentOptions,
  { cgroups, policies, network }: {
    readonly cgroups: CgroupRoom;
    readonly policies: PolicyRoom | undefined;
    readonly network: NetworkRoom;
  },
): PipelineOptions {
  return {
    ...(policies !== undefined && { policies: policies.teller }),
    network: network.teller,
    onProcess: (fact, subject) => network.onProcess(fact, subject),
    holdBackMs: config.holdBackMs,
    ancestors: config.withAncestors,
    emitForks: config.withForks || needsForks,
    emitCgroups: config.withCgroups,
    onAttached: (fact) => cgroups.onAttached(fact),
    scanCgroups: () => cgroups.scan(),
  };
}

function sensorParts(
  config: Config,
  { settings, mapEntries }: CgroupRoom,
  pageSize: number,
): {
  readonly settings: Readonly<Record<string, SensorSettings>>;
  readonly mapEntries: MapEntries;
  readonly withNetwork: boolean;
  readonly withSignals: boolean;
} {
  const process = { ...settings.all, environment_variables: config.withEnvironment };
  const network = { ...settings.all, ...networkSettings(config) };
  const signal = { ...settings.all, report_all: config.signals === "all", page_size: pageSize };
  return {
    settings: { process, cgroup: settings.cgroup, network, signal },
    mapEntries: { ...mapEntries, ...networkMapEntries(config) },
    withNetwork: needsNetwork(config),
    withSignals: config.signals !== "none",
  };
}

/** After the start, which needs more than what follows, and then about every half minute. */
const TRIM_TURNS = 30;

/** What is done at each turn of the pipeline. */
function turnWork({ libc, clock, capture, drops, ticking, log }: {
  readonly libc: Pick<Libc, "trimMalloc">;
  readonly clock: Pick<SystemClock, "refresh">;
  readonly capture: Pick<Capture, "checkCpus">;
  readonly drops: Pick<KernelDrops, "check">;
  readonly ticking: readonly ({ tick(): void } | undefined)[];
  readonly log: Log;
}): (count: number) => void {
  return (count) => {
    drops.check();
    void capture.checkCpus();
    for (const room of ticking) room?.tick();
    logClockStep(clock.refresh(), log);
    if (count % TRIM_TURNS === 1) libc.trimMalloc();
  };
}

/** The pipeline's ticks: what is done about once a second, and the proof that it still turns. */
class Turns {
  count = 0;
  readonly #work: (count: number) => void;

  constructor(work: (count: number) => void) {
    this.#work = work;
  }

  tick(): void {
    this.count++;
    this.#work(this.count);
  }
}

/** What ends before a pipeline does. */
interface Watch {
  readonly presence: Pick<PresenceRoom, "end" | "fail">;
  readonly sensors: Pick<LoadedSensors, "detach">;
  readonly policies: Pick<PolicyRoom, "end"> | undefined;
  readonly network: Pick<NetworkRoom, "end">;
}

/** A pipeline that was started. */
class Running {
  /** Settles with the pipeline; rejects also when capture fails. */
  readonly ended: Promise<void>;
  /** Settles when the pipeline knows what ran before, or has failed. */
  readonly started: Promise<void>;
  readonly #abort = new AbortController();
  readonly #pipelineEnded: Promise<void>;
  readonly #watch: Watch;

  constructor(
    pipeline: Pick<PipelineRoom, "run" | "started">,
    captureFailed: Promise<void>,
    watch: Watch,
  ) {
    this.#watch = watch;
    this.#pipelineEnded = pipeline.run(this.#abort.signal);
    this.ended = Promise.race([this.#pipelineEnded, captureFailed]);
    // Somebody may look at it late or never; a failure is then still told by firstTurn or stop().
    this.ended.catch(() => watch.presence.fail());
    const turn = new Promise<void>((resolve) => setTimeout(resolve, 0));
    this.started = Promise.race([this.ended, turn.then(() => pipeline.started)]);
  }

  /**
   * No new records first, then the pipeline empties the rings. Flows last: what is in them is known
   * to the pipeline by then.
   */
  async stop(): Promise<void> {
    this.#watch.presence.end();
    this.#watch.sensors.detach();
    await this.#watch.policies?.end();
    this.#abort.abort();
    await this.#pipelineEnded.catch(() => {});
    await this.#watch.network.end();
  }
}

function openServiceManager(
  environment: Readonly<Record<string, string>>,
  libc: Libc,
): ServiceManager {
  const send: SendDatagram = (address, message) =>
    libc.sendDatagram(address, new Uint8Array(message));
  return new ServiceManager({ environment, pid: Deno.pid, send });
}

function startWatchdog(manager: ServiceManager, turns: Turns): Disposable {
  const { pingIntervalMs } = manager;
  if (pingIntervalMs === undefined) return { [Symbol.dispose]: () => {} };
  const watchdog = new Watchdog(manager, () => turns.count);
  const timer = setInterval(() => watchdog.tick(), pingIntervalMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function logLibbpf(libbpf: Libbpf, log: Log): void {
  libbpf.setLog((_level, text) => log.debug("{text}", { text: text.trimEnd() }), "info");
}

function logClockStep(movedNs: bigint, log: Log): void {
  if (movedNs === 0n) return;
  log.info("The wall clock moved by {ms} ms", { ms: Number(movedNs) / NS_PER_MS });
}
