/**
 * The process sensor: every process start, new image and end.
 *
 * @module
 */
import { cgroupGlobals } from "../cgroup_globals.ts";
import type { Sensor } from "../sensor.ts";
import { ExecDecoder } from "./decode_exec.ts";
import { ExitDecoder } from "./decode_exit.ts";
import { ForkDecoder } from "./decode_fork.ts";

const EXIT_HOOK = "tp_btf/sched_process_exit";
const EXEC_HOOK = "tp_btf/sched_process_exec";
const FORK_HOOK = "tp_btf/sched_process_fork";

/** Since 7.0 tracepoints can be preempted: `bpf/include/preemption.bpf.h`. */
const SPARE = { required: false, since: [7, 0] } as const;

/** `bpf/process/process.bpf.c` and how its records are read. */
export const processSensor: Sensor = {
  name: "process",
  requires: ["btf", "tp_btf", "perf_event_array"],
  // Attached in this order: a process whose fork is seen must not end unseen.
  programs: [
    { name: "on_process_exit", hook: EXIT_HOOK, required: true },
    { name: "on_exit_spare", hook: EXIT_HOOK, ...SPARE, spareOf: "on_process_exit" },
    { name: "on_process_exec", hook: EXEC_HOOK, required: true },
    { name: "on_exec_spare", hook: EXEC_HOOK, ...SPARE, spareOf: "on_process_exec" },
    { name: "on_process_fork", hook: FORK_HOOK, required: true },
    { name: "on_fork_spare", hook: FORK_HOOK, ...SPARE, spareOf: "on_process_fork" },
    { name: "read_host_namespaces", hook: "raw_tp", required: false, isRunByAgent: true },
  ],
  decoders: [new ForkDecoder(), new ExecDecoder(), new ExitDecoder()],
  globals(settings) {
    return {
      collect_environment: settings["environment_variables"] === true,
      ...cgroupGlobals(settings),
    };
  },
};
