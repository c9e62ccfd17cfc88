import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { describeObject } from "./compile_bpf.ts";
import { readElf } from "./elf_symbols.ts";
import { runTool } from "./run_tool.ts";

const PROGRAM = `
  #define SEC(name) __attribute__((section(name), used))
  const volatile unsigned char first = 1;
  const volatile unsigned long long second;
  static const volatile int hidden = 3;
  unsigned int written;
  SEC("license") char LICENSE[] = "GPL";
  SEC("tp/x") int on_x(void *context) { return first + second + hidden + written; }
`;

/** Compiles C for BPF and returns the object. */
async function compile(text: string, flags: string[] = ["-g"]): Promise<Uint8Array> {
  const work = await Deno.makeTempDir();
  try {
    const source = join(work, "test.bpf.c");
    await Deno.writeTextFile(source, text);
    const object = join(work, "test.bpf.o");
    await runTool("clang", ["-target", "bpf", "-O2", ...flags, "-c", source, "-o", object]);
    return await Deno.readFile(object);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

Deno.test("describeObject() finds the constants a loader may set, and no others", async () => {
  const bytes = await compile(PROGRAM);
  const { globals, sha256, size, file } = describeObject("/x/test.bpf.o", bytes);
  assert.deepEqual(Object.keys(globals).sort(), ["first", "second"]);
  assert.deepEqual(globals["first"], { section: ".rodata", offset: 0, size: 1 });
  assert.deepEqual(globals["second"], { section: ".rodata", offset: 8, size: 8 });
  const section = readElf(bytes).sections.find(({ name }) => name === ".rodata")!;
  assert.equal(bytes[section.offset], 1);
  assert.equal(sha256, createHash("sha256").update(bytes).digest("hex"));
  assert.deepEqual([file, size], ["test.bpf.o", bytes.length]);
});

Deno.test("describeObject() refuses an object without BTF", async () => {
  const bytes = await compile(PROGRAM, []);
  assert.throws(() => describeObject("/x/test.bpf.o", bytes), /test\.bpf\.o.*\.BTF/);
});

Deno.test("describeObject() refuses an object without a licence", async () => {
  const bytes = await compile(PROGRAM.replace(/SEC\("license"\).*/, ""));
  assert.throws(() => describeObject("/x/test.bpf.o", bytes), /license/);
});

Deno.test("readElf() refuses what is not ELF, or cut short", async () => {
  assert.throws(() => readElf(new Uint8Array(64)), /not 64-bit/);
  const bytes = await compile(PROGRAM);
  assert.throws(() => readElf(bytes.subarray(0, 200)), RangeError);
});
