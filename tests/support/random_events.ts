/**
 * Events of any kind with any content, nasty text among it.
 *
 * @module
 */
import type { AgentEvent, GapEvent } from "../../src/events/mod.ts";
import { randomString } from "./random_text.ts";
import {
  randomProcess,
  sampleAmend,
  sampleExec,
  sampleExit,
  sampleFork,
  sampleGap,
  toReference,
} from "./sample_events.ts";
import { randomNetworkEvent } from "./sample_network_events.ts";
import { randomPolicyEvent } from "./sample_policy_events.ts";
import { randomWorkload } from "./sample_workloads.ts";
import type { SeededRandom } from "./seeded_random.ts";

export function randomEvent(random: SeededRandom): AgentEvent {
  if (random.chance(0.1)) return randomGap(random);
  if (random.chance(0.1)) {
    return sampleAmend(randomWorkload(random), { execId: randomString(random) });
  }
  const process = randomProcess(random);
  const reference = () => toReference(randomProcess(random), random.below(4));
  const fields = {
    timeNs: random.u64(),
    cpu: random.below(4),
    subject: toReference(process, random.below(4)),
    marks: random.chance(0.2) ? ["late", "parent_unknown"] as const : [],
    ...(random.chance(0.7) ? { parent: reference() } : {}),
    ...(random.chance(0.4)
      ? { ancestors: Array.from({ length: random.below(3) }, reference) }
      : {}),
  };
  switch (random.below(7)) {
    case 0:
      return sampleExec(process, fields);
    case 1:
      return sampleFork(process, fields);
    case 2:
      return randomPolicyEvent(fields, random);
    case 3:
      return randomNetworkEvent(fields, random);
    case 4:
      return {
        ...fields,
        ...{ type: "process_signal", tid: random.below(9), signal: "SIGTERM" },
        ...{ code: random.pick([0, 7]), isFatal: random.chance(0.5) },
        ...{ isToThread: random.chance(0.5), fate: random.pick(["delivered", "blocked"]) },
        ...(random.chance(0.5) && {
          sender: { ...reference(), tid: random.below(9), isUnsure: random.chance(0.5) },
        }),
      };
    case 5:
      return {
        ...{ type: "oom_kill", ...fields },
        ...(random.chance(0.5) && {
          memory: {
            ...{ cgroupId: random.u64(), cgroupLevel: random.below(4), hierarchy: 0 },
            ...{ limitBytes: random.u64(), usageBytes: random.u64() },
            ...(random.chance(0.5) && { path: "/a" }),
          },
        }),
      };
    default:
      return sampleExit(process, {
        ...fields,
        status: random.below(256),
        signal: random.pick(["", "SIGKILL"]),
        coreDumped: random.chance(0.3),
      });
  }
}

function randomGap(random: SeededRandom): GapEvent {
  return sampleGap({
    cause: random.pick(["perf_ring_full", "no_ring", "sink_queue_full"]),
    count: random.below(2 ** 40),
    firstTimeNs: random.u64(),
    lastTimeNs: random.u64(),
    ...(random.chance(0.5) ? { cpu: random.below(4) } : {}),
    ...(random.chance(0.5) ? { kind: randomString(random) } : {}),
    ...(random.chance(0.5) ? { sink: randomString(random) } : {}),
  });
}
