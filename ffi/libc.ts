/**
 * The libc calls the agent makes, as typed methods.
 *
 * @module
 */
import { encodeCString } from "./c_string.ts";
import { dlopen } from "./dlopen.ts";
import { Errno, type ErrnoReader } from "./errno.ts";
import { LibcError, unwrapLibc } from "./errors.ts";
import { MappedMemory } from "./mapped_memory.ts";
import { addressIn } from "./memory.ts";
import { encodePerfEventAttr, type PerfEventOptions } from "./perf_event.ts";
import { RUSAGE } from "./struct_layouts.ts";
import { LIBC_SYMBOLS, type LibcSymbols, syscallNumbers } from "./symbols/mod.ts";

/** The name every glibc has had since 1997. */
const LIBC_PATH = "libc.so.6";

/** `clockid_t` of <time.h>. */
export const ClockId = { realtime: 0, monotonic: 1, boottime: 7 } as const;

/** `which` of setpriority(2), and the `who` that means the caller. */
const PRIO_PROCESS = 0;
const CALLING_THREAD = 0;

/** `who` of getrusage(2). */
export const RusageWho = { self: 0, children: -1, thread: 1 } as const;

/** `resource` of prlimit(2). */
export const Rlimit = { core: 4, openFiles: 7, lockedMemory: 8, stack: 3 } as const;

/** RLIM_INFINITY. */
export const RLIMIT_INFINITY = 0xffff_ffff_ffff_ffffn;

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const MFD_CLOEXEC = 1;
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const PERF_FLAG_FD_CLOEXEC = 8n;
const MEMBARRIER_CMD_GLOBAL = 1n;
const O_DIRECTORY_CLOEXEC = 0o200000 | 0o2000000;
/** `enum fsconfig_command` and flags of <linux/mount.h>. */
const FSOPEN_CLOEXEC = 1n;
const FSCONFIG_CMD_CREATE = 6n;
const FSMOUNT_CLOEXEC = 1n;
/** read-only, nosuid, nodev, noexec */
const MOUNT_ATTRIBUTES = 0xfn;
/** sun_path of struct sockaddr_un. */
const SOCKET_PATH_SIZE_MAX = 108;
/** Links of /proc are cut at a page by the kernel; ordinary ones at PATH_MAX. */
const LINK_SIZE_MAX = 4096;

/** dirfd of a path that is not relative to a descriptor. */
const AT_FDCWD = -100;
/** MAX_HANDLE_SZ of <fcntl.h>, and what stands before the handle in `struct file_handle`. */
const HANDLE_SIZE_MAX = 128;
const HANDLE_HEADER_SIZE = 8;

/** How a file system names a file without a path. */
export interface FileHandle {
  /** `enum fid_type` of include/linux/exportfs.h, such as FILEID_KERNFS (0xfe). */
  readonly type: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** CPU time and memory as the kernel counted them. */
export interface ResourceUsage {
  readonly userNs: number;
  readonly systemNs: number;
  /** Highest resident size so far, bytes; of the process, also for a thread. */
  readonly maxResidentSize: number;
  readonly voluntarySwitches: number;
  readonly involuntarySwitches: number;
}

/** Bytes of a write that is to tell why a larger one failed: a page at most. */
const FILE_PROBE_SIZE = 4096;

/** A resource limit; `RLIMIT_INFINITY` for none. */
export interface ResourceLimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** libc's calls and this thread's errno. */
export interface LibcTable {
  readonly symbols: LibcSymbols;
  readonly errno: ErrnoReader;
  close(): void;
}

/** Opens the table for the calling thread: errno is per thread, so a table must not wander. */
export function openLibcTable(): LibcTable {
  const library = dlopen(LIBC_PATH, LIBC_SYMBOLS);
  const location = library.symbols.__errno_location();
  if (location === null) throw new TypeError("Cannot find errno: libc gave NULL");
  const cell = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(location, 4));
  let open = true;
  const close = () => {
    if (open) library.close();
    open = false;
  };
  return { symbols: library.symbols, errno: { read: () => cell[0] ?? 0 }, close };
}

/** Opens libc for the calling thread. @throws {LibraryError} this system has no glibc. */
export function openLibc(): Libc {
  return new Libc(openLibcTable());
}

