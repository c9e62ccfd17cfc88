/**
 * The libc calls the agent makes itself.
 *
 * ioctl() and syscall() are variadic in C. On x86-64 and on arm64 Linux integer arguments travel in
 * the same registers either way, so they are declared with the arguments we pass.
 *
 * @module
 */
export const LIBC_SYMBOLS = {
  __errno_location: { parameters: [], result: "pointer" }, // int *(void), one per thread
  vsnprintf: {
    parameters: [
      "buffer", // char *str
      "usize", // size_t size
      "pointer", // const char *format
      "pointer", // va_list ap: both our ABIs hand it over as a pointer
    ],
    result: "i32",
  },
  syscall: {
    parameters: [
      "isize", // long number
      "buffer", // void * (perf_event_open: struct perf_event_attr *)
      "isize", // long (pid)
      "isize", // long (cpu)
      "isize", // long (group_fd)
      "isize", // long (flags)
    ],
    result: "isize", // -1 and errno
  },
  /** The same for calls without memory of ours. */
  plain_syscall: {
    name: "syscall",
    parameters: [
      "isize", // long number
      "isize", // long (fsconfig, fsmount: int fd)
      "isize", // long (fsconfig: cmd; fsmount: flags)
      "isize", // long (fsconfig: key, NULL; fsmount: attributes)
      "isize", // long (fsconfig: value, NULL)
      "isize", // long (fsconfig: aux)
    ],
    result: "isize", // -1 and errno
  },
  /** The same for a call that takes its time, on a thread of Deno's: errno is lost. */
  slow_syscall: {
    name: "syscall",
    nonblocking: true,
    parameters: [
      "isize", // long number
      "isize", // long (membarrier: int cmd)
      "isize", // long (flags)
      "isize", // long (cpu_id)
    ],
    result: "isize", // -1 and errno
  },
  /** write() on a thread of Deno's: errno is lost. */
  slow_write: {
    name: "write",
    nonblocking: true,
    parameters: [
      "i32", // int fd
      "buffer", // const void *buf, which must stay as it is until the call ends
      "usize", // size_t count
    ],
    result: "isize", // -1 and errno
  },
  mmap: {
    parameters: [
      "pointer", // void *addr
      "usize", // size_t length
      "i32", // int prot
      "i32", // int flags
      "i32", // int fd
      "i64", // off_t offset
    ],
    result: "pointer", // MAP_FAILED (all ones) and errno
  },
  munmap: {
    parameters: [
      "pointer", // void *addr
      "usize", // size_t length
    ],
    result: "i32", // -1 and errno
  },
  poll: {
    parameters: [
      "buffer", // struct pollfd *fds
      "usize", // nfds_t nfds
      "i32", // int timeout, ms
    ],
    result: "i32", // -1 and errno
  },
  ioctl: {
    parameters: [
      "i32", // int fd
      "usize", // unsigned long request
      "usize", // unsigned long argument
    ],
    result: "i32", // -1 and errno
  },
  eventfd: {
    parameters: [
      "u32", // unsigned int initval
      "i32", // int flags
    ],
    result: "i32", // -1 and errno
  },
  open: {
    parameters: [
      "buffer", // const char *pathname
      "i32", // int flags; we create nothing, so there is no mode
    ],
    result: "i32", // -1 and errno
  },
  read: {
    parameters: [
      "i32", // int fd
      "buffer", // void *buf
      "usize", // size_t count
    ],
    result: "isize", // -1 and errno
  },
  write: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *buf
      "usize", // size_t count
    ],
    result: "isize", // -1 and errno
  },
  close: {
    parameters: [
      "i32", // int fd
    ],
    result: "i32", // -1 and errno
  },
  memfd_create: {
    parameters: [
      "buffer", // const char *name
      "u32", // unsigned int flags
    ],
    result: "i32", // -1 and errno
  },
  prlimit: {
    parameters: [
      "i32", // pid_t pid, 0 is the caller
      "i32", // enum __rlimit_resource resource
      "buffer", // const struct rlimit *new_limit, or NULL
      "buffer", // struct rlimit *old_limit, or NULL
    ],
    result: "i32", // -1 and errno
  },
  clock_gettime: {
    parameters: [
      "i32", // clockid_t clockid
      "buffer", // struct timespec *tp
    ],
    result: "i32", // -1 and errno
  },
  socket: {
    parameters: [
      "i32", // int domain
      "i32", // int type
      "i32", // int protocol
    ],
    result: "i32", // -1 and errno
  },
  sendto: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const void *buf
      "usize", // size_t len
      "i32", // int flags
      "buffer", // const struct sockaddr *dest_addr
      "u32", // socklen_t addrlen
    ],
    result: "isize", // -1 and errno
  },
  getrusage: {
    parameters: [
      "i32", // int who
      "buffer", // struct rusage *usage
    ],
    result: "i32", // -1 and errno
  },
  setpriority: {
    parameters: [
      "i32", // int which
      "u32", // id_t who
      "i32", // int prio
    ],
    result: "i32", // -1 and errno
  },
  malloc_trim: {
    parameters: [
      "usize", // size_t pad
    ],
    result: "i32", // 1 when memory was given back
  },
  readlink: {
    parameters: [
      "buffer", // const char *pathname
      "buffer", // char *buf, gets no NUL
      "usize", // size_t bufsiz
    ],
    result: "isize", // -1 and errno
  },
  name_to_handle_at: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *pathname
      "buffer", // struct file_handle *handle: u32 handle_bytes, int handle_type, bytes
      "buffer", // int *mount_id
      "i32", // int flags
    ],
    result: "i32", // -1 and errno
  },
  getpagesize: { parameters: [], result: "i32" }, // int(void)
  gettid: { parameters: [], result: "i32" }, // pid_t(void)
} as const satisfies Deno.ForeignLibraryInterface;
