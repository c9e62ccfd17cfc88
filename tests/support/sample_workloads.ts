/**
 * Workloads for tests: one of each kind, and random ones with nasty text.
 *
 * @module
 */
import type {
  Container,
  NestedContainer,
  Pod,
  Unit,
  Workload,
  WorkloadReason,
} from "../../src/events/mod.ts";
import { randomString } from "./random_text.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** Id of the container of `WEB`. */
export const WEB_ID = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";

/** A container of Docker, as the path tells it while the runtime is asked. */
export const PENDING_WEB = Object.freeze<Workload>({
  kind: "container",
  name: WEB_ID.slice(0, 12),
  id: WEB_ID,
  container: { runtime: "docker", id: WEB_ID },
  source: "pending",
  reason: "lookup_running",
});

/** The same when the runtime has answered. */
export const WEB = Object.freeze<Workload>({
  kind: "container",
  name: "web",
  id: WEB_ID,
  container: {
    runtime: "docker",
    id: WEB_ID,
    name: "web",
    image: { id: "sha256:c0ffee", name: "nginx:1.27" },
    labels: { tier: "front" },
    startTimeNs: 1_769_903_990_000_000_000n,
    pid: 4200,
  },
  source: "runtime",
});

/** A container of a pod, all known. */
export const POD_WEB = Object.freeze<Workload>({
  kind: "container",
  name: "prod/web-7d9f/nginx",
  id: WEB_ID,
  unit: { name: `cri-containerd-${WEB_ID}.scope`, slice: "kubepods-pod6f96.slice" },
  container: {
    runtime: "containerd",
    id: WEB_ID,
    name: "nginx",
    image: { name: "nginx:1.27" },
    startTimeNs: 1_769_903_990_000_000_000n,
  },
  pod: {
    uid: "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
    namespace: "prod",
    name: "web-7d9f",
    qosClass: "burstable",
    sandboxId: "b".repeat(64),
    containerName: "nginx",
    labels: { app: "web" },
    annotations: { "example.com/owner": "a team" },
  },
  source: "runtime",
});

/** The same when only the path is known. */
export const PENDING_POD = Object.freeze<Workload>({
  kind: "container",
  name: WEB_ID.slice(0, 12),
  id: WEB_ID,
  container: { runtime: "containerd", id: WEB_ID },
  pod: { uid: "6f9619ff-8b86-d011-b42d-00cf4fc964ff", qosClass: "burstable" },
  source: "pending",
  reason: "lookup_running",
});

/** A service of the system. */
export const SSH = Object.freeze<Workload>({
  kind: "service",
  name: "ssh.service",
  id: "/system.slice/ssh.service",
  unit: { name: "ssh.service", slice: "system.slice", description: "OpenBSD Secure Shell" },
  source: "runtime",
});

/** A login session. */
export const SESSION = Object.freeze<Workload>({
  kind: "session",
  name: "3",
  id: "3",
  unit: { name: "session-3.scope", slice: "user-0.slice" },
  userUid: 0,
  source: "path",
});

/** A workload of any kind with any of its parts, whether or not they go together. */
export function randomWorkload(random: SeededRandom): Workload {
  const maybe: { -readonly [Key in keyof Workload]?: Workload[Key] } = {};
  if (random.chance(0.4)) maybe.unit = randomUnit(random);
  if (random.chance(0.5)) maybe.container = randomContainer(random);
  if (random.chance(0.4)) maybe.pod = randomPod(random);
  if (random.chance(0.2)) maybe.userUid = random.u32();
  if (random.chance(0.2)) maybe.inner = randomNested(random);
  if (random.chance(0.2)) maybe.outer = randomNested(random);
  const reason = random.pick(REASONS);
  if (reason !== undefined) maybe.reason = reason;
  return Object.freeze<Workload>({
    kind: random.pick([
      ...["container", "pod", "machine", "service"] as const,
      ...["scope", "slice", "unit", "session", "host"] as const,
    ]),
    name: `n${randomString(random)}`,
    id: `i${randomString(random)}`,
    source: random.pick(["kernel", "path", "runtime", "pending", "none"]),
    ...maybe,
  });
}

const REASONS: readonly [undefined, ...WorkloadReason[]] = [
  undefined,
  "lookup_running",
  "lookup_queue_full",
  "entered_from_outside",
  "no_runtime",
  "zero_cgroup_id",
];

function randomUnit(random: SeededRandom): Unit {
  return {
    name: randomString(random),
    ...some(random, {
      template: randomString(random),
      instance: randomString(random),
      slice: randomString(random),
      userUid: random.u32(),
      description: randomString(random),
    }),
  };
}

function randomContainer(random: SeededRandom): Container {
  return {
    runtime: random.pick(["docker", "cri-o", "unknown"]),
    id: random.chance(0.7) ? WEB_ID : randomString(random),
    ...some(random, {
      name: randomString(random),
      image: some(random, { id: randomString(random), name: randomString(random) }),
      labels: randomTexts(random),
      startTimeNs: random.u64(),
      pid: random.u32(),
    }),
  };
}

function randomPod(random: SeededRandom): Pod {
  return {
    uid: randomString(random),
    ...some(random, {
      namespace: randomString(random),
      name: randomString(random),
      qosClass: random.pick(["guaranteed", "burstable", "besteffort"]),
      sandboxId: randomString(random),
      containerName: randomString(random),
      labels: randomTexts(random),
      annotations: randomTexts(random),
    }),
  };
}

function randomNested(random: SeededRandom): NestedContainer {
  return { runtime: "docker", id: WEB_ID, ...some(random, { podUid: randomString(random) }) };
}

/**
 * Names such as `__proto__` among them, but none with a backslash: JSON.parse() of V8 15.0 takes
 * the key "\u2028" for a "\" that it has seen at the same place in another object.
 */
function randomTexts(random: SeededRandom): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: random.below(4) }, () => [
      random.chance(0.1) ? "__proto__" : randomString(random).replaceAll("\\", ""),
      randomString(random),
    ]),
  );
}

/** About half of the fields. */
function some<Fields extends object>(random: SeededRandom, fields: Fields): Partial<Fields> {
  return Object.fromEntries(
    Object.entries(fields).filter(() => random.chance(0.5)),
  ) as Partial<Fields>;
}
