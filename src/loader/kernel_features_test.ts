import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { isKernelSince, KernelFeatures, parseKernelVersion } from "./kernel_features.ts";

/** A BTF file with these strings and no types. */
function btfFile(names: readonly string[]): Disposable & { readonly path: string } {
  const strings = new TextEncoder().encode(`\0${names.map((name) => `${name}\0`).join("")}`);
  const file = new Uint8Array(24 + 8 + strings.length);
  const view = new DataView(file.buffer);
  view.setUint16(0, 0xeb9f, true);
  view.setUint32(4, 24, true);
  view.setUint32(12, 8, true);
  view.setUint32(16, 8, true);
  view.setUint32(20, strings.length, true);
  file.set(strings, 32);
  const path = Deno.makeTempFileSync();
  Deno.writeFileSync(path, file);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path) };
}

const probing = (answer: boolean, asked: number[] = []) => ({
  probeMapType(type: number) {
    asked.push(type);
    return answer;
  },
});

Deno.test("parseKernelVersion() reads distribution releases", () => {
  deepStrictEqual(parseKernelVersion("6.12.117+deb13-cloud-amd64"), [6, 12]);
  deepStrictEqual(parseKernelVersion("5.10.0-46-cloud-amd64"), [5, 10]);
  deepStrictEqual(parseKernelVersion("7.2-rc1"), [7, 2]);
  deepStrictEqual(parseKernelVersion("none"), [0, 0]);
});

Deno.test("isKernelSince() compares major before minor", () => {
  for (const release of ["5.5.0", "5.10.1", "6.0.0", "7.2.13"]) {
    strictEqual(isKernelSince(release, [5, 5]), true, release);
  }
  for (const release of ["5.4.99", "4.19.0", ""]) {
    strictEqual(isKernelSince(release, [5, 5]), false, release);
  }
});

Deno.test("KernelFeatures.has() asks each question once", () => {
  const asked: number[] = [];
  const features = new KernelFeatures(probing(true, asked), "/proc/no-such-btf");
  strictEqual(features.has("perf_event_array"), true);
  strictEqual(features.has("perf_event_array"), true);
  deepStrictEqual(asked, [4]);
  strictEqual(features.has("btf"), false);
  strictEqual(features.has("tp_btf"), false);
});

Deno.test("KernelFeatures finds tracepoints by their names in BTF", () => {
  using file = btfFile(["int", "btf_trace_sched_process_exec", "btf_trace_sched_process_exec_x"]);
  const features = new KernelFeatures(probing(false), file.path);
  strictEqual(features.has("btf"), true);
  strictEqual(features.has("tp_btf"), true);
  strictEqual(features.has("perf_event_array"), false);
  deepStrictEqual(
    features.missingHooks([
      "tp_btf/sched_process_exec",
      "tp_btf/sched_process",
      "tp_btf/process_exec",
      "fentry/int",
      "fexit/whatever",
      "cgroup_skb/ingress",
    ]),
    ["tp_btf/sched_process", "tp_btf/process_exec", "fexit/whatever"],
  );
});

Deno.test("KernelFeatures says no to tp_btf when BTF has no tracepoints", () => {
  using file = btfFile(["int"]);
  strictEqual(new KernelFeatures(probing(true), file.path).has("tp_btf"), false);
});

Deno.test("KernelFeatures refuses a file that is no BTF, or is cut", () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, new Uint8Array(64));
    throws(() => new KernelFeatures(probing(true), path).missingHooks([]), RangeError);
    Deno.writeFileSync(path, new Uint8Array(8));
    throws(() => new KernelFeatures(probing(true), path).missingHooks([]), RangeError);
  } finally {
    Deno.removeSync(path);
  }
});
