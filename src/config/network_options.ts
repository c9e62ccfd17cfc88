/**
 * Options of the network sensor and of the metrics endpoint.
 *
 * @module
 */
import { metricsAddress } from "./metrics_address.ts";
import { list, option, optional } from "./option.ts";
import { boolean, choice, duration, integer } from "./value.ts";

/** What rows of `shrike top` may be sorted by. */
const TRAFFIC_SORTS = [
  "traffic",
  "received",
  "sent",
  "packets",
  "connections",
  "execs",
  "name",
] as const;

/** As many as the kernel's programs compare with: NETWORK_DNS_PORTS_MAX. */
const DNS_PORTS_MAX = 8;

export const NETWORK_OPTIONS = {
  withNetwork: option(boolean(), true, {
    flag: "network",
    key: "network.accounting",
    group: "Network",
    commands: ["run"],
    help: "Count the traffic of every workload",
  }),
  withConnections: option(boolean(), false, {
    flag: "enable-connection-events",
    key: "network.connection_events",
    group: "Network",
    commands: ["run"],
    help: "Write process_connect, process_accept, process_listen and process_close events",
  }),
  withDns: option(boolean(), false, {
    flag: "enable-dns-events",
    key: "network.dns_events",
    group: "Network",
    commands: ["run"],
    help: "Write process_dns events of queries and answers",
  }),
  dnsPorts: list(
    { ...integer({ min: 1, max: 65_535 }), placeholder: "<port>" },
    {
      flag: "dns-port",
      itemsMax: DNS_PORTS_MAX,
      key: "network.dns_ports",
      group: "Network",
      commands: ["run"],
      help: "Ports of name servers, at most 8; 53 when none is given",
    },
  ),
  withFlows: option(boolean(), false, {
    flag: "enable-flow-events",
    key: "network.flow_events",
    group: "Network",
    commands: ["run"],
    help: "Write flow events: traffic by process and peer, once per interval",
  }),
  flowIntervalMs: option(duration({ min: 1000, max: 3_600_000 }), 15_000, {
    flag: "flow-interval",
    key: "network.flow_interval",
    group: "Network",
    commands: ["run"],
    help: "Time between two reports of flows",
  }),
  foldPorts: option(boolean(), false, {
    flag: "flow-fold-ports",
    key: "network.flow_fold_ports",
    group: "Network",
    commands: ["run"],
    help: "Flows that differ in the client's port only are one",
  }),
  flowEntries: option(integer({ min: 1024, max: 1_048_576 }), 32_768, {
    flag: "flow-entries",
    key: "network.flow_entries",
    group: "Network",
    commands: ["run"],
    help: "Flows kept apart in one interval at most; the rest goes to rows `other`",
  }),
  flowsPerWorkload: option(integer({ min: 16, max: 1_048_576 }), 8_192, {
    flag: "flows-per-workload",
    key: "network.flows_per_workload",
    group: "Network",
    commands: ["run"],
    help: "The same for one workload",
  }),
  socketEntries: option(integer({ min: 1024, max: 4_194_304 }), 16_384, {
    flag: "socket-entries",
    key: "network.socket_entries",
    group: "Network",
    commands: ["run"],
    help: "Sockets remembered at most, with the process that uses them",
  }),
  topFormat: option(choice(["table", "json"]), "table", {
    flag: "output",
    short: "o",
    group: "Output",
    commands: ["top"],
    isFlagOnly: true,
    help: "How traffic is written; json is a line for each interval",
  }),
  topSort: option(choice(TRAFFIC_SORTS), "traffic", {
    flag: "sort",
    group: "Output",
    commands: ["top"],
    help: "What has most of this comes first",
  }),
  topIntervalMs: option(duration({ min: 100, max: 3_600_000 }), 2000, {
    flag: "interval",
    group: "Output",
    commands: ["top"],
    help: "Time over which rates are taken",
  }),
  isTopOnce: option(boolean(), false, {
    flag: "once",
    group: "Output",
    commands: ["top"],
    isBare: true,
    help: "Write one interval and end",
  }),
  metricsAddress: optional(metricsAddress(), {
    flag: "metrics-address",
    key: "metrics.address",
    group: "Metrics",
    commands: ["run"],
    initialText: "off",
    help: "Where /metrics, /healthz and /readyz are answered: HOST:PORT, [IPV6]:PORT, unix:PATH",
  }),
  metricsSeriesMax: option(integer({ min: 100, max: 1_000_000 }), 10_000, {
    flag: "metrics-series",
    key: "metrics.series",
    group: "Metrics",
    commands: ["run"],
    help: "Series by workload at most; the rest is added up as workload `other`",
  }),
  measurePrograms: option(boolean(), false, {
    flag: "bpf-stats",
    key: "metrics.bpf_stats",
    group: "Metrics",
    commands: ["run"],
    help: "Let the kernel measure the time of BPF programs (all of the host; some ns per run)",
  }),
} as const;
