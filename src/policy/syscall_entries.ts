/**
 * Functions of the kernel that do a system call, by any of its tables. Who stands at all of them
 * can make the call fail, whichever way it was made.
 *
 * @module
 */
import { compatName, hasX32Number, syscallPlaces } from "./compat_syscalls.ts";
import { type Architecture, syscallFunction } from "./syscalls.ts";

/** One way into a call. */
export interface SyscallEntry {
  /** In words: "the 32-bit call mmap2". */
  readonly text: string;
  /** Names that the function may have; a kernel has one or more of them. */
  readonly functions: readonly string[];
}

/**
 * Functions of i386 calls that are not called as the call is, without prefix
 * (arch/x86/entry/syscalls/syscall_32.tbl); of kernels of different age all of them. Which of them
 * is meant need not be known: at the others nobody comes by with such a call.
 */
const I386_FUNCTIONS: ReadonlyMap<string, readonly string[]> = new Map(
  `
  time=time32,time stime=stime32,stime utime=utime32,utime umount=oldumount umount2=umount
  oldstat=stat oldfstat=fstat oldlstat=lstat stat=newstat fstat=newfstat lstat=newlstat
  fcntl=fcntl64,fcntl oldolduname=olduname olduname=uname uname=newuname
  lchown=lchown16 setuid=setuid16 getuid=getuid16 setgid=setgid16 getgid=getgid16
  geteuid=geteuid16 getegid=getegid16 setreuid=setreuid16 setregid=setregid16
  getgroups=getgroups16 setgroups=setgroups16 fchown=fchown16 setfsuid=setfsuid16
  setfsgid=setfsgid16 setresuid=setresuid16 getresuid=getresuid16 setresgid=setresgid16
  getresgid=getresgid16 chown=chown16 lchown32=lchown getuid32=getuid getgid32=getgid
  geteuid32=geteuid getegid32=getegid setreuid32=setreuid setregid32=setregid
  getgroups32=getgroups setgroups32=setgroups fchown32=fchown setresuid32=setresuid
  getresuid32=getresuid setresgid32=setresgid getresgid32=getresgid chown32=chown
  setuid32=setuid setgid32=setgid setfsuid32=setfsuid setfsgid32=setfsgid
  getrlimit=old_getrlimit,getrlimit ugetrlimit=getrlimit select=old_select _newselect=select
  readdir=old_readdir mmap=old_mmap,ia32_mmap,x86_mmap mmap2=mmap_pgoff
  clone=clone,ia32_clone,x86_clone adjtimex=adjtimex_time32,adjtimex _llseek=llseek
  sched_rr_get_interval=sched_rr_get_interval_time32,sched_rr_get_interval
  nanosleep=nanosleep_time32,nanosleep rt_sigtimedwait=rt_sigtimedwait_time32,rt_sigtimedwait
  pread64=ia32_pread64,x86_pread,pread64 pwrite64=ia32_pwrite64,x86_pwrite,pwrite64
  truncate64=ia32_truncate64,x86_truncate64,truncate64
  ftruncate64=ia32_ftruncate64,x86_ftruncate64,ftruncate64
  stat64=ia32_stat64,x86_stat64,stat64 lstat64=ia32_lstat64,x86_lstat64,lstat64
  fstat64=ia32_fstat64,x86_fstat64,fstat64 fstatat64=ia32_fstatat64,x86_fstatat,fstatat64
  readahead=ia32_readahead,x86_readahead,readahead futex=futex_time32,futex
  io_getevents=io_getevents_time32,io_getevents fadvise64=ia32_fadvise64,x86_fadvise64,fadvise64
  fadvise64_64=ia32_fadvise64_64,x86_fadvise64_64,fadvise64_64
  timer_settime=timer_settime32,timer_settime timer_gettime=timer_gettime32,timer_gettime
  clock_settime=clock_settime32,clock_settime clock_gettime=clock_gettime32,clock_gettime
  clock_getres=clock_getres_time32,clock_getres
  clock_nanosleep=clock_nanosleep_time32,clock_nanosleep utimes=utimes_time32,utimes
  mq_timedsend=mq_timedsend_time32,mq_timedsend
  mq_timedreceive=mq_timedreceive_time32,mq_timedreceive futimesat=futimesat_time32,futimesat
  pselect6=pselect6_time32,pselect6 ppoll=ppoll_time32,ppoll
  sync_file_range=ia32_sync_file_range,x86_sync_file_range,sync_file_range
  utimensat=utimensat_time32,utimensat fallocate=ia32_fallocate,x86_fallocate,fallocate
  timerfd_settime=timerfd_settime32,timerfd_settime
  timerfd_gettime=timerfd_gettime32,timerfd_gettime recvmmsg=recvmmsg_time32,recvmmsg
  clock_adjtime=clock_adjtime32,clock_adjtime
  io_pgetevents=io_pgetevents_time32,io_pgetevents clock_gettime64=clock_gettime
  clock_settime64=clock_settime clock_adjtime64=clock_adjtime clock_getres_time64=clock_getres
  clock_nanosleep_time64=clock_nanosleep timer_gettime64=timer_gettime
  timer_settime64=timer_settime timerfd_gettime64=timerfd_gettime
  timerfd_settime64=timerfd_settime utimensat_time64=utimensat
  pselect6_time64=pselect6_time64,pselect6 ppoll_time64=ppoll_time64,ppoll
  io_pgetevents_time64=io_pgetevents_time64,io_pgetevents
  recvmmsg_time64=recvmmsg_time64,recvmmsg mq_timedsend_time64=mq_timedsend
  mq_timedreceive_time64=mq_timedreceive semtimedop_time64=semtimedop
  rt_sigtimedwait_time64=rt_sigtimedwait_time64,rt_sigtimedwait futex_time64=futex
  sched_rr_get_interval_time64=sched_rr_get_interval
  `.trim().split(/\s+/).map((word) => {
    const [name, functions] = word.split("=");
    return [name!, functions!.split(",")];
  }),
);

