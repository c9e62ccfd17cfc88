/**
 * The signal sensor: who sent a signal that ends a process, and whom the kernel killed for memory.
 *
 * @module
 */
import { SignalReport } from "../../wire/mod.ts";
import { cgroupGlobals } from "../cgroup_globals.ts";
import type { Sensor } from "../sensor.ts";
import { OomDecoder } from "./decode_oom.ts";
import { SignalDecoder } from "./decode_signal.ts";

/** `bpf/signal/signal.bpf.c` and how its records are read. */
export const signalSensor: Sensor = {
  name: "signal",
  isOptional: true,
  requires: ["btf", "tp_btf", "perf_event_array"],
  programs: [
    { name: "on_oom_victim", hook: "tp_btf/mark_victim", required: false },
    { name: "on_signal", hook: "tp_btf/signal_generate", required: true },
  ],
  decoders: [new SignalDecoder(), new OomDecoder()],
  globals(settings) {
    const pageSize = settings["page_size"];
    return {
      ...cgroupGlobals(settings),
      signal_reports: settings["report_all"] === true
        ? SignalReport.SIGNAL_REPORT_ALL
        : SignalReport.SIGNAL_REPORT_FATAL,
      ...(typeof pageSize === "number" && { page_size: pageSize }),
    };
  },
};
