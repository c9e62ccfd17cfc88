/**
 * Whether the agent works, for those who restart it or send it traffic.
 *
 * @module
 */

/** An answer of `/healthz` or `/readyz`. */
export interface HealthAnswer {
  readonly isWell: boolean;
  /** As JSON; `reason` is there whenever it is not well. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** A sensor as `/readyz` tells it. */
export interface SensorState {
  readonly sensor: string;
  readonly loaded: boolean;
  readonly reason?: string;
}

/** Turns come about once a second; a machine that is busy with other things may skip some. */
const TURN_AGE_MAX_MS = 10_000;

/** What is known of the agent's life. */
export class AgentHealth {
  readonly #nowMs: () => number;
  #phase: "starting" | "running" | "stopping" = "starting";
  #lastTurnMs: number | undefined;
  #sensors: readonly SensorState[] = [];

  /** @param nowMs a clock that does not jump */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** The pipeline has turned. */
  turned(): void {
    this.#lastTurnMs = this.#nowMs();
  }

  /** The start is done: everything is attached and what ran before is known. */
  started(sensors: readonly SensorState[]): void {
    this.#phase = "running";
    this.#sensors = sensors;
    this.#lastTurnMs ??= this.#nowMs();
  }

  stopping(): void {
    this.#phase = "stopping";
  }

  /** Since the last turn, seconds; undefined before the first. */
  get turnAgeSeconds(): number | undefined {
    return this.#lastTurnMs === undefined
      ? undefined
      : Math.max(0, this.#nowMs() - this.#lastTurnMs) / 1000;
  }

  /** Whether the process does its work; a start and an end are no illness. */
  alive(): HealthAnswer {
    const age = this.turnAgeSeconds;
    if (this.#phase !== "running" || age === undefined) {
      return { isWell: true, body: { status: this.#phase } };
    }
    if (age * 1000 <= TURN_AGE_MAX_MS) {
      return { isWell: true, body: { status: "ok", turn_age_seconds: rounded(age) } };
    }
    const reason = `the pipeline has not turned for ${Math.floor(age)} s`;
    return {
      isWell: false,
      body: { status: "stalled", reason, turn_age_seconds: rounded(age) },
    };
  }

  /** Whether the host is watched. */
  ready(): HealthAnswer {
    if (this.#phase !== "running") {
      const reason = this.#phase === "starting"
        ? "the agent is starting: not all programs are attached yet"
        : "the agent is stopping: it watches no longer";
      return { isWell: false, body: { status: this.#phase, reason } };
    }
    const sensors = this.#sensors.map(({ sensor, loaded, reason }) => ({
      ...{ sensor, loaded },
      ...(reason !== undefined && { reason }),
    }));
    return { isWell: true, body: { status: "ready", sensors } };
  }
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
