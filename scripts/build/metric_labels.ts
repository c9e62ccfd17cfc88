/**
 * Labels of metrics: what they mean, and those that do not stand beside the name in the source.
 *
 * @module
 */

/** Every label with what it tells; values are bounded in number unless it says otherwise. */
export const LABEL_MEANINGS: Readonly<Record<string, string>> = {
  action: "what a policy did: post, signal, override, or monitored (left undone by its mode)",
  api: "how a runtime is asked",
  bound: "which bound was reached",
  cause: "why, or where: see the gap events of the README",
  commit: "git commit of the build",
  container: "name of the container, in a pod that of its specification; else empty",
  cpu: "number of the CPU",
  deno: "version of the runtime",
  error: "code of the failure",
  family: "of the packets: ipv4, ipv6",
  form: "how the program is packed",
  kind: "kind of record, fact or subject",
  map: "name of the map",
  namespace: "of the pod or policy; else empty",
  page: "what was asked for: /metrics, /healthz, /readyz; other for all else",
  pod: "name of the pod, its uid until that is known; else empty",
  policy: "name of the policy; beyond 256 policies other",
  program: "name of the BPF program, with its hook where several are made of one",
  protocol: "of the packets: tcp, udp, other",
  reason: "why",
  record: "kind of record",
  result: "how it ended",
  route: "what the control socket was asked",
  runtime: "API of the runtime",
  sensor: "name of the sensor; policy for programs of policies",
  sink: "name of the sink",
  source: "where it is known from",
  state: "which state",
  status: "status of HTTP",
  type: "type of the event",
  version: "of shrike",
  what: "name in the kernel's counts",
  workload: "name of the workload; ended, unknown or other for the sums",
  workload_kind: "container, pod, service, ...; ended, unknown or other for the sums",
};

const WORKLOAD = ["workload_kind", "workload", "pod", "namespace", "container"];
const TRAFFIC = [...WORKLOAD, "family", "protocol"];
const PROGRAM = ["sensor", "program"];
const MAP = ["sensor", "map"];
const POLICY = ["policy", "namespace"];

/** By metric; an end-to-end test compares this with what an agent tells. */
export const METRIC_LABELS: Readonly<Record<string, readonly string[]>> = {
  shrike_bpf_map_max_entries: MAP,
  shrike_bpf_map_memory_bytes: MAP,
  shrike_bpf_program_run_seconds_total: PROGRAM,
  shrike_bpf_program_runs_total: PROGRAM,
  shrike_bpf_program_skipped_total: PROGRAM,
  shrike_build_info: ["version", "commit", "deno", "form"],
  shrike_capture_copies_total: ["cpu"],
  shrike_capture_foreign_total: ["cpu"],
  shrike_capture_kernel_lost_total: ["cpu"],
  shrike_capture_malformed_total: ["cpu"],
  shrike_capture_stalls_total: ["cpu"],
  shrike_capture_wakeup_switches_total: ["cpu"],
  shrike_export_bytes_total: ["sink"],
  shrike_export_dropped_total: ["sink"],
  shrike_export_events_total: ["sink"],
  shrike_export_failed_writes_total: ["sink"],
  shrike_export_filter_held: ["sink"],
  shrike_export_filter_undecided_total: ["sink"],
  shrike_export_filtered_total: ["sink"],
  shrike_export_queue_bytes: ["sink"],
  shrike_loss_total: ["cause"],
  shrike_network_accounting: ["state"],
  shrike_network_kernel_total: ["what"],
  shrike_network_receive_bytes_total: TRAFFIC,
  shrike_network_receive_packets_total: TRAFFIC,
  shrike_network_transmit_bytes_total: TRAFFIC,
  shrike_network_transmit_packets_total: TRAFFIC,
  shrike_policy_hits_total: [...POLICY, "action"],
  shrike_policy_kernel_bytes: POLICY,
  shrike_policy_workloads: POLICY,
  shrike_process_duplicates_total: ["kind"],
  shrike_process_unknown_total: ["kind"],
  shrike_sensor_loaded: ["sensor"],
  shrike_sensor_programs_left_out: ["sensor"],
  shrike_workload_connections: WORKLOAD,
  shrike_workload_execs_total: WORKLOAD,
  shrike_workloads_runtime_answer_seconds_total: ["runtime"],
  shrike_workloads_runtime_answers_total: ["runtime"],
};
