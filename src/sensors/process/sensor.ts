/**
 * The process sensor: every process start, new image and end.
 *
 * @module
 */
import type { Sensor } from "../sensor.ts";
import { ExecDecoder } from "./decode_exec.ts";
import { ExitDecoder } from "./decode_exit.ts";
import { ForkDecoder } from "./decode_fork.ts";

/** `bpf/process/process.bpf.c` and how its records are read. */
export const processSensor: Sensor = {
  name: "process",
  requires: ["btf", "tp_btf", "perf_event_array"],
  // Attached in this order: a process whose fork is seen must not end unseen.
  programs: [
    { name: "on_process_exit", hook: "tp_btf/sched_process_exit", required: true },
    { name: "on_process_exec", hook: "tp_btf/sched_process_exec", required: true },
    { name: "on_process_fork", hook: "tp_btf/sched_process_fork", required: true },
  ],
  decoders: [new ForkDecoder(), new ExecDecoder(), new ExitDecoder()],
  globals(settings) {
    return { collect_environment: settings["environment_variables"] === true };
  },
};
