/**
 * The network on this host: the sensor's tables in the running kernel, and how the sensor is set.
 *
 * @module
 */
import type { NetworkParts } from "./agent_contract.ts";
import { LibbpfError } from "../ffi/mod.ts";
import { AgentNetwork, needsNetwork, type OpenedKernel } from "./agent_network.ts";
import type { Config } from "./config/mod.ts";
import { type LoadedSensors, type MapEntries, meetOldSockets, NetworkMaps } from "./loader/mod.ts";
import type { ProgramTime } from "./network/mod.ts";
import type { SensorSettings } from "./sensors/mod.ts";
import { NetworkLimit } from "./wire/mod.ts";

/** Name of the sensor. */
export const NETWORK_SENSOR = "network";

/** Without the sensor, programs started are counted all the same. */
export function openNetwork(parts: NetworkParts): AgentNetwork {
  const { sensors, config, libc } = parts;
  return new AgentNetwork({
    ...parts,
    openKernel: () => openKernel(parts),
    meetOldSockets: () => meetOldSockets({ sensors, libc }),
    programTime: () => config.measurePrograms ? programTime(sensors) : undefined,
  });
}

function openKernel({ sensors, libc, config }: NetworkParts): OpenedKernel {
  if (!needsNetwork(config)) return { reason: "it is switched off", hint: "use --network" };
  const report = sensors.report.find(({ sensor }) => sensor === NETWORK_SENSOR);
  if (report?.loaded !== true) {
    const { reason = "this agent has no network sensor", error } = report ?? {};
    return { reason, ...(error !== undefined && { hint: error.hint }) };
  }
  if (!PACKET_PROGRAMS.every((program) => sensors.isAttached(program))) {
    const { reason = "" } = report.leftOut.at(-1) ?? {};
    const hint = "see the log of the loader, and `shrike doctor`";
    return { reason: `its programs cannot be attached: ${reason}`, hint };
  }
  try {
    return new NetworkMaps({ sensors, libc, withFlows: config.withFlows });
  } catch (error) {
    if (!(error instanceof LibbpfError)) throw error;
    return { reason: error.message, hint: "see the log of the kernel" };
  }
}

/** They see every packet; without them nothing is counted. */
const PACKET_PROGRAMS = ["on_ingress", "on_egress"];

/** All programs of the sensors; undefined while the kernel measures none. */
function programTime(sensors: Pick<LoadedSensors, "programInfo">): ProgramTime | undefined {
  let [runTimeNs, runs] = [0n, 0n];
  for (const info of sensors.programInfo()) {
    runTimeNs += info.runTimeNs;
    runs += info.runCount;
  }
  return runs === 0n ? undefined : { runTimeNs, runs };
}

/** What the sensor is told beside what all are. */
export function networkSettings(config: Config): SensorSettings {
  const { withConnections, withDns, withFlows, foldPorts, dnsPorts } = config;
  return {
    report_connections: withConnections,
    // Names of peers come from answers.
    report_dns: withDns || withConnections || withFlows,
    report_flows: withFlows,
    fold_ports: foldPorts,
    flows_max: config.flowEntries,
    workload_flows_max: config.flowsPerWorkload,
    dns_ports: dnsPorts.join(","),
  };
}

/** Rows of the sensor's maps. */
export function networkMapEntries(config: Config): MapEntries {
  const flows = config.withFlows ? config.flowEntries + NetworkLimit.NETWORK_OTHER_FLOWS : 1;
  return {
    sockets: config.socketEntries,
    flows_a: flows,
    flows_b: flows,
    // One for each workload with flows, of two intervals.
    flow_counts: config.withFlows ? 2 * config.cgroupEntries : 1,
    traffic: config.cgroupEntries,
    handshakes: config.withConnections ? NetworkLimit.NETWORK_HANDSHAKE_ENTRIES : 1,
  };
}
