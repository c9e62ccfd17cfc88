/**
 * Names of capabilities and secure bits as Tetragon's JSON has them.
 *
 * @module
 */

/** By number (include/uapi/linux/capability.h). Number 1 lacks its prefix in Tetragon. */
const CAPABILITY_NAMES = [
  "CAP_CHOWN",
  "DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
];

/** By bit (include/uapi/linux/securebits.h). Bits 8 to 11 (6.14) have no name in Tetragon. */
const SECURE_BIT_NAMES = [
  "SecBitNoRoot",
  "SecBitNoRootLocked",
  "SecBitNoSetUidFixup",
  "SecBitNoSetUidFixupLocked",
  "SecBitKeepCaps",
  "SecBitKeepCapsLocked",
  "SecBitNoCapAmbientRaise",
  "SecBitNoCapAmbientRaiseLocked",
  "SecBitExecRestrictFile",
  "SecBitExecRestrictFileLocked",
  "SecBitExecDenyInteractive",
  "SecBitExecDenyInteractiveLocked",
];

/** Names in number order; a bit newer than the table is `CAP_<number>`. */
export function capabilityNames(bits: bigint): string[] {
  return setBits(bits).map(capabilityName);
}

/** One name; a number newer than the table is `CAP_<number>`. */
export function capabilityName(number: number): string {
  return CAPABILITY_NAMES[number] ?? `CAP_${number}`;
}

/** Names in bit order; a bit newer than the table is `SecBit<number>`. */
export function secureBitNames(bits: number): string[] {
  return setBits(BigInt(bits >>> 0)).map((bit) => SECURE_BIT_NAMES[bit] ?? `SecBit${bit}`);
}

function setBits(bits: bigint): number[] {
  const numbers: number[] = [];
  let low = Number(BigInt.asUintN(32, bits));
  let high = Number(BigInt.asUintN(32, bits >> 32n));
  for (let bit = 0; low !== 0; bit++, low >>>= 1) if (low & 1) numbers.push(bit);
  for (let bit = 32; high !== 0; bit++, high >>>= 1) if (high & 1) numbers.push(bit);
  return numbers;
}
