/**
 * Where no kernel can make a call fail.
 *
 * @module
 */
import type { HookPoint } from "../model.ts";
import { neverReturns, NO_RETURN_HINT, noReturnText } from "../no_return.ts";
import type { OverrideRefusal } from "./reading.ts";

/** LSM hooks that return nothing (LSM_HOOK(void, ...) in include/linux/lsm_hook_defs.h). */
const VOID_LSM_HOOKS: ReadonlySet<string> = new Set(
  `
  audit_rule_free bdev_free_security bpf_map_free bpf_map_free_security bpf_prog_aux_free_security
  bpf_prog_free bpf_token_free bprm_committed_creds bprm_committing_creds cred_free cred_getlsmprop
  cred_getsecid cred_transfer current_getlsmprop_subj current_getsecid_subj d_instantiate
  file_free_security file_release file_set_fowner ib_free_security inet_conn_established
  inet_csk_clone initramfs_populated inode_free_security inode_free_security_rcu inode_getlsmprop
  inode_getsecid inode_invalidate_secctx inode_post_create_tmpfile inode_post_remove_acl
  inode_post_removexattr inode_post_set_acl inode_post_setattr inode_post_setxattr ipc_getlsmprop
  ipc_getsecid key_free key_post_create_or_update msg_msg_free_security msg_queue_free_security
  path_post_mknod perf_event_free release_secctx req_classify_flow sb_delete sb_free_mnt_opts
  sb_free_security sctp_sk_clone secmark_refcount_dec secmark_refcount_inc sem_free_security
  shm_free_security sk_clone_security sk_free_security sk_getsecid sock_graft task_free
  task_getlsmprop_obj task_getsecid task_getsecid_obj task_to_inode tun_dev_free_security
  xfrm_policy_free_security xfrm_state_free_security
  `.trim().split(/\s+/),
);

const SECURITY = "security_";
const NOTHING_RETURNED = {
  text: "it returns nothing, so it cannot be made to fail",
  hint: "use Sigkill, or hook a call that returns an error",
};

/** Why `Override` is refused at a point, or undefined. */
export function overrideRefusal(point: HookPoint): OverrideRefusal | undefined {
  if (neverReturns(point)) return { text: noReturnText(point), hint: NO_RETURN_HINT };
  switch (point.kind) {
    case "syscall":
      return undefined;
    case "lsm":
      return VOID_LSM_HOOKS.has(point.name) ? NOTHING_RETURNED : undefined;
    case "tracepoint":
    case "raw_tracepoint":
      return {
        text: "a tracepoint only tells: the call cannot be made to fail there",
        hint: "use Sigkill, or an LSM hook or the kprobe of the system call",
      };
    case "kprobe":
      // Which other functions may be made to fail is for the kernel to say, when it is there.
      return point.name.startsWith(SECURITY) &&
          VOID_LSM_HOOKS.has(point.name.slice(SECURITY.length))
        ? NOTHING_RETURNED
        : undefined;
  }
}
