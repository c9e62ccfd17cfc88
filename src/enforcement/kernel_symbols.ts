/**
 * Which functions of system calls the running kernel has, from its list of symbols.
 *
 * @module
 */
import { OTHER_TABLE_PREFIXES, syscallEntries, type SyscallFunctions } from "../policy/mod.ts";
import type { Architecture } from "../policy/mod.ts";

/** A line of kallsyms: address, letter, name. Weak ones (W) are calls that were not built in. */
const SYSCALL_LINE = /^\S+ ([tTwW]) (__(?:x64|ia32|arm64)_(?:compat_)?sys_\w+)$/gm;
/** The kernel keeps a list of functions that may be made to fail (FUNCTION_ERROR_INJECTION). */
const ERROR_INJECTION = / [tT] within_error_injection_list$/m;

/** One that every kernel with 32-bit calls has, with arguments that are used: such have types. */
const COMPAT_FUNCTION = `${OTHER_TABLE_PREFIXES.i386}openat`;

/** Functions of system calls; the text of 10 MB is not kept. */
export class KernelSymbols {
  /** Any function of the kernel may be on the list of those that may be made to fail. */
  readonly hasErrorInjection: boolean;
  readonly #functions = new Set<string>();
  readonly #weak = new Set<string>();

  /** @param text what /proc/kallsyms says */
  constructor(text: string) {
    for (const [, letter, name] of text.matchAll(SYSCALL_LINE)) {
      (letter === "t" || letter === "T" ? this.#functions : this.#weak).add(name!);
    }
    this.hasErrorInjection = ERROR_INJECTION.test(text);
  }

  /** Whether a function is one that a system call begins with. */
  isSyscallFunction(name: string): boolean {
    return this.#functions.has(name);
  }

  /** What does the system call `name` ("openat"). The kernel's types are only read when asked. */
  functionsOf(
    name: string,
    architecture: Architecture,
    isTyped: (name: string) => boolean,
  ): SyscallFunctions {
    const tables = {
      hasI386: this.#hasAny(OTHER_TABLE_PREFIXES.i386),
      hasX32: this.#hasAny(OTHER_TABLE_PREFIXES.x32),
    };
    const functions = new Set<string>();
    const unknown: string[] = [];
    for (const entry of syscallEntries(name, architecture, tables)) {
      const there = entry.functions.filter((other) => this.#functions.has(other));
      for (const found of there) functions.add(found);
      if (there.length > 0 || entry.functions.some((other) => this.#weak.has(other))) continue;
      unknown.push(entry.text);
    }
    const all = [...functions];
    return { functions: all, compat: all.filter(isCompatFunction), unknown, isTyped };
  }

  /** A function of the 32-bit table, if the kernel has that. */
  get compatFunction(): string | undefined {
    return this.#functions.has(COMPAT_FUNCTION) ? COMPAT_FUNCTION : undefined;
  }

  #hasAny(prefix: string): boolean {
    for (const name of this.#functions) if (name.startsWith(prefix)) return true;
    return false;
  }
}

function isCompatFunction(name: string): boolean {
  return name.startsWith("__ia32_");
}