/** The same for calls that x32 has numbers of its own for (syscall_64.tbl). */
const X32_FUNCTIONS: Readonly<Record<string, string>> = {
  rt_sigreturn: "x32_rt_sigreturn",
  rt_sigtimedwait: "rt_sigtimedwait_time64",
  preadv: "preadv64",
  pwritev: "pwritev64",
  recvmmsg: "recvmmsg_time64",
  preadv2: "preadv64v2",
  pwritev2: "pwritev64v2",
};

const I386_PREFIXES = ["__ia32_sys_", "__ia32_compat_sys_"];
/** A kernel without any function of this kind makes no 32-bit calls, or no x32 calls. */
export const OTHER_TABLE_PREFIXES = { i386: "__ia32_sys_", x32: "__x64_compat_sys_" } as const;

/** All ways into the system call `name` ("openat") on a kernel with these other tables. */
export function syscallEntries(
  name: string,
  architecture: Architecture,
  tables: { readonly hasI386: boolean; readonly hasX32: boolean },
): SyscallEntry[] {
  const own = syscallFunction(name);
  if (architecture !== "x86_64") {
    return [{ text: `the call ${name}`, functions: [`__arm64_sys_${own}`] }];
  }
  const { native, compat, socketcalls } = syscallPlaces(name, architecture);
  const entries: SyscallEntry[] = [];
  if (native.length > 0) {
    entries.push({ text: `the call ${name}`, functions: [`__x64_sys_${own}`] });
  }
  if (tables.hasX32 && hasX32Number(name)) {
    const functions = [`__x64_compat_sys_${X32_FUNCTIONS[name] ?? name}`, `__x64_sys_${own}`];
    entries.push({ text: `the x32 call ${name}`, functions });
  }
  if (!tables.hasI386) return entries;
  const calls = [...compat.map(compatName), ...socketcalls.length > 0 ? ["socketcall"] : []];
  for (const call of new Set(calls)) {
    const functions = (I386_FUNCTIONS.get(call) ?? [call]).flatMap((word) =>
      I386_PREFIXES.map((prefix) => prefix + word)
    );
    entries.push({ text: `the 32-bit call ${call}`, functions });
  }
  return entries;
}
