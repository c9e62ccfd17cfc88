/**
 * All outlets as one. A faulty outlet must not stop the pipeline or starve the others.
 *
 * @module
 */
import type { AgentEvent } from "../events/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";
import type { PipelineOutlet } from "./outlet.ts";

/** Hands every event to every outlet and counts what they throw. */
export class Outlets {
  readonly #outlets: readonly { readonly outlet: PipelineOutlet; readonly failures: Counter }[];
  readonly #events: Readonly<Record<AgentEvent["type"], Counter>>;

  constructor(outlets: readonly PipelineOutlet[], counters: Counters) {
    this.#outlets = outlets.map((outlet) => ({
      outlet,
      failures: counters.counter(
        "shrike_pipeline_sink_failures_total",
        "Events and flushes on which a sink threw",
        { sink: outlet.name },
      ),
    }));
    const counter = (type: AgentEvent["type"]) =>
      counters.counter("shrike_pipeline_events_total", "Events handed to the sinks", { type });
    this.#events = {
      process_exec: counter("process_exec"),
      process_fork: counter("process_fork"),
      process_exit: counter("process_exit"),
      process_kprobe: counter("process_kprobe"),
      process_tracepoint: counter("process_tracepoint"),
      process_lsm: counter("process_lsm"),
      process_connect: counter("process_connect"),
      process_accept: counter("process_accept"),
      process_listen: counter("process_listen"),
      process_close: counter("process_close"),
      process_dns: counter("process_dns"),
      process_signal: counter("process_signal"),
      oom_kill: counter("oom_kill"),
      flow: counter("flow"),
      cgroup_created: counter("cgroup_created"),
      cgroup_removed: counter("cgroup_removed"),
      cgroup_released: counter("cgroup_released"),
      cgroup_renamed: counter("cgroup_renamed"),
      cgroup_attached: counter("cgroup_attached"),
      amend: counter("amend"),
      gap: counter("gap"),
    };
  }

  push(event: AgentEvent): void {
    this.#events[event.type].value += 1;
    for (const { outlet, failures } of this.#outlets) {
      try {
        outlet.push(event);
      } catch {
        failures.value += 1;
      }
    }
  }

  flush(): void {
    for (const { outlet, failures } of this.#outlets) {
      try {
        outlet.flush();
      } catch {
        failures.value += 1;
      }
    }
  }
}
