/**
 * The metrics endpoint of an agent, and what it is fed with.
 *
 * @module
 */
import type { Libbpf } from "../ffi/mod.ts";
import {
  buildSource,
  lossSource,
  type NetworkFigures,
  networkSource,
  type PolicyFigures,
  policySource,
  sensorSource,
  turnSource,
  workloadReadings,
} from "./agent_metric_sources.ts";
import { ControlError, ControlSocket } from "./api/mod.ts";
import { addressText, type Config, type MetricsAddress } from "./config/mod.ts";
import type { LoadedSensors, Payload } from "./loader/mod.ts";
import type { AgentHealth, SampleSource, SensorState } from "./metrics/mod.ts";
import type { Counters, Log, LossLedger } from "./telemetry/mod.ts";

/** What the metrics of an agent are made with. */
export interface AgentMetricsParts {
  readonly config: Pick<Config, "metricsAddress" | "metricsSeriesMax" | "measurePrograms">;
  readonly libbpf: Pick<Libbpf, "enableStats">;
  readonly payload: Pick<Payload, "build" | "form">;
  readonly sensors: Pick<LoadedSensors, "report" | "programInfo" | "mapUsage">;
  /** Undefined: this agent has no policies. */
  readonly policies: PolicyFigures | undefined;
  /** Undefined: traffic is not counted. */
  readonly network?: NetworkFigures | undefined;
  readonly counters: Counters;
  readonly losses: Pick<LossLedger, "totals">;
  readonly log: Log;
}

type Listening = Exclude<MetricsAddress, { kind: "off" }>;

const PURPOSE = { flag: "--metrics-address", whenTaken: "" };

/** Nothing here ends the agent: what cannot be had is told, and it goes on without. */
export class AgentMetrics implements AsyncDisposable {
  readonly #parts: AgentMetricsParts;
  readonly #parting = new AsyncDisposableStack();
  #health: AgentHealth | undefined;
  #isMeasured = false;

  constructor(parts: AgentMetricsParts) {
    this.#parts = parts;
  }

  /** Listens, when there is an address; until `started()` the agent is not ready. */
  async start(): Promise<void> {
    const { measurePrograms, metricsAddress: address } = this.#parts.config;
    if (measurePrograms) this.#measure();
    if (address === undefined || address.kind === "off") return;
    try {
      await this.#listen(address);
    } catch (error) {
      const hint = error instanceof ControlError ? error.hint : hintFor(error);
      const state = error instanceof ControlError
        ? error.message
        : `Cannot listen on "${addressText(address)}": ${(error as Error).message}`;
      this.#parts.log.warn("{state}, continuing without metrics", { state, hint });
    }
  }

  /** The pipeline has turned. */
  tick(): void {
    this.#health?.turned();
  }

  /** All programs are attached and what ran before is known. */
  started(sensors: readonly SensorState[]): void {
    this.#health?.started(sensors);
  }

  /** The agent is no longer ready; metrics can be had until it is disposed. */
  stopping(): void {
    this.#health?.stopping();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parting.disposeAsync();
  }

  /** The kernel counts for as long as somebody wants it to. */
  #measure(): void {
    const { libbpf, log } = this.#parts;
    try {
      this.#parting.use(libbpf.enableStats());
      this.#isMeasured = true;
    } catch (error) {
      log.warn("{error}, continuing without --bpf-stats", {
        ...{ error, hint: "it needs CAP_SYS_ADMIN and Linux 5.8" },
      });
    }
  }

  async #listen(address: Listening): Promise<void> {
    // Who wants no metrics does not wait for the library.
    const { AgentHealth, MetricsCounts, MetricsPages, MetricsServer } = await import(
      "./metrics/mod.ts"
    );
    const { log } = this.#parts;
    const health = new AgentHealth();
    const counts = new MetricsCounts(this.#parts.counters);
    const pages = new MetricsPages({ sources: await this.#sources(health), health, counts });
    if (address.kind === "unix") {
      this.#parting.use(await ControlSocket.claim(address.path, PURPOSE));
    }
    this.#parting.use(await MetricsServer.open({ place: address, pages, counts, log }));
    this.#health = health;
    this.#parts.log.info("Metrics are at {address}", { address: addressText(address) });
  }

  async #sources(health: AgentHealth): Promise<SampleSource[]> {
    const { ProcessFigures, WorkloadSeries } = await import("./metrics/mod.ts");
    const { counters, losses, payload, sensors, policies, network, config } = this.#parts;
    const sources: SampleSource[] = [
      buildSource(payload),
      new ProcessFigures(),
      turnSource(health),
      { name: "counters", collect: () => counters.snapshot() },
      lossSource(losses),
      sensorSource(sensors, this.#isMeasured),
    ];
    if (policies !== undefined) sources.push(policySource(policies, this.#isMeasured));
    if (network !== undefined) {
      sources.push(networkSource(network));
      const seriesMax = config.metricsSeriesMax;
      sources.push(new WorkloadSeries({ read: () => workloadReadings(network), seriesMax }));
    }
    return sources;
  }
}

function hintFor(error: unknown): string {
  switch ((error as { code?: unknown }).code) {
    case "EADDRINUSE":
      return "another program listens there; give another port with --metrics-address";
    case "EADDRNOTAVAIL":
      return "this host has no such address; use one that ip address shows, or 0.0.0.0";
    case "EAFNOSUPPORT":
      return "the service has no network; use unix:PATH, or see scripts/monitoring/README.md";
    case "EACCES":
      return "ports below 1024 need CAP_NET_BIND_SERVICE; give a higher one";
    default:
      return "give another --metrics-address, or off";
  }
}
