/**
 * What the JSON of a policy's event has beside its process, built slowly as objects. It shares no
 * code with the encoder.
 *
 * @module
 */
import type { PolicyArgument, PolicyEvent } from "../../src/events/mod.ts";

type Json = Record<string, unknown>;

const CAPABILITIES = `chown DAC_OVERRIDE dac_read_search fowner fsetid kill setgid setuid setpcap
  linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module
  sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time
  sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
  wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`.split(/\s+/)
  .map((name) => name === "DAC_OVERRIDE" ? name : `CAP_${name.toUpperCase()}`);
const FAMILIES = new Map([[0, "AF_UNSPEC"], [1, "AF_UNIX"], [2, "AF_INET"], [10, "AF_INET6"]]);
const TYPES = new Map([[1, "SOCK_STREAM"], [2, "SOCK_DGRAM"], [3, "SOCK_RAW"]]);
const PROTOCOLS = new Map([[0, "IPPROTO_IP"], [6, "IPPROTO_TCP"], [17, "IPPROTO_UDP"]]);
const STATES = new Map([[1, "TCP_ESTABLISHED"], [2, "TCP_SYN_SENT"], [10, "TCP_LISTEN"]]);

/** Members that Tetragon's and our own form have for a policy. */
export function referencePolicy(event: PolicyEvent): Json {
  const { policy, thread, subject: { process: { credentials } } } = event;
  const ids = { uid: thread.uid, gid: thread.gid, euid: thread.euid, egid: thread.egid };
  const own = {
    ...{ uid: credentials.uid, gid: credentials.gid },
    ...{ euid: credentials.euid, egid: credentials.egid },
  };
  const isOther = JSON.stringify(ids) !== JSON.stringify(own) ||
    thread.capEffective !== credentials.capEffective;
  const isTracepoint = event.type === "process_tracepoint";
  return {
    function_name: isTracepoint ? undefined : text(event.functionName),
    subsys: isTracepoint ? text(event.subsystem) : undefined,
    event: isTracepoint ? text(event.functionName) : undefined,
    args: event.args.length === 0 ? undefined : event.args.map(referenceArgument),
    return: event.returns && referenceArgument(event.returns),
    action: "KPROBE_ACTION_" + event.action,
    return_action: event.returnAction && "KPROBE_ACTION_" + event.returnAction,
    policy_name: text(policy.name),
    message: text(event.message),
    tags: event.tags.length === 0 ? undefined : event.tags,
    policy: {
      name: text(policy.name),
      namespace: text(policy.namespace),
      selector: policy.selector,
      guarantee: policy.guarantee,
      mode: policy.mode,
      enforced: policy.isEnforced || undefined,
      binding: text(policy.binding),
    },
    thread: isOther ? { ...ids, cap_effective: capabilities(thread.capEffective) } : undefined,
  };
}

/** One argument; its type says which key it has. */
export function referenceArgument(argument: PolicyArgument): Json {
  return { ...referenceValue(argument), label: text(argument.label) };
}

function referenceValue({ type, value }: PolicyArgument): Json {
  if (value.kind === "number") return referenceNumber(type, value.value);
  if (value.kind === "credentials") {
    return {
      cred_arg: {
        permitted: list(capabilities(value.capPermitted)),
        effective: list(capabilities(value.capEffective)),
        inheritable: list(capabilities(value.capInheritable)),
      },
    };
  }
  if (value.kind === "socket") {
    const family = FAMILIES.get(value.family) ?? `${value.family}`;
    if (type === "sockaddr") {
      const [addr, port] = [text(value.destinationAddress), value.destinationPort || undefined];
      return { sockaddr_arg: { family, addr, port } };
    }
    return {
      sock_arg: {
        family,
        type: value.type === 0 ? undefined : TYPES.get(value.type) ?? `${value.type}`,
        protocol: PROTOCOLS.get(value.protocol) ?? `${value.protocol}`,
        mark: value.mark || undefined,
        saddr: text(value.sourceAddress),
        daddr: text(value.destinationAddress),
        sport: value.sourcePort || undefined,
        dport: value.destinationPort || undefined,
        cookie: value.cookie === 0n ? undefined : `${value.cookie}`,
        state: value.state === 0 ? undefined : STATES.get(value.state) ?? `${value.state}`,
      },
    };
  }
  if (value.kind === "file") {
    const key = { path: "path_arg", linux_binprm: "linux_binprm_arg" }[type] ?? "file_arg";
    const file = {
      path: text(value.path.text),
      flags: value.isCut ? "unresolvedPathComponents" : undefined,
      permission: value.mode === 0 ? undefined : permission(value.mode),
      inode: value.inode === 0n ? undefined : `${value.inode}`,
      dev: value.inode === 0n ? undefined : `${value.device.major}:${value.device.minor}`,
      fd: value.fd,
    };
    const raw = value.path.raw && base64(value.path.raw);
    return { [key]: file, raw, unreadable: value.isUnreadable || undefined };
  }
  const unreadable = value.isUnreadable || undefined;
  if (type === "char_buf") {
    const bytes_arg = base64(value.bytes);
    return value.isCut
      ? { truncated_bytes_arg: { bytes_arg }, unreadable }
      : { bytes_arg, unreadable };
  }
  const raw = value.text.raw && base64(value.text.raw);
  return {
    string_arg: value.text.text,
    raw,
    cut: value.isCut || undefined,
    unreadable,
  };
}

function referenceNumber(type: string, value: bigint): Json {
  const width = Number(/\d+$/.exec(type)?.[0] ?? 64);
  if (/^int(8|16|32)$/.test(type)) return { int_arg: Number(BigInt.asIntN(width, value)) };
  if (/^uint(8|16|32)$/.test(type)) return { uint_arg: Number(BigInt.asUintN(width, value)) };
  if (type === "int64") return { long_arg: `${BigInt.asIntN(64, value)}` };
  if (type === "capability") {
    const number = Number(BigInt.asIntN(32, value));
    return { capability_arg: { value: number, name: CAPABILITIES[number] ?? `CAP_${number}` } };
  }
  if (type === "syscall64") {
    const isArm = Deno.build.arch === "aarch64";
    const isCompat = !isArm && (value >> 31n & 1n) === 1n;
    const low = value % 2n ** 32n;
    return {
      syscall_id: {
        id: Number(isCompat ? low - 2n ** 31n : low),
        abi: isArm ? "arm64" : isCompat ? "i386" : "x64",
      },
    };
  }
  return { size_arg: `${BigInt.asUintN(64, value)}` };
}

function permission(mode: number): string {
  const kind = { 4: "d", 8: "-", 10: "l", 2: "c", 6: "b", 1: "p", 12: "s" }[mode >> 12] ?? "?";
  const letters = [..."rwxrwxrwx"].map((letter, i) => mode & (0o400 >> i) ? letter : "-");
  for (const [bit, at, letter] of [[0o4000, 2, "s"], [0o2000, 5, "s"], [0o1000, 8, "t"]] as const) {
    if (mode & bit) letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
  }
  return kind + letters.join("");
}

function capabilities(bits: bigint): string[] {
  return [...bits.toString(2)].reverse()
    .flatMap((digit, bit) => digit === "1" ? [CAPABILITIES[bit] ?? `CAP_${bit}`] : []);
}

function list(items: readonly string[]): readonly string[] | undefined {
  return items.length === 0 ? undefined : items;
}

function text(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
