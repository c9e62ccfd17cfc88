import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { readBtfEnum, readCgroupSubsystems } from "./btf_enum.ts";

const NAMES = ["", "int", "cgroup_subsys_id_x", "cgroup_subsys_id", "cpu_cgrp_id", "io_cgrp_id"];

/** BTF with an int, a struct of two members, another enum, and the one that is looked for. */
function btf(headerSize = 24, kind = 4): Uint8Array<ArrayBuffer> {
  const strings = new TextEncoder().encode(`${NAMES.join("\0")}\0`);
  const at = (name: string) => NAMES.slice(0, NAMES.indexOf(name)).join("\0").length + 1;
  const info = (kind: number, members: number) => (kind << 24) | members;
  const types = new Int32Array([
    ...[at("int"), info(1, 0), 4, 32],
    ...[at("int"), info(kind, 2), 8, 1, 1, 0, 1, 1, 32],
    ...[at("cgroup_subsys_id_x"), info(6, 1), 4, at("cpu_cgrp_id"), 9],
    ...[at("cgroup_subsys_id"), info(6, 2), 4, at("cpu_cgrp_id"), 1, at("io_cgrp_id"), 3],
  ]);
  const bytes = new Uint8Array(headerSize + types.byteLength + strings.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, true);
  const fields = [headerSize, 0, types.byteLength, types.byteLength, strings.length];
  fields.forEach((field, i) => view.setUint32(4 + i * 4, field, true));
  bytes.set(new Uint8Array(types.buffer), headerSize);
  bytes.set(strings, headerSize + types.byteLength);
  return bytes;
}

Deno.test("readBtfEnum() finds an enum by its whole name behind types of other kinds", () => {
  const members = [["cpu_cgrp_id", 1], ["io_cgrp_id", 3]];
  deepStrictEqual([...readBtfEnum(btf(), "cgroup_subsys_id")!], members);
  // The header has grown in Linux 7.2.
  deepStrictEqual([...readBtfEnum(btf(32), "cgroup_subsys_id")!], members);
  strictEqual(readBtfEnum(btf(), "subsys_id"), undefined);
  strictEqual(readBtfEnum(btf(), "int"), undefined);
});

Deno.test("readBtfEnum() refuses what it cannot read", () => {
  throws(() => readBtfEnum(new Uint8Array(100), "x"), RangeError);
  throws(() => readBtfEnum(new Uint8Array(3), "x"), RangeError);
  throws(() => readBtfEnum(btf(24, 25), "cgroup_subsys_id"), /unknown kind 25/);
});

Deno.test("readCgroupSubsystems() gives v1 names, nothing without BTF", () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, btf());
    deepStrictEqual([...readCgroupSubsystems(path)!], [["cpu", 1], ["blkio", 3]]);
    Deno.writeFileSync(path, new Uint8Array(50));
    strictEqual(readCgroupSubsystems(path), undefined);
  } finally {
    Deno.removeSync(path);
  }
  strictEqual(readCgroupSubsystems("/nonexistent/btf"), undefined);
});
