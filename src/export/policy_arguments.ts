/**
 * Arguments of calls that policies saw, as members of Tetragon's union: one key that tells the
 * type, and the label. `raw`, `cut` and `unreadable` are ours, and so are `inode`, `dev` and `fd`.
 *
 * @module
 */
import type { PolicyArgument, PolicyFile, PolicySocket, PolicyValue, Text } from "../events/mod.ts";
import { jsonString, jsonStrings, pushRaw, pushString } from "./json_text.ts";
import { capabilityName, capabilityNames } from "./kernel_names.ts";
import { familyName, protocolName, socketTypeName, tcpStateName } from "./network_names.ts";
import { fileModeText } from "./file_mode.ts";

/** Bits of the integer types; a capability is an int. */
const WIDTHS: Readonly<Record<string, number>> = {
  ...{ int8: 8, uint8: 8, int16: 16, uint16: 16, int32: 32, uint32: 32, capability: 32 },
};

/** A system call of the 32-bit ABI, as the kernel marks it. */
const COMPAT_BIT = 1n << 31n;
const ABI = Deno.build.arch === "aarch64" ? "arm64" : "x64";

/** The object of one argument. */
export function policyArgumentJson({ type, label, value }: PolicyArgument): string {
  const parts = ["{"];
  pushValue(parts, type, value);
  pushString(parts, "label", label);
  return parts.join("") + "}";
}

/** The number as its type has it, with its sign. */
export function argumentNumber(type: string, value: bigint): bigint {
  const width = WIDTHS[type] ?? 64;
  return type.startsWith("int") || type === "capability"
    ? BigInt.asIntN(width, value)
    : BigInt.asUintN(width, value);
}

function pushValue(parts: string[], type: string, value: PolicyValue): void {
  switch (value.kind) {
    case "number":
      return pushNumber(parts, type, argumentNumber(type, value.value));
    case "text":
      return type === "char_buf" ? pushBuffer(parts, value) : pushText(parts, value);
    case "file":
      return pushFile(parts, type, value);
    case "socket":
      return type === "sockaddr" ? pushAddress(parts, value) : pushSocket(parts, value);
    case "credentials":
      return pushRaw(parts, "cred_arg", capabilitiesJson(value));
  }
}

function pushNumber(parts: string[], type: string, value: bigint): void {
  switch (type) {
    case "int8":
    case "int16":
    case "int32":
      return pushRaw(parts, "int_arg", String(value));
    case "uint8":
    case "uint16":
    case "uint32":
      return pushRaw(parts, "uint_arg", String(value));
    case "int64":
      return pushRaw(parts, "long_arg", `"${value}"`);
    case "capability": {
      const name = jsonString(capabilityName(Number(value)));
      return pushRaw(parts, "capability_arg", `{"value":${value},"name":${name}}`);
    }
    case "syscall64": {
      const isCompat = ABI === "x64" && (value & COMPAT_BIT) !== 0n;
      const id = isCompat ? value & ~COMPAT_BIT : value;
      const abi = isCompat ? "i386" : ABI;
      return pushRaw(parts, "syscall_id", `{"id":${BigInt.asUintN(32, id)},"abi":"${abi}"}`);
    }
    default:
      return pushRaw(parts, "size_arg", `"${value}"`);
  }
}

type TextValue = Extract<PolicyValue, { kind: "text" }>;

function pushText(parts: string[], { text, isCut, isUnreadable }: TextValue): void {
  pushRaw(parts, "string_arg", jsonString(text.text));
  pushDoubts(parts, text, { isCut, isUnreadable });
}

/** How long it was before it was cut nobody knows, so there is no `orig_size`. */
function pushBuffer(parts: string[], { bytes, isCut, isUnreadable }: TextValue): void {
  const base64 = `"${bytes.toBase64()}"`;
  if (isCut) pushRaw(parts, "truncated_bytes_arg", `{"bytes_arg":${base64}}`);
  else pushRaw(parts, "bytes_arg", base64);
  if (isUnreadable) pushRaw(parts, "unreadable", "true");
}

/** A path that was cut has lost its beginning, as Tetragon's flag says. */
function pushFile(parts: string[], type: string, file: PolicyFile): void {
  const { path, isCut, isUnreadable, mode, inode, device, fd } = file;
  const fields = ["{"];
  pushString(fields, "path", path.text);
  if (isCut) pushString(fields, "flags", "unresolvedPathComponents");
  if (mode !== 0) pushString(fields, "permission", fileModeText(mode));
  if (inode !== 0n) {
    pushRaw(fields, "inode", `"${inode}"`);
    pushRaw(fields, "dev", `"${device.major}:${device.minor}"`);
  }
  if (fd !== undefined) pushRaw(fields, "fd", String(fd));
  pushRaw(parts, FILE_KEYS[type] ?? "file_arg", fields.join("") + "}");
  pushDoubts(parts, path, { isCut: false, isUnreadable });
}

/** A descriptor is shown as its file. */
const FILE_KEYS: Readonly<Record<string, string>> = {
  fd: "file_arg",
  file: "file_arg",
  path: "path_arg",
  linux_binprm: "linux_binprm_arg",
};

function pushSocket(parts: string[], socket: PolicySocket): void {
  const fields = ["{"];
  pushString(fields, "family", familyName(socket.family));
  if (socket.type !== 0) pushString(fields, "type", socketTypeName(socket.type));
  pushString(fields, "protocol", protocolName(socket.protocol));
  if (socket.mark !== 0) pushRaw(fields, "mark", String(socket.mark));
  pushString(fields, "saddr", socket.sourceAddress);
  pushString(fields, "daddr", socket.destinationAddress);
  if (socket.sourcePort !== 0) pushRaw(fields, "sport", String(socket.sourcePort));
  if (socket.destinationPort !== 0) pushRaw(fields, "dport", String(socket.destinationPort));
  if (socket.cookie !== 0n) pushRaw(fields, "cookie", `"${socket.cookie}"`);
  if (socket.state !== 0) pushString(fields, "state", tcpStateName(socket.state));
  pushRaw(parts, "sock_arg", fields.join("") + "}");
}

function pushAddress(parts: string[], socket: PolicySocket): void {
  const fields = ["{"];
  pushString(fields, "family", familyName(socket.family));
  pushString(fields, "addr", socket.destinationAddress);
  if (socket.destinationPort !== 0) pushRaw(fields, "port", String(socket.destinationPort));
  pushRaw(parts, "sockaddr_arg", fields.join("") + "}");
}

function capabilitiesJson(value: Extract<PolicyValue, { kind: "credentials" }>): string {
  const parts = ["{"];
  const push = (key: string, bits: bigint) => {
    if (bits !== 0n) pushRaw(parts, key, jsonStrings(capabilityNames(bits)));
  };
  push("permitted", value.capPermitted);
  push("effective", value.capEffective);
  push("inheritable", value.capInheritable);
  return parts.join("") + "}";
}

function pushDoubts(
  parts: string[],
  text: Text,
  { isCut, isUnreadable }: { readonly isCut: boolean; readonly isUnreadable: boolean },
): void {
  if (text.raw !== undefined) pushRaw(parts, "raw", `"${text.raw.toBase64()}"`);
  if (isCut) pushRaw(parts, "cut", "true");
  if (isUnreadable) pushRaw(parts, "unreadable", "true");
}
