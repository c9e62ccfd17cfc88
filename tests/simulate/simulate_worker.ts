/**
 * One simulation in a thread of its own.
 *
 * @module
 */
import { Simulation } from "./simulation.ts";

/** What a worker is asked for. */
export interface SimulationOrder {
  readonly seed: number;
  readonly records: number;
}

self.onmessage = async ({ data }: MessageEvent<SimulationOrder>) => {
  const { seed, records } = data;
  try {
    self.postMessage({ result: await new Simulation(seed, records).run() });
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
};
