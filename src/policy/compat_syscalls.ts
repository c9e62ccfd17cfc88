/**
 * System calls of the other tables that an x86-64 machine has, so that a 32-bit program, or a
 * 64-bit one that says `int 0x80`, does not slip by a policy.
 *
 * @module
 */
import { type Architecture, syscallNameOf, syscallNumber } from "./syscalls.ts";

/** In the order of their numbers from 0; "-" where there is none. arch/x86/entry/syscalls. */
const I386 = `
  restart_syscall exit fork read write open close waitpid creat link unlink execve chdir time mknod
  chmod lchown break oldstat lseek getpid mount umount setuid getuid stime ptrace alarm oldfstat
  pause utime stty gtty access nice ftime sync kill rename mkdir rmdir dup pipe times prof brk
  setgid getgid signal geteuid getegid acct umount2 lock ioctl fcntl mpx setpgid ulimit oldolduname
  umask chroot ustat dup2 getppid getpgrp setsid sigaction sgetmask ssetmask setreuid setregid
  sigsuspend sigpending sethostname setrlimit getrlimit getrusage gettimeofday settimeofday
  getgroups setgroups select symlink oldlstat readlink uselib swapon reboot readdir mmap munmap
  truncate ftruncate fchmod fchown getpriority setpriority profil statfs fstatfs ioperm socketcall
  syslog setitimer getitimer stat lstat fstat olduname iopl vhangup idle vm86old wait4 swapoff
  sysinfo ipc fsync sigreturn clone setdomainname uname modify_ldt adjtimex mprotect sigprocmask
  create_module init_module delete_module get_kernel_syms quotactl getpgid fchdir bdflush sysfs
  personality afs_syscall setfsuid setfsgid _llseek getdents _newselect flock msync readv writev
  getsid fdatasync _sysctl mlock munlock mlockall munlockall sched_setparam sched_getparam
  sched_setscheduler sched_getscheduler sched_yield sched_get_priority_max sched_get_priority_min
  sched_rr_get_interval nanosleep mremap setresuid getresuid vm86 query_module poll nfsservctl
  setresgid getresgid prctl rt_sigreturn rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait
  rt_sigqueueinfo rt_sigsuspend pread64 pwrite64 chown getcwd capget capset sigaltstack sendfile
  getpmsg putpmsg vfork ugetrlimit mmap2 truncate64 ftruncate64 stat64 lstat64 fstat64 lchown32
  getuid32 getgid32 geteuid32 getegid32 setreuid32 setregid32 getgroups32 setgroups32 fchown32
  setresuid32 getresuid32 setresgid32 getresgid32 chown32 setuid32 setgid32 setfsuid32 setfsgid32
  pivot_root mincore madvise getdents64 fcntl64 - - gettid readahead setxattr lsetxattr fsetxattr
  getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr
  fremovexattr tkill sendfile64 futex sched_setaffinity sched_getaffinity set_thread_area
  get_thread_area io_setup io_destroy io_getevents io_submit io_cancel fadvise64 - exit_group
  lookup_dcookie epoll_create epoll_ctl epoll_wait remap_file_pages set_tid_address timer_create
  timer_settime timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime
  clock_getres clock_nanosleep statfs64 fstatfs64 tgkill utimes fadvise64_64 vserver mbind
  get_mempolicy set_mempolicy mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify
  mq_getsetattr kexec_load waitid - add_key request_key keyctl ioprio_set ioprio_get inotify_init
  inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat mknodat fchownat futimesat
  fstatat64 unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare
  set_robust_list get_robust_list splice sync_file_range tee vmsplice move_pages getcpu epoll_pwait
  utimensat signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime signalfd4
  eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open
  recvmmsg fanotify_init fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime
  syncfs sendmmsg setns process_vm_readv process_vm_writev kcmp finit_module sched_setattr
  sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat socket socketpair bind
  connect listen accept4 getsockopt setsockopt getsockname getpeername sendto sendmsg recvfrom
  recvmsg shutdown userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect
  pkey_alloc pkey_free statx arch_prctl io_pgetevents rseq - - - - - - semget semctl shmget shmctl
  shmat shmdt msgget msgsnd msgrcv msgctl clock_gettime64 clock_settime64 clock_adjtime64
  clock_getres_time64 clock_nanosleep_time64 timer_gettime64 timer_settime64 timerfd_gettime64
  timerfd_settime64 utimensat_time64 pselect6_time64 ppoll_time64 - io_pgetevents_time64
  recvmmsg_time64 mq_timedsend_time64 mq_timedreceive_time64 semtimedop_time64
  rt_sigtimedwait_time64 futex_time64 sched_rr_get_interval_time64
`;
/** From here on numbers are those of all machines. */
const FIRST_COMMON = 424;

