/**
 * A slow JSON encoder that builds objects, to compare the fast one with. It shares no code with it.
 *
 * @module
 */
import type {
  AgentEvent,
  CgroupEvent,
  CgroupPlace,
  FlowEvent,
  GapEvent,
  Namespaces,
  Process,
  ProcessEvent,
  ProcessReference,
  Text,
  Workload,
} from "../../src/events/mod.ts";
import type { JsonEncoderOptions } from "../../src/export/mod.ts";
import { referenceNetwork, referenceSocket, referenceTraffic } from "./reference_network_json.ts";
import { referencePolicy } from "./reference_policy_json.ts";

type Json = Record<string, unknown>;

const CAPABILITIES = `chown DAC_OVERRIDE dac_read_search fowner fsetid kill setgid setuid setpcap
  linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module
  sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time
  sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
  wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`.split(/\s+/)
  .map((name) => name === "DAC_OVERRIDE" ? name : `CAP_${name.toUpperCase()}`);

const SECURE_BITS = ["NoRoot", "NoSetUidFixup", "KeepCaps", "NoCapAmbientRaise"]
  .concat("ExecRestrictFile", "ExecDenyInteractive")
  .flatMap((name) => [`SecBit${name}`, `SecBit${name}Locked`]);

/** What the JSON line of the event must parse to. */
export function referenceLine(event: AgentEvent, options: JsonEncoderOptions): Json {
  const body = referenceEvent(event, options);
  const line = { [event.type]: body, node_name: options.nodeName, time: rfc3339(event.timeNs) };
  return JSON.parse(JSON.stringify(line));
}

function referenceEvent(event: AgentEvent, options: JsonEncoderOptions): Json {
  switch (event.type) {
    case "gap":
      return referenceGap(event);
    case "process_exec":
    case "process_fork":
    case "process_exit":
      return referenceBody(event, options);
    case "process_kprobe":
    case "process_tracepoint":
    case "process_lsm":
      return { ...referenceBody(event, options), ...referencePolicy(event) };
    case "process_connect":
    case "process_accept":
    case "process_listen":
    case "process_close":
    case "process_dns":
      return { ...referenceBody(event, options), ...referenceNetwork(event) };
    case "process_signal":
      return {
        ...referenceBody(event, options),
        signal: event.signal,
        code: event.code === 0 ? "SI_USER" : String(event.code),
        fatal: event.isFatal || undefined,
        to_thread: event.isToThread || undefined,
        fate: omit(event.fate, "delivered"),
        sender: event.sender && { ...reference(event.sender, options), tid: event.sender.tid },
        sender_unsure: event.sender?.isUnsure || undefined,
      };
    case "oom_kill":
      return {
        ...referenceBody(event, options),
        memory: event.memory && {
          cgroup: {
            id: String(event.memory.cgroupId),
            path: event.memory.path,
            level: event.memory.cgroupLevel,
          },
          limit_bytes: String(event.memory.limitBytes),
          usage_bytes: String(event.memory.usageBytes),
        },
      };
    case "flow":
      return referenceFlow(event, options);
    case "amend":
      return {
        exec_id: event.execId,
        cgroup: event.cgroup.id === 0n ? undefined : referencePlace(event.cgroup),
        ...referenceIdentity(event.workload),
        workload: referenceWorkload(event.workload),
      };
    default:
      return referenceCgroup(event, options);
  }
}

function referenceFlow(event: FlowEvent, options: JsonEncoderOptions): Json {
  return {
    process: event.subject && reference(event.subject, options),
    parent: event.parent && reference(event.parent, options),
    ...referenceIdentity(event.workload),
    workload: referenceWorkload(event.workload),
    socket: event.socket && referenceSocket(event.socket),
    other: event.isOther || undefined,
    outgoing: event.isOutgoing,
    started: event.isStarted || undefined,
    ended: event.isEnded || undefined,
    connections: event.connections,
    traffic: referenceTraffic(event.counts),
    interval_ns: String(event.intervalNs),
    first_time: rfc3339(event.firstTimeNs),
    last_time: rfc3339(event.lastTimeNs),
    marks: full(event.marks),
  };
}

function referenceCgroup(event: CgroupEvent, options: JsonEncoderOptions): Json {
  const { cgroup, parentId, subject, cpu, marks } = event;
  return {
    cgroup: referencePlace(cgroup),
    hierarchy: cgroup.hierarchy,
    parent_id: omit(String(parentId), "0"),
    process: subject && referenceSubject(subject, options),
    cpu,
    marks: full(marks),
  };
}

function referencePlace({ id, trackingId, path, level }: CgroupPlace): Json {
  return {
    id: `${id}`,
    tracking_id: omit(`${trackingId}`, "0"),
    path: omit(path ?? "", ""),
    level,
  };
}

