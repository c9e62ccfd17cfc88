/**
 * Names of the numbers in sockets and addresses, as the kernel's headers have them. A number newer
 * than a table is its digits.
 *
 * @module
 */

/** From 0 (include/linux/socket.h). */
const FAMILIES = (
  "UNSPEC UNIX INET AX25 IPX APPLETALK NETROM BRIDGE ATMPVC X25 INET6 ROSE DECnet NETBEUI " +
  "SECURITY KEY NETLINK PACKET ASH ECONET ATMSVC RDS SNA IRDA PPPOX WANPIPE LLC IB MPLS CAN TIPC " +
  "BLUETOOTH IUCV RXRPC ISDN PHONET IEEE802154 CAIF ALG NFC VSOCK KCM QIPCRTR SMC XDP MCTP"
).split(" ");

/** include/linux/net.h. */
const TYPES: Readonly<Record<number, string>> = {
  1: "STREAM",
  2: "DGRAM",
  3: "RAW",
  4: "RDM",
  5: "SEQPACKET",
  6: "DCCP",
  10: "PACKET",
};

/** include/uapi/linux/in.h. */
const PROTOCOLS: Readonly<Record<number, string>> = {
  ...{ 0: "IP", 1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 8: "EGP", 12: "PUP", 17: "UDP" },
  ...{ 22: "IDP", 29: "TP", 33: "DCCP", 41: "IPV6", 46: "RSVP", 47: "GRE", 50: "ESP", 51: "AH" },
  ...{ 58: "ICMPV6", 92: "MTP", 94: "BEETPH", 98: "ENCAP", 103: "PIM", 108: "COMP", 115: "L2TP" },
  ...{ 132: "SCTP", 136: "UDPLITE", 137: "MPLS", 143: "ETHERNET", 255: "RAW", 256: "SMC" },
  262: "MPTCP",
};

/** From 1 (include/net/tcp_states.h). */
const STATES = (
  "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN " +
  "CLOSING NEW_SYN_RECV"
).split(" ");

/** "AF_INET" for 2. */
export function familyName(family: number): string {
  return named("AF_", FAMILIES[family], family);
}

/** "SOCK_STREAM" for 1. */
export function socketTypeName(type: number): string {
  return named("SOCK_", TYPES[type], type);
}

/** "IPPROTO_TCP" for 6. */
export function protocolName(protocol: number): string {
  return named("IPPROTO_", PROTOCOLS[protocol], protocol);
}

/** "TCP_LISTEN" for 10. */
export function tcpStateName(state: number): string {
  return named("TCP_", STATES[state - 1], state);
}

function named(prefix: string, name: string | undefined, number: number): string {
  return name === undefined ? String(number) : prefix + name;
}
