import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { LAYOUT_HASH } from "../wire/mod.ts";
import { LoadError } from "./load_error.ts";
import { readManifest, writeGlobals } from "./manifest.ts";

function payload(manifest: unknown) {
  return { read: () => new TextEncoder().encode(JSON.stringify(manifest)) };
}

const isMismatch = (error: unknown) =>
  error instanceof LoadError && error.obstacle === "build_mismatch";

Deno.test("readManifest() gives the objects of this build", () => {
  const objects = { process: { file: "process.bpf.o", globals: {} } };
  deepStrictEqual(readManifest(payload({ layoutHash: LAYOUT_HASH, objects })), objects);
});

Deno.test("readManifest() refuses objects of other layouts", () => {
  throws(() => readManifest(payload({ layoutHash: "0123", objects: {} })), isMismatch);
});

Deno.test("writeGlobals() writes each width where the variable stands", () => {
  const bytes = new Uint8Array(32).fill(0xee);
  const places = {
    flag: { section: ".rodata", offset: 1, size: 1 },
    count: { section: ".rodata", offset: 4, size: 4 },
    big: { section: ".rodata", offset: 8, size: 8 },
  };
  const sections: string[] = [];
  const section = (name: string) => {
    sections.push(name);
    return bytes;
  };
  writeGlobals("s", { flag: true, count: 0x01020304, big: 2n ** 64n - 2n }, places, section);
  deepStrictEqual([...bytes.subarray(0, 3)], [0xee, 1, 0xee]);
  deepStrictEqual([...bytes.subarray(4, 8)], [4, 3, 2, 1]);
  deepStrictEqual([...bytes.subarray(8, 16)], [0xfe, 255, 255, 255, 255, 255, 255, 255]);
  strictEqual(bytes[16], 0xee);
  deepStrictEqual(sections, [".rodata", ".rodata", ".rodata"]);
});

Deno.test("writeGlobals() refuses variables that are missing and values that do not fit", () => {
  const places = { flag: { section: ".rodata", offset: 0, size: 1 } };
  const section = () => new Uint8Array(8);
  throws(() => writeGlobals("s", { other: 1 }, places, section), isMismatch);
  throws(() => writeGlobals("s", { flag: 256 }, places, section), isMismatch);
  throws(() => writeGlobals("s", { flag: -1 }, places, section), isMismatch);
  writeGlobals("s", { flag: 255 }, places, section);
});
