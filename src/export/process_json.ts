/**
 * The JSON object of a process, with Tetragon's field names and proto JSON rules: empty strings,
 * zeros and false are left out, but for the fields that are wrappers there (pid, tid, uid, auid,
 * in_init_tree, the ids in process_credentials). Of a process whose ids are not known uid, auid,
 * cap and process_credentials are left out.
 *
 * @module
 */
import type { CgroupPlace, Credentials, Namespaces, Process, Text } from "../events/mod.ts";
import { argumentsText } from "./arguments_text.ts";
import { jsonString, jsonStrings, pushRaw, pushString } from "./json_text.ts";
import { capabilityNames, secureBitNames } from "./kernel_names.ts";
import type { Rfc3339Format } from "./timestamp.ts";
import { hasKnownUser, hostUserName, type UserNaming } from "./user_names.ts";

/** What of a process is exported. */
export interface ProcessJsonOptions extends UserNaming {
  /** `cap`, `process_credentials` and `binary_properties`. */
  readonly enableProcessCred: boolean;
  /** `ns`. */
  readonly enableProcessNs: boolean;
}

/**
 * Everything but `tid` and `refcnt`, which belong to the event, `binary_properties`, which only an
 * exec has, and the workload, which many processes share. Starts with `{` and lacks the closing
 * brace.
 */
export function processFragment(
  process: Process,
  options: ProcessJsonOptions,
  times: Rfc3339Format,
): string {
  const parts = ["{"];
  pushString(parts, "exec_id", process.execId);
  pushRaw(parts, "pid", String(process.tgid));
  const isUserKnown = hasKnownUser(process);
  if (isUserKnown) pushRaw(parts, "uid", String(process.credentials.euid));
  pushString(parts, "cwd", process.cwd.text);
  pushString(parts, "binary", process.binary.text);
  pushString(parts, "arguments", argumentsText(process.argv));
  pushString(parts, "flags", process.flags);
  pushRaw(parts, "start_time", `"${times.format(process.startTimeNs)}"`);
  if (isUserKnown) pushRaw(parts, "auid", String(process.credentials.loginUid));
  pushString(parts, "parent_exec_id", process.parentExecId);
  if (options.enableProcessCred && isUserKnown) {
    pushRaw(parts, "cap", capabilitiesJson(process.credentials));
    pushRaw(parts, "process_credentials", credentialsJson(process, options.hostNamespaces));
  }
  if (options.enableProcessNs) {
    pushRaw(parts, "ns", namespacesJson(process.namespaces, options.hostNamespaces));
  }
  const userName = hostUserName(process, options);
  if (userName !== undefined) pushRaw(parts, "user", `{"name":${jsonString(userName)}}`);
  pushRaw(parts, "in_init_tree", String(process.inInitTree));
  pushEnvironment(parts, process);
  pushOwnFields(parts, process);
  // join() gives a flat string; a tree of concatenations would be walked at each use.
  return parts.join("");
}

/** What an exec of a setuid, setgid, capability-carrying or nameless file did; "" when nothing. */
export function binaryPropertiesJson(process: Process): string {
  const raise = process.privileges;
  const exe = process.exe;
  const nameless = exe !== undefined && (exe.deleted || exe.memfd || exe.links === 0);
  if (raise === undefined && !nameless) return "";
  const parts = ["{"];
  if (raise?.setuid !== undefined) pushRaw(parts, "setuid", String(raise.setuid));
  if (raise?.setgid !== undefined) pushRaw(parts, "setgid", String(raise.setgid));
  if (raise !== undefined && raise.changes.length > 0) {
    pushRaw(parts, "privileges_changed", jsonStrings(raise.changes));
  }
  if (nameless) {
    const inode = ["{"];
    if (exe.inode !== 0n) pushRaw(inode, "number", `"${exe.inode}"`);
    pushRaw(inode, "links", String(exe.links));
    const file = ["{"];
    pushRaw(file, "inode", inode.join("") + "}");
    pushString(file, "path", exe.path.text);
    pushRaw(parts, "file", file.join("") + "}");
  }
  return parts.join("") + "}";
}

/** A place among the cgroups; ids are strings, because they have 64 bits. */
export function cgroupJson({ id, trackingId, path, level }: CgroupPlace): string {
  const parts = ["{"];
  pushRaw(parts, "id", `"${id}"`);
  if (trackingId !== 0n) pushRaw(parts, "tracking_id", `"${trackingId}"`);
  pushString(parts, "path", path ?? "");
  pushRaw(parts, "level", String(level));
  return parts.join("") + "}";
}

