/**
 * Numbers of the system calls that libc has no wrapper for; they differ between architectures.
 *
 * @module
 */

/** System calls we make by number. */
export interface SyscallNumbers {
  readonly perfEventOpen: number;
  readonly membarrier: number;
  readonly fsopen: number;
  readonly fsconfig: number;
  readonly fsmount: number;
}

/** Since 5.1 new calls have the same number everywhere. */
const COMMON = { fsopen: 430, fsconfig: 431, fsmount: 432 } as const;

const NUMBERS: Readonly<Record<string, SyscallNumbers>> = {
  // arch/x86/entry/syscalls/syscall_64.tbl
  x86_64: { perfEventOpen: 298, membarrier: 324, ...COMMON },
  // include/uapi/asm-generic/unistd.h
  aarch64: { perfEventOpen: 241, membarrier: 283, ...COMMON },
};

/**
 * The numbers of an architecture as `Deno.build.arch` names it.
 *
 * @throws {RangeError} we have no numbers for it.
 */
export function syscallNumbers(arch: string): SyscallNumbers {
  const numbers = NUMBERS[arch];
  if (numbers === undefined) {
    throw new RangeError(`Cannot make system calls on "${arch}": its numbers are not known`);
  }
  return numbers;
}