function referenceGap(event: GapEvent): Json {
  const { cause, cpu, kind, sink } = event;
  const [first_time, last_time] = [rfc3339(event.firstTimeNs), rfc3339(event.lastTimeNs)];
  return { cause, cpu, kind, sink, count: `${event.count}`, first_time, last_time };
}

function referenceBody(event: ProcessEvent, options: JsonEncoderOptions): Json {
  const subject = referenceSubject(event.subject, options);
  if ("tid" in event) subject["tid"] = event.tid;
  const { privileges, exe } = event.subject.process;
  const nameless = exe && (exe.deleted || exe.memfd || exe.links === 0);
  if (event.type === "process_exec" && options.enableProcessCred && (privileges || nameless)) {
    const number = omit(exe?.inode.toString() ?? "", "0");
    subject.binary_properties = {
      setuid: privileges?.setuid,
      setgid: privileges?.setgid,
      privileges_changed: full(privileges?.changes),
      file: nameless
        ? { inode: { number, links: exe.links }, path: omit(exe.path.text, "") }
        : undefined,
    };
  }
  const exit = event.type === "process_exit"
    ? {
      signal: event.signal || undefined,
      status: event.status || undefined,
      core_dumped: event.coreDumped || undefined,
      time: rfc3339(event.timeNs),
    }
    : {};
  return {
    process: subject,
    parent: event.parent && reference(event.parent, options),
    ancestors: full(event.ancestors?.map((ancestor) => reference(ancestor, options))),
    ...exit,
    cpu: event.cpu,
    marks: full(event.marks),
  };
}

/** With all of its workload; parents and ancestors have less. */
function referenceSubject(subject: ProcessReference, options: JsonEncoderOptions): Json {
  return { ...reference(subject, options), workload: referenceWorkload(subject.process.workload) };
}

function reference({ process, references }: ProcessReference, options: JsonEncoderOptions): Json {
  const { credentials, namespaces, exe } = process;
  const host = options.hostNamespaces;
  const isHost = namespaces.user === host?.user && namespaces.mnt === host?.mnt;
  const name = isHost && !process.unknown ? options.userName?.(credentials.euid) : undefined;
  const caps = {
    permitted: names(credentials.capPermitted, CAPABILITIES, "CAP_"),
    effective: names(credentials.capEffective, CAPABILITIES, "CAP_"),
    inheritable: names(credentials.capInheritable, CAPABILITIES, "CAP_"),
  };
  const { uid, gid, euid, egid, suid, sgid, fsuid, fsgid } = credentials;
  const isKnown = euid !== 4294967295;
  const withCred = isKnown && options.enableProcessCred;
  return {
    exec_id: omit(process.execId, ""),
    parent_exec_id: omit(process.parentExecId, ""),
    pid: process.tgid,
    tid: process.tgid,
    refcnt: references || undefined,
    uid: isKnown ? euid : undefined,
    auid: isKnown ? credentials.loginUid : undefined,
    cwd: omit(process.cwd.text, ""),
    binary: omit(process.binary.text, ""),
    arguments: omit(
      process.argv.slice(1).map((argument) => argument.text)
        .map((text) => /^$| /.test(text) ? `"${text}"` : text).join(" "),
      "",
    ),
    flags: omit(process.flags, ""),
    start_time: rfc3339(process.startTimeNs),
    in_init_tree: process.inInitTree,
    user: name === undefined ? undefined : { name },
    cap: withCred ? caps : undefined,
    process_credentials: !withCred ? undefined : {
      ...{ uid, gid, euid, egid, suid, sgid, fsuid, fsgid, caps },
      securebits: names(BigInt(credentials.secureBits), SECURE_BITS, "SecBit"),
      user_ns: {
        level: credentials.userNsLevel,
        uid: credentials.userNsUid === 4294967295 ? undefined : credentials.userNsUid,
        gid: credentials.userNsGid === 4294967295 ? undefined : credentials.userNsGid,
        ns: namespace(
          namespaces.user,
          credentials.userNsLevel === 0 ? namespaces.user : host?.user,
        ),
      },
    },
    ns: options.enableProcessNs ? referenceNamespaces(namespaces, host) : undefined,
    environment_variables: full(
      process.environment?.map(({ text }) => {
        const [, key = "", , value = ""] = /^([^=]*)(=([^]*))?$/.exec(text) ?? [];
        return { Key: omit(key, ""), Value: omit(value, "") };
      }),
    ),
    namespace_pid: process.namespaceTgid === process.tgid ? undefined : process.namespaceTgid,
    argv: full(process.argv.map((argument) => argument.text)),
    interpreter: omit(process.interpreter?.text ?? "", ""),
    cgroup: process.cgroup.id === 0n ? undefined : referencePlace(process.cgroup),
    exe: exe && {
      path: omit(exe.path.text, ""),
      inode: String(exe.inode),
      dev: `${exe.device.major}:${exe.device.minor}`,
      deleted: exe.deleted || undefined,
      memfd: exe.memfd || undefined,
    },
    raw: referenceRaw(process),
    ...referenceIdentity(process.workload, process.namespaceTgid),
    workload: referenceName(process.workload),
  };
}