/** Fields that Tetragon does not have. */
function pushOwnFields(parts: string[], process: Process): void {
  if (process.namespaceTgid !== process.tgid) {
    pushRaw(parts, "namespace_pid", String(process.namespaceTgid));
  }
  if (process.argv.length > 0) {
    pushRaw(parts, "argv", jsonStrings(process.argv.map((argument) => argument.text)));
  }
  pushString(parts, "interpreter", process.interpreter?.text ?? "");
  const exe = process.exe;
  if (exe !== undefined) {
    const fields = ["{"];
    pushString(fields, "path", exe.path.text);
    pushRaw(fields, "inode", `"${exe.inode}"`);
    pushRaw(fields, "dev", `"${exe.device.major}:${exe.device.minor}"`);
    if (exe.deleted) pushRaw(fields, "deleted", "true");
    if (exe.memfd) pushRaw(fields, "memfd", "true");
    pushRaw(parts, "exe", fields.join("") + "}");
  }
  if (process.cgroup.id !== 0n) pushRaw(parts, "cgroup", cgroupJson(process.cgroup));
  pushRawBytes(parts, process);
}

/** The exact bytes, base64, of what was not valid UTF-8. */
function pushRawBytes(parts: string[], process: Process): void {
  const raw = ["{"];
  pushBytes(raw, "binary", process.binary);
  pushBytes(raw, "cwd", process.cwd);
  pushBytes(raw, "exe", process.exe?.path);
  pushBytes(raw, "interpreter", process.interpreter);
  pushByteList(raw, "argv", process.argv);
  pushByteList(raw, "environment_variables", process.environment ?? []);
  if (raw.length > 1) pushRaw(parts, "raw", raw.join("") + "}");
}

function pushBytes(parts: string[], key: string, text: Text | undefined): void {
  if (text?.raw !== undefined) pushRaw(parts, key, `"${text.raw.toBase64()}"`);
}

/** As long as the list itself; "" stands for an element that its text gives back in full. */
function pushByteList(parts: string[], key: string, texts: readonly Text[]): void {
  if (!texts.some((text) => text.raw !== undefined)) return;
  pushRaw(parts, key, `[${texts.map((text) => `"${text.raw?.toBase64() ?? ""}"`).join(",")}]`);
}

function pushEnvironment(parts: string[], process: Process): void {
  if (process.environment === undefined || process.environment.length === 0) return;
  const variables = process.environment.map(({ text }) => {
    const equals = text.indexOf("=");
    const variable = ["{"];
    pushString(variable, "Key", equals < 0 ? text : text.slice(0, equals));
    pushString(variable, "Value", equals < 0 ? "" : text.slice(equals + 1));
    return variable.join("") + "}";
  });
  pushRaw(parts, "environment_variables", `[${variables.join(",")}]`);
}

function capabilitiesJson(credentials: Credentials): string {
  const parts = ["{"];
  pushCapabilities(parts, "permitted", credentials.capPermitted);
  pushCapabilities(parts, "effective", credentials.capEffective);
  pushCapabilities(parts, "inheritable", credentials.capInheritable);
  return parts.join("") + "}";
}

function pushCapabilities(parts: string[], key: string, bits: bigint): void {
  if (bits !== 0n) pushRaw(parts, key, jsonStrings(capabilityNames(bits)));
}

function credentialsJson(process: Process, host: Namespaces | undefined): string {
  const credentials = process.credentials;
  const parts = ["{"];
  for (const key of ["uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid"] as const) {
    pushRaw(parts, key, String(credentials[key]));
  }
  const secureBits = secureBitNames(credentials.secureBits);
  if (secureBits.length > 0) pushRaw(parts, "securebits", jsonStrings(secureBits));
  pushRaw(parts, "caps", capabilitiesJson(credentials));
  const userNs = ["{"];
  pushRaw(userNs, "level", String(credentials.userNsLevel));
  pushId(userNs, "uid", credentials.userNsUid);
  pushId(userNs, "gid", credentials.userNsGid);
  const { user } = process.namespaces;
  pushRaw(userNs, "ns", namespaceJson(user, credentials.userNsLevel === 0 ? user : host?.user));
  pushRaw(parts, "user_ns", userNs.join("") + "}");
  return parts.join("") + "}";
}

/** One that is not known is left out. */
function pushId(parts: string[], key: string, id: number): void {
  if (id !== 4294967295) pushRaw(parts, key, String(id));
}

const NAMESPACE_KEYS = [
  ["uts", "uts"],
  ["ipc", "ipc"],
  ["mnt", "mnt"],
  ["pid", "pid"],
  ["pid_for_children", "pidForChildren"],
  ["net", "net"],
  ["time", "time"],
  ["time_for_children", "timeForChildren"],
  ["cgroup", "cgroup"],
  ["user", "user"],
] as const;

function namespacesJson(namespaces: Namespaces, host: Namespaces | undefined): string {
  const parts = ["{"];
  for (const [key, field] of NAMESPACE_KEYS) {
    pushRaw(parts, key, namespaceJson(namespaces[field], host?.[field]));
  }
  return parts.join("") + "}";
}

function namespaceJson(inum: number, hostInum: number | undefined): string {
  if (inum === 0) return "{}";
  return inum === hostInum && inum !== 0 ? `{"inum":${inum},"is_host":true}` : `{"inum":${inum}}`;
}
