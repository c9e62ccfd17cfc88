/**
 * How an exec raised privileges, told from the new credentials and the file's mode.
 *
 * @module
 */
import type {
  Credentials,
  ExecGains,
  Executable,
  PrivilegeChange,
  PrivilegeRaise,
} from "../events/mod.ts";

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;

/**
 * What the file's set-id bits or capabilities gave the new image; undefined when nothing: a mount
 * with nosuid, no_new_privs or a tracer takes the bits their effect, and who was root gains nothing
 * by becoming root again. So what counts is what the caller did not have.
 *
 * - setuid: the bit is set, and the exec made the file's owner the effective uid;
 * - setgid: the same with the group;
 * - file capabilities: the exec gave permitted capabilities to one who is not root by either uid
 *   (for root every exec gives them), and some are not ambient. Only a file can have given them
 *   (cap_bprm_creds_from_file() in security/commoncap.c).
 */
export function privilegeRaise(
  credentials: Credentials,
  exe: Executable | undefined,
  gained: ExecGains,
): PrivilegeRaise | undefined {
  const { uid, euid, egid, capPermitted, capAmbient } = credentials;
  const setuid = exe !== undefined && (exe.mode & S_ISUID) !== 0 && gained.euid && euid === exe.uid;
  const setgid = exe !== undefined && (exe.mode & S_ISGID) !== 0 && gained.egid && egid === exe.gid;
  const fileCapabilities = gained.capabilities && uid !== 0 && euid !== 0 &&
    (capPermitted & ~capAmbient) !== 0n;
  if (!setuid && !setgid && !fileCapabilities) return undefined;
  const changes: PrivilegeChange[] = [];
  if (fileCapabilities) changes.push("PRIVILEGES_RAISED_EXEC_FILE_CAP");
  if (setuid) changes.push("PRIVILEGES_RAISED_EXEC_FILE_SETUID");
  if (setgid) changes.push("PRIVILEGES_RAISED_EXEC_FILE_SETGID");
  return { ...(setuid && { setuid: euid }), ...(setgid && { setgid: egid }), changes };
}