/**
 * Typed libc calls. All run on the calling thread and are short, but poll() (PollSet) and `read()`
 * of an empty blocking descriptor. All throw `LibcError`.
 */
export class Libc {
  readonly symbols: LibcSymbols;
  readonly errno: ErrnoReader;
  readonly #table: LibcTable;
  readonly #time = new BigInt64Array(2);

  constructor(table: LibcTable) {
    this.#table = table;
    this.symbols = table.symbols;
    this.errno = table.errno;
  }

  /** Bytes of a memory page. */
  get pageSize(): number {
    return this.symbols.getpagesize();
  }

  /** Id of the calling thread, as in /proc/self/task. */
  threadId(): number {
    return this.symbols.gettid();
  }

  /** Opens a perf event for all tasks on `cpu`; a new descriptor of the caller's, close-on-exec. */
  perfEventOpen(options: PerfEventOptions, cpu: number): number {
    const { perfEventOpen } = syscallNumbers(Deno.build.arch);
    const attr = encodePerfEventAttr(options);
    const number = BigInt(perfEventOpen);
    const fd = this.symbols.syscall(number, attr, -1n, BigInt(cpu), -1n, PERF_FLAG_FD_CLOEXEC);
    const code = this.errno.read();
    const action = "open a perf event on CPU";
    return unwrapLibc(fd, code, { operation: "perf_event_open", action, object: `${cpu}` });
  }

  /**
   * Waits until every part of the kernel that ran without a break when this was called has come to
   * its end (MEMBARRIER_CMD_GLOBAL, which is synchronize_rcu()): some milliseconds, in which this
   * thread goes on.
   *
   * @returns false when this kernel does not do that (nohz_full, or not built in).
   */
  async waitForGracePeriod(): Promise<boolean> {
    const { membarrier } = syscallNumbers(Deno.build.arch);
    const number = BigInt(membarrier);
    return await this.symbols.slow_syscall(number, MEMBARRIER_CMD_GLOBAL, 0n, 0n) === 0n;
  }

  /** Opens a directory; a new descriptor of the caller's, close-on-exec. */
  openDirectory(path: string): number {
    const fd = this.symbols.open(encodeCString(path), O_DIRECTORY_CLOEXEC);
    const code = this.errno.read();
    return unwrapLibc(fd, code, { operation: "open", action: "open directory", object: path });
  }

  /**
   * Mounts a file system that needs no device nowhere: no mount table shows it, and it ends with
   * the descriptor, which is the caller's and stands for its root (as O_PATH). Read-only. Needs
   * CAP_SYS_ADMIN; since 5.2.
   */
  mountDetached(fileSystem: string): number {
    const { fsopen, fsconfig, fsmount } = syscallNumbers(Deno.build.arch);
    const attempt = (operation: string) => ({ operation, action: "mount", object: fileSystem });
    const name = encodeCString(fileSystem);
    const opened = this.symbols.syscall(BigInt(fsopen), name, FSOPEN_CLOEXEC, 0n, 0n, 0n);
    const context = unwrapLibc(opened, this.errno.read(), attempt("fsopen"));
    try {
      const plain = this.symbols.plain_syscall;
      const fd = BigInt(context);
      const made = plain(BigInt(fsconfig), fd, FSCONFIG_CMD_CREATE, 0n, 0n, 0n);
      unwrapLibc(made, this.errno.read(), attempt("fsconfig"));
      const mounted = plain(BigInt(fsmount), fd, FSMOUNT_CLOEXEC, MOUNT_ATTRIBUTES, 0n, 0n);
      return unwrapLibc(mounted, this.errno.read(), attempt("fsmount"));
    } finally {
      this.close(context);
    }
  }

  /** Maps `size` bytes of a descriptor from offset 0, shared, for reading and writing. */
  mmap(fd: number, size: number): MappedMemory {
    const access = PROT_READ | PROT_WRITE;
    const pointer = this.symbols.mmap(null, BigInt(size), access, MAP_SHARED, fd, 0n);
    const code = this.errno.read();
    if (pointer === null || addressIn(pointer) === MAP_FAILED) {
      const attempt = { operation: "mmap", action: `map ${size} bytes of`, object: `fd ${fd}` };
      throw new LibcError(attempt, code);
    }
    return new MappedMemory(pointer, size, () => {
      this.symbols.munmap(pointer, BigInt(size));
    });
  }

