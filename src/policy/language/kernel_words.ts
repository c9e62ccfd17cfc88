/**
 * Constants of the kernel by name, as policies write them.
 *
 * @module
 */
import type { CapabilitySet, NamespaceName } from "../model.ts";

/** Numbers by name. */
export type Words = ReadonlyMap<string, bigint>;

/** include/linux/socket.h */
export const FAMILIES: Words = words({
  AF_UNSPEC: 0,
  AF_UNIX: 1,
  AF_LOCAL: 1,
  AF_INET: 2,
  AF_AX25: 3,
  AF_IPX: 4,
  AF_APPLETALK: 5,
  AF_NETROM: 6,
  AF_BRIDGE: 7,
  AF_ATMPVC: 8,
  AF_X25: 9,
  AF_INET6: 10,
  AF_ROSE: 11,
  AF_NETBEUI: 13,
  AF_SECURITY: 14,
  AF_KEY: 15,
  AF_NETLINK: 16,
  AF_ROUTE: 16,
  AF_PACKET: 17,
  AF_ASH: 18,
  AF_ECONET: 19,
  AF_ATMSVC: 20,
  AF_RDS: 21,
  AF_SNA: 22,
  AF_IRDA: 23,
  AF_PPPOX: 24,
  AF_WANPIPE: 25,
  AF_LLC: 26,
  AF_IB: 27,
  AF_MPLS: 28,
  AF_CAN: 29,
  AF_TIPC: 30,
  AF_BLUETOOTH: 31,
  AF_IUCV: 32,
  AF_RXRPC: 33,
  AF_ISDN: 34,
  AF_PHONET: 35,
  AF_IEEE802154: 36,
  AF_CAIF: 37,
  AF_ALG: 38,
  AF_NFC: 39,
  AF_VSOCK: 40,
  AF_KCM: 41,
  AF_QIPCRTR: 42,
  AF_SMC: 43,
  AF_XDP: 44,
  AF_MCTP: 45,
});

/** include/uapi/linux/in.h */
export const PROTOCOLS: Words = words({
  IPPROTO_IP: 0,
  IPPROTO_ICMP: 1,
  IPPROTO_IGMP: 2,
  IPPROTO_IPIP: 4,
  IPPROTO_TCP: 6,
  IPPROTO_EGP: 8,
  IPPROTO_PUP: 12,
  IPPROTO_UDP: 17,
  IPPROTO_IDP: 22,
  IPPROTO_TP: 29,
  IPPROTO_DCCP: 33,
  IPPROTO_IPV6: 41,
  IPPROTO_RSVP: 46,
  IPPROTO_GRE: 47,
  IPPROTO_ESP: 50,
  IPPROTO_AH: 51,
  IPPROTO_ICMPV6: 58,
  IPPROTO_MTP: 92,
  IPPROTO_BEETPH: 94,
  IPPROTO_ENCAP: 98,
  IPPROTO_PIM: 103,
  IPPROTO_COMP: 108,
  IPPROTO_L2TP: 115,
  IPPROTO_SCTP: 132,
  IPPROTO_UDPLITE: 136,
  IPPROTO_MPLS: 137,
  IPPROTO_ETHERNET: 143,
  IPPROTO_RAW: 255,
  IPPROTO_SMC: 256,
  IPPROTO_MPTCP: 262,
});

/** include/net/tcp_states.h */
export const TCP_STATES: Words = words({
  TCP_ESTABLISHED: 1,
  TCP_SYN_SENT: 2,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_FIN_WAIT2: 5,
  TCP_TIME_WAIT: 6,
  TCP_CLOSE: 7,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_LISTEN: 10,
  TCP_CLOSING: 11,
  TCP_NEW_SYN_RECV: 12,
});

/** In the order of their numbers, from include/uapi/linux/capability.h. */
const CAPABILITY_NAMES = `
  CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
  NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
  SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
  SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
  WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
`;

/** "CAP_CHOWN" to 0 and so on. */
export const CAPABILITIES: Words = new Map(
  CAPABILITY_NAMES.trim().split(/\s+/).map((name, number) => [`CAP_${name}`, BigInt(number)]),
);

/** As `matchNamespaces` writes them. */
export const NAMESPACES: ReadonlyMap<string, NamespaceName> = new Map([
  ["Uts", "uts"],
  ["Ipc", "ipc"],
  ["Mnt", "mnt"],
  ["Pid", "pid"],
  ["PidForChildren", "pid_for_children"],
  ["Net", "net"],
  ["Time", "time"],
  ["TimeForChildren", "time_for_children"],
  ["Cgroup", "cgroup"],
  ["User", "user"],
]);

/** As `matchCapabilities` writes them. */
export const CAPABILITY_SETS: ReadonlyMap<string, CapabilitySet> = new Map([
  ["Effective", "effective"],
  ["Inheritable", "inheritable"],
  ["Permitted", "permitted"],
]);

function words(numbers: Readonly<Record<string, number>>): Words {
  return new Map(Object.entries(numbers).map(([name, number]) => [name, BigInt(number)]));
}
