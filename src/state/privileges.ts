/**
 * How an exec raised privileges, told from the new credentials and the file's mode.
 *
 * @module
 */
import type { Credentials, Executable, PrivilegeChange, PrivilegeRaise } from "../events/mod.ts";

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;

/**
 * What the file's set-id bits or capabilities gave the new image; undefined when nothing.
 *
 * - setuid: the bit is set and the effective uid is now the file's owner and not the real uid (a
 *   mount with nosuid or a tracer leaves them equal, so the bit alone says nothing);
 * - setgid: the same with the group;
 * - file capabilities: the kernel set `secureexec` without such a change, the real uid is not root
 *   (for root every exec gives capabilities), and some permitted capability is not ambient. Only a
 *   file can have given it: without file capabilities an exec leaves a non-root task just its
 *   ambient set (cap_bprm_creds_from_file() in security/commoncap.c).
 */
export function privilegeRaise(
  credentials: Credentials,
  exe: Executable | undefined,
  secureExec: boolean,
): PrivilegeRaise | undefined {
  const { uid, gid, euid, egid, capPermitted, capAmbient } = credentials;
  const setuid = exe !== undefined && (exe.mode & S_ISUID) !== 0 && euid !== uid &&
    euid === exe.uid;
  const setgid = exe !== undefined && (exe.mode & S_ISGID) !== 0 && egid !== gid &&
    egid === exe.gid;
  const fileCapabilities = secureExec && !setuid && !setgid && uid !== 0 &&
    (capPermitted & ~capAmbient) !== 0n;
  if (!setuid && !setgid && !fileCapabilities) return undefined;
  const changes: PrivilegeChange[] = [];
  if (fileCapabilities) changes.push("PRIVILEGES_RAISED_EXEC_FILE_CAP");
  if (setuid) changes.push("PRIVILEGES_RAISED_EXEC_FILE_SETUID");
  if (setgid) changes.push("PRIVILEGES_RAISED_EXEC_FILE_SETGID");
  return { ...(setuid && { setuid: euid }), ...(setgid && { setgid: egid }), changes };
}
