import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { KernelSymbols } from "./kernel_symbols.ts";

/** Lines of /proc/kallsyms as a kernel with all tables has them. */
const SYMBOLS = `
ffffffff81000000 T __x64_sys_openat
ffffffff81000010 T __ia32_sys_openat
ffffffff81000020 t __ia32_compat_sys_openat
ffffffff81000030 T __x64_sys_connect
ffffffff81000040 T __ia32_sys_connect
ffffffff81000050 T __ia32_compat_sys_socketcall
ffffffff81000060 T __ia32_sys_socketcall
ffffffff81000070 T __x64_compat_sys_execve
ffffffff81000080 T __x64_sys_execve
ffffffff81000090 T __ia32_compat_sys_execve
ffffffff810000a0 T __x64_sys_newstat
ffffffff810000b0 W __x64_sys_uselib
ffffffff810000c0 W __ia32_sys_uselib
ffffffff810000d0 T __x64_sys_getpid\t[module]
ffffffff810000e0 T within_error_injection_list
`.trimStart();

const yes = () => true;

Deno.test("KernelSymbols.functionsOf() has each way into a call, by all tables", () => {
  const symbols = new KernelSymbols(SYMBOLS);
  const functions = (name: string) => symbols.functionsOf(name, "x86_64", yes).functions;
  deepStrictEqual(functions("openat"), [
    ...["__x64_sys_openat", "__ia32_sys_openat", "__ia32_compat_sys_openat"],
  ]);
  deepStrictEqual(functions("connect"), [
    ...["__x64_sys_connect", "__ia32_sys_connect"],
    ...["__ia32_sys_socketcall", "__ia32_compat_sys_socketcall"],
  ]);
  deepStrictEqual(functions("execve"), [
    ...["__x64_sys_execve", "__x64_compat_sys_execve", "__ia32_compat_sys_execve"],
  ]);
});

Deno.test("KernelSymbols.functionsOf() says which way has no function that is known", () => {
  const symbols = new KernelSymbols(SYMBOLS);
  const { functions, unknown } = symbols.functionsOf("stat", "x86_64", yes);
  deepStrictEqual(functions, ["__x64_sys_newstat"]);
  deepStrictEqual(unknown.includes("the 32-bit call stat64"), true);
});

Deno.test("KernelSymbols.functionsOf() takes weak functions for calls that are not built in", () => {
  const { functions, unknown } = new KernelSymbols(SYMBOLS).functionsOf("uselib", "x86_64", yes);
  deepStrictEqual([functions, unknown], [[], []]);
});

Deno.test("KernelSymbols knows no other tables where the kernel has none, nor on arm64", () => {
  const plain = new KernelSymbols("ffffffff81000000 T __x64_sys_stat\na T __x64_sys_openat\n");
  deepStrictEqual(plain.functionsOf("openat", "x86_64", yes).functions, ["__x64_sys_openat"]);
  strictEqual(plain.hasErrorInjection, false);
  strictEqual(new KernelSymbols(SYMBOLS).hasErrorInjection, true);
  const arm = new KernelSymbols("ffff800080000000 T __arm64_sys_openat\n");
  deepStrictEqual(arm.functionsOf("openat", "aarch64", yes).functions, ["__arm64_sys_openat"]);
  strictEqual(arm.isSyscallFunction("__arm64_sys_openat"), true);
});

Deno.test("KernelSymbols.functionsOf() knows which functions only the 32-bit table has", () => {
  const { compat, functions, isTyped } = new KernelSymbols(SYMBOLS)
    .functionsOf("execve", "x86_64", (name) => name === "__x64_sys_execve");
  deepStrictEqual(compat, ["__ia32_compat_sys_execve"]);
  deepStrictEqual(functions.map(isTyped), [true, false, false]);
});
