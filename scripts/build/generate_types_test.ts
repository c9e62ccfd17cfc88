import assert from "node:assert/strict";
import { join } from "node:path";
import { dumpBtf } from "./btf_dump.ts";
import { findWireHeaders, generateTypes } from "./generate_types.ts";
import { HeaderTypes, LayoutError } from "./header_types.ts";
import { openWorkspace } from "./workspace.ts";

const ROOT = openWorkspace().root;
const INCLUDE = join(ROOT, "bpf/include");

/** The types of a header with this text, through the real compiler and bpftool. */
async function compile(text: string, path = "bpf/test/test.h"): Promise<HeaderTypes> {
  const work = await Deno.makeTempDir();
  try {
    const header = join(work, "test.h");
    await Deno.writeTextFile(header, `#include "wire_types.h"\n${text}`);
    return new HeaderTypes(path, await dumpBtf(header, INCLUDE, work));
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function assertRefused(text: string, member: string, why: RegExp): Promise<void> {
  const types = await compile(`${text}\nEXPORT_STRUCT(sample);`);
  assert.throws(() => types.render(new Set()), (error) => {
    assert(error instanceof LayoutError);
    assert.equal(`${error.header} ${error.type}.${error.member}`, `bpf/test/test.h ${member}`);
    assert.match(error.message, why);
    return true;
  });
}

Deno.test("HeaderTypes renders sizes, offsets and a reader that works", async () => {
  const types = await compile(`
    enum sample_limit { SAMPLE_COUNT = 2 };
    EXPORT_ENUM(sample_limit);
    struct inner { s32 low; u8 bytes[4]; };
    EXPORT_STRUCT(inner);
    struct sample { u64 time_ns; u16 words[SAMPLE_COUNT]; u32 _reserved; struct inner in; };
    EXPORT_STRUCT(sample);`);
  const text = types.render(new Set());
  assert.match(text, /SAMPLE_SIZE = 24;/);
  assert.match(text, /SAMPLE_COUNT: 2,/);
  assert.doesNotMatch(text, /reserved/);
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "sample.ts"), text);
    const { readSample, SampleOffset } = await import(`file://${folder}/sample.ts`);
    const view = new DataView(new ArrayBuffer(25));
    view.setBigUint64(1, 0x0102030405060708n, true);
    view.setUint16(11, 7, true);
    view.setInt32(17, -5, true);
    view.setUint8(24, 9);
    assert.deepEqual(readSample(view, 1), {
      timeNs: 0x0102030405060708n,
      words: [0, 7],
      in: { low: -5, bytes: [0, 0, 0, 9] },
    });
    assert.deepEqual(SampleOffset, { timeNs: 0, words: 8, in: 16 });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("HeaderTypes refuses a hole between members", () =>
  assertRefused("struct sample { u32 a; u64 b; };", "sample.b", /hole of 4 bytes/));

Deno.test("HeaderTypes refuses a hole at the end", () =>
  assertRefused("struct sample { u64 a; u32 b; };", "sample.(end)", /hole of 4 bytes/));

Deno.test("HeaderTypes refuses a bit-field", () =>
  assertRefused("struct sample { u32 a : 3; u32 b : 29; };", "sample.a", /bit-field/));

Deno.test("HeaderTypes refuses a pointer", () =>
  assertRefused("struct sample { u32 *a; };", "sample.a", /PTR/));

Deno.test("HeaderTypes refuses long, whose size depends on the machine", () =>
  assertRefused("struct sample { long a; };", "sample.a", /INT long/));

Deno.test("HeaderTypes refuses a union", () =>
  assertRefused("struct sample { union { u32 b; s32 c; } a; };", "sample.a", /UNION/));

Deno.test("HeaderTypes renders an array of structs, each read at its own place", async () => {
  const types = await compile(
    "struct part { u32 a; u32 b; };\nEXPORT_STRUCT(part);\n" +
      "struct whole { u64 head; struct part parts[2]; };\nEXPORT_STRUCT(whole);",
  );
  const text = types.render(new Set());
  assert.match(text, /WHOLE_SIZE = 24;/);
  assert.match(text, /readonly parts: readonly Part\[\];/);
  assert.match(text, /parts: \[readPart\(view, at \+ 8\), readPart\(view, at \+ 16\)\],/);
});

Deno.test("HeaderTypes refuses an array of pointers", () =>
  assertRefused("struct sample { void *a[2]; };", "sample.a", /array of PTR/));

Deno.test("HeaderTypes refuses an enum beyond 32 bits", async () => {
  const types = await compile("enum wide { WIDE = 1LL << 40 };\nEXPORT_ENUM(wide);");
  assert.throws(() => types.render(new Set()), /"wide.WIDE".*32 bits/);
});

Deno.test("HeaderTypes.claimKinds() names both headers when a record kind is taken", async () => {
  const kinds = new Map<number, string>();
  const text = (name: string) =>
    `enum ${name}_record_kind { ${name} = 0x0203 };\nEXPORT_ENUM(${name}_record_kind);`;
  (await compile(text("first"), "bpf/first/first.h")).claimKinds(kinds);
  const second = await compile(text("second"), "bpf/second/second.h");
  assert.throws(() => second.claimKinds(kinds), (error) => {
    assert(error instanceof LayoutError);
    assert.match(error.message, /bpf\/second\/second\.h.*bpf\/first\/first\.h.*515/);
    return true;
  });
});

Deno.test("HeaderTypes.claimKinds() refuses a kind the drop counters have no row for", async () => {
  for (const kind of ["0x0808", "0x0108"]) {
    const types = await compile(`enum x_record_kind { X = ${kind} };\nEXPORT_ENUM(x_record_kind);`);
    assert.throws(() => types.claimKinds(new Map()), /outside 8 x 8/);
  }
});

Deno.test("generateTypes() is the same twice and covers every header", async () => {
  const work = await Deno.makeTempDir();
  try {
    const [first, second] = [await generateTypes(ROOT, work), await generateTypes(ROOT, work)];
    assert.deepEqual(first, second);
    for (const { name } of await findWireHeaders(ROOT)) assert(first.files.has(`${name}.ts`));
    assert.match(first.files.get("mod.ts")!, /export \* from "\.\/record\.ts"/);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
});