  ioctl(fd: number, request: number, argument: number): void {
    const result = this.symbols.ioctl(fd, BigInt(request), BigInt(argument));
    const code = this.errno.read();
    const action = `make ioctl ${request.toString(16)} on`;
    unwrapLibc(result, code, { operation: "ioctl", action, object: `fd ${fd}` });
  }

  /** A new eventfd with count 0, non-blocking and close-on-exec. */
  eventfd(): number {
    const fd = this.symbols.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const code = this.errno.read();
    return unwrapLibc(fd, code, { operation: "eventfd", action: "open", object: "eventfd" });
  }

  /** Adds 1 to an eventfd. */
  signalEventfd(fd: number): void {
    this.write(fd, new Uint8Array(new BigUint64Array([1n]).buffer));
  }

  /** Sets an eventfd back to 0. */
  clearEventfd(fd: number): void {
    const count = new Uint8Array(8);
    const size = this.symbols.read(fd, count, 8n);
    const code = this.errno.read();
    if (size < 0n && code === Errno.EAGAIN) return;
    unwrapLibc(size, code, { operation: "read", action: "read", object: `fd ${fd}` });
  }

  /** @returns bytes written, which may be fewer than given. */
  write(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
    const size = this.symbols.write(fd, bytes, BigInt(bytes.length));
    const code = this.errno.read();
    return unwrapLibc(size, code, { operation: "write", action: "write to", object: `fd ${fd}` });
  }

  /** @returns bytes read, 0 at the end. */
  read(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
    const size = this.symbols.read(fd, bytes, BigInt(bytes.length));
    const code = this.errno.read();
    return unwrapLibc(size, code, { operation: "read", action: "read from", object: `fd ${fd}` });
  }

  /** Closes a descriptor. An error is not reported: Linux has closed it in every case. */
  close(fd: number): void {
    this.symbols.close(fd);
  }

  /** A new file in memory, close-on-exec unless `inherit`. */
  memfdCreate(name: string, options: { readonly inherit?: boolean } = {}): number {
    const flags = options.inherit === true ? 0 : MFD_CLOEXEC;
    const fd = this.symbols.memfd_create(encodeCString(name), flags);
    const code = this.errno.read();
    const action = "make a file in memory for";
    return unwrapLibc(fd, code, { operation: "memfd_create", action, object: name });
  }

  /** Reads a limit of this process and, with `limit`, sets it; returns the one before. */
  prlimit(resource: number, limit: ResourceLimit | null = null): ResourceLimit {
    const next = limit === null ? null : new BigUint64Array([limit.soft, limit.hard]);
    const before = new BigUint64Array(2);
    const result = this.symbols.prlimit(0, resource, next, before);
    const code = this.errno.read();
    const action = "set or read resource limit";
    unwrapLibc(result, code, { operation: "prlimit", action, object: `${resource}` });
    return { soft: before[0] ?? 0n, hard: before[1] ?? 0n };
  }

