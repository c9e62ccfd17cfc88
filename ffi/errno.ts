/**
 * Error numbers of the kernel and of libbpf: name and text.
 *
 * @module
 */

/** Numbers that code compares with; the same on x86-64 and arm64. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EPIPE: 32,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
  EOPNOTSUPP: 95,
  ENOTSUPP: 524,
} as const;

const TEXTS: ReadonlyMap<number, readonly [name: string, text: string]> = new Map([
  [1, ["EPERM", "operation not permitted"]],
  [2, ["ENOENT", "no such file or entry"]],
  [3, ["ESRCH", "no such process or symbol"]],
  [4, ["EINTR", "interrupted by a signal"]],
  [5, ["EIO", "input or output error"]],
  [6, ["ENXIO", "no such device or address"]],
  [7, ["E2BIG", "argument or structure too long"]],
  [8, ["ENOEXEC", "bad executable format"]],
  [9, ["EBADF", "bad file descriptor"]],
  [11, ["EAGAIN", "resource not available for now"]],
  [12, ["ENOMEM", "out of memory"]],
  [13, ["EACCES", "permission denied"]],
  [14, ["EFAULT", "bad address"]],
  [16, ["EBUSY", "device or resource busy"]],
  [17, ["EEXIST", "exists already"]],
  [18, ["EXDEV", "link across devices"]],
  [19, ["ENODEV", "no such device"]],
  [20, ["ENOTDIR", "not a directory"]],
  [21, ["EISDIR", "is a directory"]],
  [22, ["EINVAL", "invalid argument"]],
  [23, ["ENFILE", "too many open files in the system"]],
  [24, ["EMFILE", "too many open files in the process"]],
  [25, ["ENOTTY", "wrong ioctl for the device"]],
  [27, ["EFBIG", "file too large"]],
  [28, ["ENOSPC", "no space left"]],
  [29, ["ESPIPE", "illegal seek"]],
  [30, ["EROFS", "read-only file system"]],
  [32, ["EPIPE", "broken pipe"]],
  [33, ["EDOM", "argument out of domain"]],
  [34, ["ERANGE", "result out of range"]],
  [36, ["ENAMETOOLONG", "file name too long"]],
  [38, ["ENOSYS", "system call not implemented"]],
  [40, ["ELOOP", "too many levels of symbolic links"]],
  [61, ["ENODATA", "no data available"]],
  [75, ["EOVERFLOW", "value too large"]],
  [77, ["EBADFD", "descriptor in a bad state"]],
  [84, ["EILSEQ", "invalid byte sequence"]],
  [90, ["EMSGSIZE", "message too long"]],
  [92, ["ENOPROTOOPT", "protocol not available"]],
  [93, ["EPROTONOSUPPORT", "protocol not supported"]],
  [95, ["EOPNOTSUPP", "operation not supported"]],
  [97, ["EAFNOSUPPORT", "address family not supported"]],
  [98, ["EADDRINUSE", "address in use"]],
  [104, ["ECONNRESET", "connection reset by peer"]],
  [105, ["ENOBUFS", "no buffer space available"]],
  [107, ["ENOTCONN", "not connected"]],
  [110, ["ETIMEDOUT", "timed out"]],
  [111, ["ECONNREFUSED", "connection refused"]],
  [116, ["ESTALE", "stale file handle"]],
  [125, ["ECANCELED", "operation canceled"]],
  // The kernel's own number for "not supported"; it leaks from bpf(2).
  [524, ["ENOTSUPP", "operation not supported by this kernel"]],
  // enum libbpf_errno of <bpf/libbpf.h>.
  [4000, ["LIBBPF_ERRNO__LIBELF", "something wrong in libelf"]],
  [4001, ["LIBBPF_ERRNO__FORMAT", "BPF object format invalid"]],
  [4002, ["LIBBPF_ERRNO__KVERSION", "incorrect or no version section"]],
  [4003, ["LIBBPF_ERRNO__ENDIAN", "endianness does not match"]],
  [4004, ["LIBBPF_ERRNO__INTERNAL", "internal error in libbpf"]],
  [4005, ["LIBBPF_ERRNO__RELOC", "relocation failed"]],
  [4006, ["LIBBPF_ERRNO__LOAD", "load failed for an unknown reason"]],
  [4007, ["LIBBPF_ERRNO__VERIFY", "the kernel verifier refused the program"]],
  [4008, ["LIBBPF_ERRNO__PROG2BIG", "program too big"]],
  [4009, ["LIBBPF_ERRNO__KVER", "incorrect kernel version"]],
  [4010, ["LIBBPF_ERRNO__PROGTYPE", "kernel does not support this program type"]],
  [4011, ["LIBBPF_ERRNO__WRNGPID", "wrong pid in netlink message"]],
  [4012, ["LIBBPF_ERRNO__INVSEQ", "invalid netlink sequence"]],
  [4013, ["LIBBPF_ERRNO__NLPARSE", "netlink message could not be parsed"]],
]);

/** Name of an error number, such as "EPERM"; "errno 999" for an unknown one. */
export function errnoName(code: number): string {
  return TEXTS.get(code)?.[0] ?? `errno ${code}`;
}

/** What the number means, in words. */
export function errnoText(code: number): string {
  return TEXTS.get(code)?.[1] ?? "unknown error";
}

/** Reads this thread's errno. Must be called straight after the call that set it. */
export interface ErrnoReader {
  read(): number;
}
