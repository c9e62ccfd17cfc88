import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { SOCKETCALL_NUMBER, syscallPlaces } from "./compat_syscalls.ts";
import { knownSyscalls, syscallNumber } from "./syscalls.ts";

const HEADERS = "/usr/include/x86_64-linux-gnu/asm";
/** Of asm/unistd_x32.h. */
const X32_LINE = /#define __NR_(\w+) \(__X32_SYSCALL_BIT \+ (\d+)\)/g;
const PLAIN_LINE = /#define __NR_(?:arch_specific_)?(\w+) (\d+)/g;

/** Name to number, as a C header has them; undefined when this machine has no such header. */
function readHeader(path: string, line: RegExp): Map<string, number> | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
  return new Map(Array.from(text.matchAll(line), ([, name, number]) => [name!, Number(number)]));
}

const native = readHeader(`${HEADERS}/unistd_64.h`, PLAIN_LINE);
const compat = readHeader(`${HEADERS}/unistd_32.h`, PLAIN_LINE);
const x32 = readHeader(`${HEADERS}/unistd_x32.h`, X32_LINE);
const ignore = native === undefined || compat === undefined || x32 === undefined;
if (ignore) console.error("skip: numbers of system calls: no headers of x86-64 on this machine");

Deno.test({
  name: "syscallNumber() says what the C headers say, for every call they have",
  ignore,
  fn() {
    ok(native!.size > 300);
    for (const [name, number] of native!) {
      strictEqual(syscallNumber(name, "x86_64"), number, name);
    }
  },
});

Deno.test({
  name:
    "syscallPlaces() has the 32-bit number of every call that the C headers have in both tables",
  ignore,
  fn() {
    for (const [name, number] of compat!) {
      if (syscallNumber(name, "x86_64") === undefined) continue;
      ok(syscallPlaces(name, "x86_64").compat.includes(number), `${name} ${number}`);
    }
    strictEqual(compat!.get("socketcall"), SOCKETCALL_NUMBER);
  },
});

Deno.test({
  name: "syscallPlaces() has no 32-bit number of another call",
  ignore,
  fn() {
    const names = new Map([...compat!].map(([name, number]) => [number, name]));
    for (const known of knownSyscalls()) {
      const name = known.replace(/^sys_/, "");
      for (const number of syscallPlaces(name, "x86_64").compat) {
        // Newer calls than the headers have are in the common part.
        const found = names.get(number) ?? name;
        const stem = (text: string) =>
          text.replace(/^(old)+|^_+|^u|^new|(32|64|2|6|_time64)*$/g, "");
        ok(
          stem(found).includes(stem(name).slice(0, 4)) || stem(name).includes(stem(found)),
          `${name}: ${number} is ${found}`,
        );
      }
    }
  },
});

Deno.test({
  name: "syscallPlaces() has the numbers of x32 as the C headers have them",
  ignore,
  fn() {
    for (const [name, number] of x32!) {
      ok(syscallPlaces(name, "x86_64").native.includes(number), `${name} ${number}`);
    }
  },
});

Deno.test("syscallPlaces() finds calls by all their ways", () => {
  deepStrictEqual(syscallPlaces("openat", "x86_64"), {
    ...{ native: [257], compat: [295], socketcalls: [] },
  });
  deepStrictEqual(syscallPlaces("execve", "x86_64"), {
    ...{ native: [59, 520], compat: [11], socketcalls: [] },
  });
  deepStrictEqual(syscallPlaces("connect", "x86_64"), {
    ...{ native: [42], compat: [362], socketcalls: [3] },
  });
  deepStrictEqual(syscallPlaces("sendto", "x86_64").socketcalls, [9, 11]);
  deepStrictEqual(syscallPlaces("chown", "x86_64").compat, [182, 212]);
  deepStrictEqual(syscallPlaces("mmap", "x86_64").compat, [90, 192]);
  deepStrictEqual(syscallPlaces("clone3", "x86_64").compat, [435]);
  deepStrictEqual(syscallPlaces("openat", "aarch64"), {
    ...{ native: [56], compat: [], socketcalls: [] },
  });
  deepStrictEqual(syscallPlaces("open", "aarch64").native, []);
});