  /** Time of a clock (`ClockId`), ns. */
  clockGettimeNs(clockId: number): bigint {
    const result = this.symbols.clock_gettime(clockId, this.#time);
    const code = this.errno.read();
    const attempt = { operation: "clock_gettime", action: "read clock", object: `${clockId}` };
    unwrapLibc(result, code, attempt);
    return (this.#time[0] ?? 0n) * 1_000_000_000n + (this.#time[1] ?? 0n);
  }

  /**
   * Sends one datagram to a local socket. A path that starts with "@" is in the abstract name
   * space, as in NOTIFY_SOCKET.
   */
  sendDatagram(path: string, bytes: Uint8Array<ArrayBuffer>): void {
    const address = encodeSocketAddress(path);
    const fd = this.symbols.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
    const socketCode = this.errno.read();
    const attempt = { action: "send a datagram to", object: path };
    unwrapLibc(fd, socketCode, { ...attempt, operation: "socket" });
    const length = BigInt(bytes.length);
    const sent = this.symbols.sendto(fd, bytes, length, MSG_NOSIGNAL, address, address.length);
    const code = this.errno.read();
    this.symbols.close(fd);
    unwrapLibc(sent, code, { ...attempt, operation: "sendto" });
  }

  /**
   * Writes some of the bytes to a regular file, on a thread of Deno's because a disk may be slow.
   * `Deno.stdout.write()` writes all and hides how much was out when it failed.
   *
   * @param bytes must not change until it resolves
   * @returns bytes that were written
   * @throws {LibcError} such as ENOSPC; nothing was written then
   */
  async writeFile(fd: number, bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    const size = Number(await this.symbols.slow_write(fd, bytes, BigInt(bytes.length)));
    if (size >= 0) return size;
    // The reason stayed on the other thread: a small write on this one gives it again.
    return this.write(fd, bytes.subarray(0, FILE_PROBE_SIZE));
  }

  /**
   * Sets the nice value of the calling thread; in Linux each thread has its own (setpriority(2), "C
   * library/kernel differences").
   *
   * @throws {LibbpfError} EACCES or EPERM without CAP_SYS_NICE when it goes down.
   */
  setThreadNice(nice: number): void {
    const result = this.symbols.setpriority(PRIO_PROCESS, CALLING_THREAD, nice);
    const code = this.errno.read();
    const attempt = { operation: "setpriority", action: "set nice value", object: `${nice}` };
    unwrapLibc(result, code, attempt);
  }

  /** Gives memory that malloc holds but nobody uses back to the kernel. Takes some milliseconds. */
  trimMalloc(): void {
    this.symbols.malloc_trim(0n);
  }

  /** What a process or thread (`RusageWho`) used so far. */
  getrusage(who: number): ResourceUsage {
    const usage = new Uint8Array(RUSAGE.SIZE);
    const result = this.symbols.getrusage(who, usage);
    const code = this.errno.read();
    unwrapLibc(result, code, { operation: "getrusage", action: "read usage", object: `${who}` });
    const view = new DataView(usage.buffer);
    const long = (at: number) => Number(view.getBigInt64(at, true));
    return {
      userNs: long(RUSAGE.ru_utime) * 1e9 + long(RUSAGE.ru_utime + 8) * 1e3,
      systemNs: long(RUSAGE.ru_stime) * 1e9 + long(RUSAGE.ru_stime + 8) * 1e3,
      maxResidentSize: long(RUSAGE.ru_maxrss) * 1024,
      voluntarySwitches: long(RUSAGE.ru_nvcsw),
      involuntarySwitches: long(RUSAGE.ru_nivcsw),
    };
  }

  /** Where a symbolic link points, as the bytes it has: paths need not be UTF-8. */
  readlink(path: string | Uint8Array): Uint8Array<ArrayBuffer> {
    const target = new Uint8Array(LINK_SIZE_MAX);
    const size = this.symbols.readlink(encodeCString(path), target, BigInt(target.length));
    const code = this.errno.read();
    const object = typeof path === "string" ? path : new TextDecoder().decode(path);
    const attempt = { operation: "readlink", action: "read link", object };
    return target.slice(0, unwrapLibc(size, code, attempt));
  }

  /** The handle by which the file system of `path` knows the file; links are not followed. */
  nameToHandle(path: string): FileHandle {
    const handle = new Uint8Array(HANDLE_HEADER_SIZE + HANDLE_SIZE_MAX);
    const view = new DataView(handle.buffer);
    view.setUint32(0, HANDLE_SIZE_MAX, true);
    const mountId = new Int32Array(1);
    const name = encodeCString(path);
    const result = this.symbols.name_to_handle_at(AT_FDCWD, name, handle, mountId, 0);
    const code = this.errno.read();
    const action = "get the file handle of";
    unwrapLibc(result, code, { operation: "name_to_handle_at", action, object: path });
    const end = HANDLE_HEADER_SIZE + view.getUint32(0, true);
    return { type: view.getInt32(4, true), bytes: handle.slice(HANDLE_HEADER_SIZE, end) };
  }

  /** Closes the library handle; safe to call twice. */
  [Symbol.dispose](): void {
    this.#table.close();
  }
}

/** `struct sockaddr_un`, as long as its name needs. @throws {RangeError} the path is too long. */
function encodeSocketAddress(path: string): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(path);
  if (name.length === 0 || name.length >= SOCKET_PATH_SIZE_MAX) {
    throw new RangeError(`Cannot send a datagram to "${path}": its length is ${name.length}`);
  }
  const address = new Uint8Array(2 + name.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  if (path.startsWith("@")) address[2] = 0;
  return address;
}