/** Behind these endings i386 has the same call again, for wider numbers. */
const WIDE_ENDINGS = ["32", "64", "_time64"];
/** Calls that i386 knows by other names too. */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  mmap: ["mmap2"],
  select: ["_newselect"],
  pselect6: ["pselect6_time64"],
  getrlimit: ["ugetrlimit"],
  lseek: ["_llseek"],
  newfstatat: ["fstatat64"],
  umount2: ["umount"],
  stat: ["oldstat"],
  fstat: ["oldfstat"],
  lstat: ["oldlstat"],
  uname: ["oldolduname", "olduname"],
};

/** x32 has its own numbers for these; the others are the native ones. */
const FIRST_X32 = 512;
const X32 = `
  rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace rt_sigpending
  rt_sigtimedwait rt_sigqueueinfo sigaltstack timer_create mq_notify kexec_load waitid
  set_robust_list get_robust_list vmsplice move_pages preadv pwritev rt_tgsigqueueinfo recvmmsg
  sendmmsg process_vm_readv process_vm_writev setsockopt getsockopt io_setup io_submit execveat
  preadv2 pwritev2
`;

/** Numbers from 1 in socketcall(2); include/uapi/linux/net.h. */
const SOCKETCALLS = `
  socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom
  shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg
`;
/** What these do, the wider call does too, with the same first arguments. */
const NARROW_SOCKETCALLS: Readonly<Record<string, string>> = { send: "sendto", recv: "recvfrom" };

/** Number of socketcall(2) itself in the table of i386. */
export const SOCKETCALL_NUMBER = 102;

/** All ways into one system call. */
export interface SyscallPlaces {
  /** In the machine's own table, with those of x32 from 512 on. */
  readonly native: readonly number[];
  /** In the 32-bit table. */
  readonly compat: readonly number[];
  /** By socketcall(2). */
  readonly socketcalls: readonly number[];
}

/** All ways into the system call `name` ("openat"). Of arm64 the 32-bit table is not known. */
export function syscallPlaces(name: string, architecture: Architecture): SyscallPlaces {
  const own = syscallNumber(name, architecture);
  const native = own === undefined ? [] : [own];
  if (architecture !== "x86_64") return { native, compat: [], socketcalls: [] };
  const names = [
    ...[name, ...WIDE_ENDINGS.map((ending) => name + ending)],
    ...(OTHER_NAMES[name] ?? []),
  ];
  return {
    native: [...native, ...numbersOf(X32, FIRST_X32, [name])],
    compat: [...new Set([...numbersOf(I386, 0, names), ...commonNumber(name)])],
    socketcalls: words(SOCKETCALLS).flatMap((call, i) =>
      call === name || NARROW_SOCKETCALLS[call] === name ? [i + 1] : []
    ),
  };
}

/** Name of a call of the 32-bit table of x86-64 machines; those from 424 on are the native ones. */
export function compatName(number: number): string {
  return words(I386)[number] ?? syscallNameOf(number, "x86_64") ?? "-";
}

/** Whether x32 has a number of its own for the call. */
export function hasX32Number(name: string): boolean {
  return words(X32).includes(name);
}

/** Since Linux 5.1 new calls have one number everywhere. */
function commonNumber(name: string): number[] {
  const number = syscallNumber(name, "x86_64");
  return number !== undefined && number >= FIRST_COMMON ? [number] : [];
}

function numbersOf(list: string, first: number, names: readonly string[]): number[] {
  return words(list).flatMap((word, i) => names.includes(word) ? [first + i] : []);
}

function words(list: string): string[] {
  return list.trim().split(/\s+/);
}
