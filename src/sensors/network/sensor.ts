/**
 * The network sensor: traffic by workload, and on request flows, connections and DNS.
 *
 * @module
 */
import { NetworkLimit } from "../../wire/mod.ts";
import { cgroupGlobals } from "../cgroup_globals.ts";
import { DnsDecoder } from "./decode_dns.ts";
import { SocketDecoder } from "./decode_socket.ts";
import type { Sensor, SensorProgram, SensorSettings } from "../sensor.ts";

/** Programs at the root of the cgroup v2 tree. */
function atRoot(name: string, hook: string, required = false): SensorProgram {
  return { name, hook, required, attachTo: "cgroup_root" };
}

/** sock_send_length and sock_recv_length are there since 6.3; functions stand in before. */
const USE_TRACEPOINTS = [6, 3] as const;

/** `bpf/network/network.bpf.c` and how its records are read. */
export const networkSensor: Sensor = {
  name: "network",
  isOptional: true,
  requires: ["btf", "tp_btf", "perf_event_array"],
  // Attached in this order: who uses a socket first, so that packets find an owner.
  programs: [
    { name: "on_tcp_destroy", hook: "tp_btf/tcp_destroy_sock", required: false },
    { name: "on_accept", hook: "fexit/inet_csk_accept", required: false },
    { name: "on_set_state", hook: "tp_btf/inet_sock_set_state", required: true },
    {
      ...{ name: "on_state_spare", hook: "tp_btf/inet_sock_set_state", required: false },
      spareOf: "on_set_state",
    },
    { name: "on_retransmit", hook: "tp_btf/tcp_retransmit_skb", required: false },
    atRoot("on_sock_release", "cgroup/sock_release"),
    atRoot("on_sock_create", "cgroup/sock_create"),
    atRoot("on_bind4", "cgroup/bind4"),
    atRoot("on_bind6", "cgroup/bind6"),
    atRoot("on_post_bind4", "cgroup/post_bind4"),
    atRoot("on_post_bind6", "cgroup/post_bind6"),
    atRoot("on_connect4", "cgroup/connect4"),
    atRoot("on_connect6", "cgroup/connect6"),
    atRoot("on_sendmsg4", "cgroup/sendmsg4"),
    atRoot("on_sendmsg6", "cgroup/sendmsg6"),
    ...["send", "recv"].map((what) => ({
      ...{ name: `on_${what}_length`, hook: `tp_btf/sock_${what}_length`, required: false },
      since: USE_TRACEPOINTS,
      isRepeated: true,
    })),
    ...["inet_sendmsg", "inet6_sendmsg", "inet_recvmsg", "inet6_recvmsg"].map((name) => ({
      ...{ name: `on_${name}`, hook: `fentry/${name}`, required: false },
      before: USE_TRACEPOINTS,
      isRepeated: true,
    })),
    { name: "on_old_socket", hook: "iter/task_file", required: false, isRunByAgent: true },
    atRoot("on_ingress", "cgroup_skb/ingress", true),
    atRoot("on_egress", "cgroup_skb/egress", true),
  ],
  decoders: [new SocketDecoder(), new DnsDecoder()],
  globals(settings) {
    return {
      ...cgroupGlobals(settings),
      report_connections: settings["report_connections"] === true,
      report_dns: settings["report_dns"] === true,
      report_flows: settings["report_flows"] === true,
      fold_ports: settings["fold_ports"] === true,
      use_socket_hash: settings["use_socket_hash"] === true,
      flows_max: numberOf(settings, "flows_max"),
      workload_flows_max: numberOf(settings, "workload_flows_max"),
      ...portGlobals(settings),
    };
  },
};

function numberOf(settings: SensorSettings, name: string): number {
  const value = settings[name];
  return typeof value === "number" ? value : 0;
}

const PORTS_OF_WORD = 4;
const DNS_PORT = 53;

/** Ports of DNS, in the setting `dns_ports` with commas between; four to a variable. */
function portGlobals(settings: SensorSettings): Record<string, bigint> {
  const text = settings["dns_ports"];
  const ports = typeof text === "string" && text !== "" ? text.split(",").map(Number) : [DNS_PORT];
  const word = (start: number) =>
    ports.slice(0, NetworkLimit.NETWORK_DNS_PORTS_MAX).slice(start, start + PORTS_OF_WORD)
      .reduce((sum, port, index) => sum | BigInt(port & 0xffff) << BigInt(16 * index), 0n);
  return { dns_ports_low: word(0), dns_ports_high: word(PORTS_OF_WORD) };
}
