/**
 * The cgroup sensor: cgroups of the tracked hierarchy that come, go and get tasks, and the kernel's
 * map of them.
 *
 * @module
 */
import { CgroupRecordKind } from "../../wire/mod.ts";
import { cgroupGlobals } from "../cgroup_globals.ts";
import type { Sensor, SensorGlobals, SensorSettings } from "../sensor.ts";
import { AttachedDecoder, ChangeDecoder } from "./decode_change.ts";

/** `bpf/cgroup/cgroup.bpf.c` and how its records are read. */
export const cgroupSensor: Sensor = {
  name: "cgroup",
  isOptional: true,
  requires: ["btf", "tp_btf", "perf_event_array"],
  // Attached in this order: a cgroup whose making is seen must not go unseen.
  programs: [
    { name: "on_cgrp_release", hook: "tp_btf/cgroup_release", required: false },
    { name: "on_cgroup_rmdir", hook: "tp_btf/cgroup_rmdir", required: true },
    { name: "on_cgrp_rename", hook: "tp_btf/cgroup_rename", required: false },
    { name: "on_cgrp_attach", hook: "tp_btf/cgroup_attach_task", required: false },
    { name: "on_cgrp_transfer", hook: "tp_btf/cgroup_transfer_tasks", required: false },
    { name: "on_cgroup_mkdir", hook: "tp_btf/cgroup_mkdir", required: true },
    { name: "read_own_cgroup", hook: "raw_tp", required: false, isRunByAgent: true },
    { name: "set_policy_set", hook: "raw_tp", required: false, isRunByAgent: true },
  ],
  decoders: [
    new ChangeDecoder(CgroupRecordKind.CGROUP_CREATED_RECORD, "cgroup_created"),
    new ChangeDecoder(CgroupRecordKind.CGROUP_REMOVED_RECORD, "cgroup_removed"),
    new ChangeDecoder(CgroupRecordKind.CGROUP_RELEASED_RECORD, "cgroup_released"),
    new ChangeDecoder(CgroupRecordKind.CGROUP_RENAMED_RECORD, "cgroup_renamed"),
    new AttachedDecoder(),
  ],
  globals(settings) {
    return {
      ...cgroupGlobals(settings),
      report_attach: settings["report_attach"] === true,
      agent_tgid: numberOf(settings, "agent_tgid"),
      agent_pid_ns: numberOf(settings, "agent_pid_ns"),
      ...sharesOf(settings),
    };
  },
};

/** Those that are set; others are what the object says. */
function sharesOf(settings: SensorSettings): SensorGlobals {
  const shares = SHARES.filter((name) => typeof settings[name] === "number");
  return Object.fromEntries(shares.map((name) => [name, numberOf(settings, name)]));
}

const SHARES = ["cgroup_share_user", "cgroup_share_workload", "cgroup_share_all"] as const;

function numberOf(settings: SensorSettings, name: string): number {
  const value = settings[name];
  return typeof value === "number" ? value : 0;
}
