/**
 * Events of policies for tests: a plain one to change a field of, and random ones.
 *
 * @module
 */
import type {
  PolicyArgument,
  PolicyEvent,
  PolicyFile,
  PolicySocket,
  PolicyValue,
  Process,
  ProcessEventBase,
} from "../../src/events/mod.ts";
import { randomString } from "./random_text.ts";
import {
  randomText,
  ROOT_CREDENTIALS,
  SAMPLE_TIME_NS,
  sampleProcess,
  toReference,
  toText,
} from "./sample_events.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** "/etc/shadow" with mode 0640. */
export function sampleFile(fields: Partial<PolicyFile> = {}): PolicyFile {
  return {
    kind: "file",
    path: toText("/etc/shadow"),
    isCut: false,
    isUnreadable: false,
    inode: 77n,
    device: { major: 254, minor: 1 },
    mode: 0o100640,
    ...fields,
  };
}

/** A TCP connection to 10.0.0.2:443. */
export function sampleSocket(fields: Partial<PolicySocket> = {}): PolicySocket {
  return {
    kind: "socket",
    ...{ family: 2, type: 1, protocol: 6, state: 1, mark: 0, cookie: 9n },
    ...{ sourceAddress: "10.0.0.1", sourcePort: 4000 },
    ...{ destinationAddress: "10.0.0.2", destinationPort: 443 },
    ...fields,
  };
}

/** Text as the decoder makes it. */
export function sampleText(from: string | Uint8Array): PolicyValue & { kind: "text" } {
  const bytes = typeof from === "string" ? new TextEncoder().encode(from) : from;
  return { kind: "text", text: toText(from), bytes, isCut: false, isUnreadable: false };
}

/** cat opens /etc/shadow and the policy "no-shadow" does not let it. */
export function samplePolicyEvent(
  fields: Partial<PolicyEvent> = {},
  process: Process = sampleProcess(),
): PolicyEvent {
  const { uid, gid, euid, egid, capEffective } = ROOT_CREDENTIALS;
  return {
    type: "process_lsm",
    timeNs: SAMPLE_TIME_NS,
    cpu: 1,
    subject: toReference(process),
    marks: [],
    tid: process.tgid,
    functionName: "file_open",
    args: [{ type: "file", value: sampleFile() }],
    action: "OVERRIDE",
    tags: [],
    thread: { uid, gid, euid, egid, capEffective },
    policy: {
      name: "no-shadow",
      selector: "0",
      guarantee: "prevent",
      mode: "enforce",
      isEnforced: true,
    },
    ...fields,
  };
}

/** Of any type, with arguments of all types. */
export function randomPolicyEvent(
  base: Partial<ProcessEventBase> & Pick<ProcessEventBase, "subject">,
  random: SeededRandom,
): PolicyEvent {
  const { credentials } = base.subject.process;
  const ids = random.chance(0.5) ? credentials : ROOT_CREDENTIALS;
  const { uid, gid, euid, egid, capEffective } = ids;
  const actions = ["POST", "NOPOST", "SIGKILL", "SIGNAL", "OVERRIDE"] as const;
  return samplePolicyEvent({
    ...base,
    type: random.pick(["process_kprobe", "process_tracepoint", "process_lsm"]),
    tid: random.u32(),
    functionName: random.pick(["__x64_sys_openat", "tcp_connect", randomString(random)]),
    ...(random.chance(0.5) && { subsystem: random.pick(["raw_syscalls", randomString(random)]) }),
    args: Array.from({ length: random.below(6) }, () => randomArgument(random)),
    ...(random.chance(0.4) && { returns: randomArgument(random) }),
    action: random.pick([...actions]),
    ...(random.chance(0.3) && { returnAction: random.pick([...actions]) }),
    ...(random.chance(0.3) && { message: randomString(random) }),
    tags: Array.from({ length: random.below(3) }, () => randomString(random)),
    thread: { uid, gid, euid, egid, capEffective },
    policy: {
      name: random.pick(["no-shadow", randomString(random)]),
      ...(random.chance(0.3) && { namespace: randomString(random) }),
      selector: random.pick(["0", randomString(random)]),
      guarantee: random.pick(["prevent", "kill-after", "observe"]),
      mode: random.pick(["enforce", "monitor", "monitor_only"]),
      isEnforced: random.chance(0.5),
      ...(random.chance(0.3) && { binding: randomString(random) }),
    },
  });
}

const NUMBER_TYPES = [
  "int8",
  ...["uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"],
  ...["size", "syscall64", "capability"],
] as [string, ...string[]];

function randomArgument(random: SeededRandom): PolicyArgument {
  return {
    ...randomValue(random),
    ...(random.chance(0.3) && { label: randomString(random) }),
  };
}

function randomValue(random: SeededRandom): Pick<PolicyArgument, "type" | "value"> {
  const [isCut, isUnreadable] = [random.chance(0.2), random.chance(0.2)];
  switch (random.below(5)) {
    case 0: {
      const type = random.pick(NUMBER_TYPES);
      return { type, value: { kind: "number", value: random.u64() } };
    }
    case 1: {
      const bytes = Uint8Array.from({ length: random.below(9) }, () => random.below(256));
      const value = { kind: "text", text: randomText(random), bytes, isCut, isUnreadable } as const;
      return { type: random.pick(["string", "char_buf"]), value };
    }
    case 2:
      return {
        type: random.pick(["fd", "file", "path", "linux_binprm"]),
        value: sampleFile({
          ...{ path: randomText(random), isCut, isUnreadable, inode: random.u64() },
          device: { major: random.below(300), minor: random.u32() },
          mode: random.chance(0.2) ? 0 : random.below(0x1_0000),
          ...(random.chance(0.3) && { fd: random.below(100) }),
        }),
      };
    case 3:
      return {
        type: random.pick(["sock", "sockaddr"]),
        value: sampleSocket({
          ...{ family: random.pick([0, 1, 2, 10, 999]), type: random.pick([0, 1, 2, 3, 99]) },
          ...{ protocol: random.pick([0, 6, 17, 999]), state: random.pick([0, 1, 2, 10, 99]) },
          ...{ mark: random.u32(), cookie: random.u64(), sourcePort: random.below(65_536) },
          ...{ sourceAddress: random.pick(["", "::1"]), destinationPort: random.below(2) },
        }),
      };
    default: {
      const [capPermitted, capEffective] = [random.u64(), random.u64()];
      const capInheritable = random.u64();
      return {
        type: "cred",
        value: { kind: "credentials", capPermitted, capEffective, capInheritable },
      };
    }
  }
}
