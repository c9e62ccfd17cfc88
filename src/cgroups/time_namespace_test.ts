import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { HostFiles } from "./host_files.ts";
import { hasOwnTime, readTimeOffsets } from "./time_namespace.ts";

/** Files of a process in time namespace `own`, whose children get `children`. */
function filesWith(own: string | undefined, children: string | undefined, offsets?: string) {
  const links = new Map([
    ["/proc/self/ns/time", own],
    ["/proc/self/ns/time_for_children", children],
  ]);
  return new class extends HostFiles {
    override readLink(path: string): string | undefined {
      return links.get(path);
    }
    override readText(): string | undefined {
      return offsets;
    }
  }();
}

const HOST = "time:[4026531834]";
const OWN = "time:[4026532500]";
const OFFSETS = "monotonic           -5         500000000\nboottime      1000000         0\n";

Deno.test("readTimeOffsets() is nothing on the host and on kernels without time namespaces", () => {
  for (const link of [HOST, undefined]) {
    const files = filesWith(link, link);
    strictEqual(hasOwnTime(files), false);
    deepStrictEqual(readTimeOffsets(files), { monotonicNs: 0n, boottimeNs: 0n });
  }
});

Deno.test("readTimeOffsets() reads the offsets of an own time namespace", () => {
  const files = filesWith(OWN, OWN, OFFSETS);
  strictEqual(hasOwnTime(files), true);
  deepStrictEqual(readTimeOffsets(files), {
    monotonicNs: -4_500_000_000n,
    boottimeNs: 1_000_000_000_000_000n,
  });
});

Deno.test("readTimeOffsets() does not take the offsets of children for its own", () => {
  strictEqual(readTimeOffsets(filesWith(OWN, HOST, OFFSETS)), undefined);
  strictEqual(readTimeOffsets(filesWith(OWN, OWN, "nonsense\n")), undefined);
});
