/**
 * Policies on this host: tables and programs in the running kernel.
 *
 * @module
 */
import { possibleCpus } from "../ffi/mod.ts";
import type { PolicyParts } from "./agent_contract.ts";
import { AgentPolicies } from "./agent_policies.ts";
import { PolicyKernel } from "./enforcement/mod.ts";
import { hasNamespaces, readHostNamespaces } from "./host.ts";
import { LoadError } from "./loader/mod.ts";
import { type HostNamespaces, randomSipSecret } from "./policy/mod.ts";
import { cgroupGlobals } from "./sensors/mod.ts";

/** Undefined: this kernel has no room for them, which is told; the agent goes on without. */
export function openPolicies(parts: PolicyParts): AgentPolicies | undefined {
  const { libbpf, libc, payload, sensors, cgroups, workloads, counters, log } = parts;
  const secret = randomSipSecret();
  try {
    const kernel = new PolicyKernel({
      ...{ libbpf, libc, payload, secret, counters },
      sensorMap: (name) => sensors.sharedMap(name),
      cgroupGlobals: cgroupGlobals(cgroups.settings.all),
      agent: { tgid: Deno.pid, pidNamespace: ownPidNamespace() },
      possibleCpus: possibleCpus(),
    });
    return new AgentPolicies({
      ...{ kernel, secret, counters, log, cgroups, clock: parts.clock },
      abilities: kernel.abilities,
      hostNamespaces: hostNamespaces(),
      workloadAt: (place) => workloads.workloadAt(place),
    });
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    log.warn("{error}, continuing without policies", { error, hint: error.hint });
    return undefined;
  }
}

function ownPidNamespace(): number {
  return Number(/\[(\d+)\]/.exec(Deno.readLinkSync("/proc/self/ns/pid"))?.[1] ?? 0);
}

/** What is not known is left out; 0: this kernel has none of that kind. */
function hostNamespaces(): HostNamespaces {
  const { pidForChildren, timeForChildren, ...others } = readHostNamespaces();
  const all = { ...others, pid_for_children: pidForChildren, time_for_children: timeForChildren };
  return Object.fromEntries(
    Object.entries(all).filter(([name, inode]) => inode !== 0 || !hasNamespaces(name))
      .map(([name, inode]) => [name, BigInt(inode)]),
  );
}
