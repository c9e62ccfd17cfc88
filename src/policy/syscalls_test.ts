import assert from "node:assert/strict";
import { knownSyscalls, syscallFunction, syscallName, syscallNumber } from "./syscalls.ts";

/** Headers of this machine; not everywhere installed, and of one architecture only. */
const HEADER = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
/** file_setattr (Linux 6.17). */
const NEWEST = 469;

Deno.test("syscallNumber() knows the numbers of both machines", () => {
  const cases: readonly [name: string, x86: number | undefined, arm: number | undefined][] = [
    ["read", 0, 63],
    ["openat", 257, 56],
    ["execve", 59, 221],
    ["bpf", 321, 280],
    ["rseq", 334, 293],
    ["pidfd_send_signal", 424, 424],
    ["openat2", 437, 437],
    ["mseal", 462, 462],
    ["open", 2, undefined],
    ["umount2", 166, 39],
    ["newfstatat", 262, 79],
  ];
  for (const [name, x86, arm] of cases) {
    assert.equal(syscallNumber(name, "x86_64"), x86, name);
    assert.equal(syscallNumber(name, "aarch64"), arm, name);
  }
});

const AGREES = "syscallNumber() agrees with the header of this machine";
const header = readHeader();
if (header === undefined) console.error(`skip: ${AGREES}: ${HEADER} is not installed`);

Deno.test(AGREES, { ignore: header === undefined }, () => {
  const defined = [...header!.matchAll(/^#define __NR_(\w+) (\d+)$/gm)];
  assert(defined.length > 300);
  for (const [, name = "", number] of defined) {
    // A newer header may have calls that came later.
    if (Number(number) > NEWEST) continue;
    assert.equal(syscallNumber(name, "x86_64"), Number(number), name);
  }
});

Deno.test("syscallName() takes the names of policies and of the kernel's functions", () => {
  const cases: readonly [text: string, name: string | undefined][] = [
    ["openat", "openat"],
    ["sys_openat", "openat"],
    ["__x64_sys_openat", "openat"],
    ["__arm64_sys_openat", "openat"],
    ["sys_newstat", "stat"],
    ["sys_umount", "umount2"],
    ["__ia32_sys_openat", undefined],
    ["tcp_connect", undefined],
    ["sys_", undefined],
    ["-", undefined],
    ["constructor", undefined],
  ];
  for (const [text, name] of cases) assert.equal(syscallName(text), name, text);
});

Deno.test("syscallFunction() and syscallName() are inverse to each other", () => {
  for (const known of knownSyscalls()) {
    const name = syscallName(known);
    assert(name !== undefined, known);
    assert.equal(syscallName(`__x64_sys_${syscallFunction(name)}`), name);
  }
  assert.equal(syscallFunction("stat"), "newstat");
  assert.equal(syscallFunction("openat"), "openat");
});

function readHeader(): string | undefined {
  try {
    return Deno.readTextFileSync(HEADER);
  } catch {
    return undefined;
  }
}