function referenceName({ kind, name, id, source, reason }: Workload): Json {
  return texts({ kind, name, id, source, reason });
}

function referenceIdentity({ container, pod }: Workload, pid?: number): Json {
  return {
    docker: container && container.id.substring(0, 31),
    pod: pod && {
      ...texts({ namespace: pod.namespace, name: pod.name, uid: pod.uid }),
      container: container && {
        id: container.runtime + "://" + container.id,
        name: omit(pod.containerName ?? container.name ?? "", ""),
        image: fullObject(texts({ ...container.image })),
        start_time: container.startTimeNs === undefined
          ? undefined
          : rfc3339(container.startTimeNs),
        pid,
      },
      pod_labels: fullObject(pod.labels),
      pod_annotations: fullObject(pod.annotations),
    },
  };
}

function referenceWorkload(workload: Workload): Json {
  const { unit, container, pod, inner, outer } = workload;
  const nested = (of: Workload["inner"]) =>
    of && texts({ runtime: of.runtime, id: of.id, pod_uid: of.podUid });
  return {
    ...referenceName(workload),
    user_uid: workload.userUid,
    inner: nested(inner),
    outer: nested(outer),
    unit: unit && {
      ...texts({ name: unit.name, template: unit.template, instance: unit.instance }),
      ...texts({ slice: unit.slice, description: unit.description }),
      user_uid: unit.userUid,
    },
    container: container && {
      ...texts({ runtime: container.runtime, id: container.id, name: container.name }),
      image: fullObject(texts({ ...container.image })),
      labels: fullObject(container.labels),
      pid: container.pid,
      start_time: container.startTimeNs === undefined ? undefined : rfc3339(container.startTimeNs),
    },
    pod: pod && {
      ...texts({ uid: pod.uid, namespace: pod.namespace, name: pod.name }),
      qos_class: pod.qosClass,
      ...texts({ sandbox_id: pod.sandboxId, container_name: pod.containerName }),
    },
  };
}

/** Those that are not empty. */
function texts(fields: Readonly<Record<string, string | undefined>>): Json {
  return Object.fromEntries(Object.entries(fields).filter(([, text]) => text));
}

function fullObject<Fields extends object>(fields: Fields | undefined): Fields | undefined {
  return fields && Object.keys(fields).length > 0 ? fields : undefined;
}

function referenceNamespaces(namespaces: Namespaces, host: Namespaces | undefined): Json {
  return Object.fromEntries(
    (Object.keys(namespaces) as (keyof Namespaces)[]).map((key) => [
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      namespace(namespaces[key], host?.[key]),
    ]),
  );
}

function namespace(inum: number, host: number | undefined): Json {
  return inum === 0 ? {} : { inum, is_host: inum === host || undefined };
}

function referenceRaw(process: Process): Json | undefined {
  const one = (text: Text | undefined) => text?.raw && btoa(String.fromCharCode(...text.raw));
  const list = (texts: readonly Text[] = []) =>
    texts.some((text) => text.raw) ? texts.map((text) => one(text) ?? "") : undefined;
  const raw = {
    binary: one(process.binary),
    cwd: one(process.cwd),
    exe: one(process.exe?.path),
    interpreter: one(process.interpreter),
    argv: list(process.argv),
    environment_variables: list(process.environment),
  };
  return Object.values(raw).some((value) => value !== undefined) ? raw : undefined;
}

function names(bits: bigint, table: readonly string[], prefix: string): string[] | undefined {
  return full(
    [...bits.toString(2)].reverse()
      .flatMap((digit, bit) => digit === "1" ? [table[bit] ?? prefix + bit] : []),
  );
}

function rfc3339(timeNs: bigint): string {
  const digits = timeNs.toString().padStart(10, "0");
  const seconds = Number(digits.slice(0, -9));
  return new Date(seconds * 1000).toISOString().replace(".000Z", `.${digits.slice(-9)}Z`);
}

function omit(text: string, zero: string): string | undefined {
  return text === zero ? undefined : text;
}

function full<Item>(items: readonly Item[] | undefined): Item[] | undefined {
  return items === undefined || items.length === 0 ? undefined : [...items];
}
