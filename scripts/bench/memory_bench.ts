/**
 * Bench (d): memory of the agent after 25,000 execs, and of its BPF maps.
 *
 * @module
 */
import type { Bench } from "./bench.ts";
import { type Measurement, measurementOf } from "./measurement.ts";
import { type MemoryUsage, readMemoryUsage } from "./process_usage.ts";
import { RunningAgent, runStorm } from "./running_agent.ts";

const STORMS = 5;
const EXECS_PER_STORM = 5000;
const MB = 1e6;
const RESIDENT_MAX_MB = 100;
const MAPS_MAX_MB = 12;

/** Resident memory after 25,000 execs and memory of the BPF maps. */
export const memoryBench: Bench = {
  name: "memory",
  summary: "resident memory after 25,000 execs, BPF map and perf ring memory",
  async run(context) {
    const agent = await RunningAgent.start(context);
    try {
      await agent.waitUntilLive();
      const idle = await readMemoryUsage(agent.pid);
      const after: MemoryUsage[] = [];
      for (let i = 0; i < STORMS; i++) {
        await runStorm(context, context.programs.stormChild, EXECS_PER_STORM);
        await agent.linesUntilFence();
        const usage = await readMemoryUsage(agent.pid);
        after.push(usage);
        context.say(
          `memory after ${(i + 1) * EXECS_PER_STORM} execs: ${inMb(usage.resident)} MB resident, ` +
            `${inMb(usage.anonymous)} MB of it anonymous`,
        );
      }
      await agent.stop();
      return measurementsOf(idle, after);
    } catch (error) {
      await agent.kill();
      throw error;
    }
  },
};

function measurementsOf(idle: MemoryUsage, after: readonly MemoryUsage[]): Measurement[] {
  const bench = "memory";
  const unit = "MB";
  const last = after.at(-1) ?? idle;
  return [
    measurementOf([last.resident / MB], {
      bench,
      what: `resident after ${STORMS * EXECS_PER_STORM} execs`,
      unit,
      reference: `${inMb(idle.resident)} MB before`,
      target: { atMost: RESIDENT_MAX_MB },
    }),
    measurementOf([last.anonymous / MB], { bench, what: "anonymous part of it", unit }),
    measurementOf([last.bpfMaps / MB], {
      bench,
      what: `kernel memory of ${last.bpfMapCount} BPF maps`,
      unit,
      target: { atMost: MAPS_MAX_MB },
    }),
    measurementOf([last.perfRings / MB], {
      bench,
      what: `perf rings (mapped, ${navigator.hardwareConcurrency} CPUs)`,
      unit,
    }),
  ];
}

function inMb(bytes: number): string {
  return (bytes / MB).toFixed(1);
}
