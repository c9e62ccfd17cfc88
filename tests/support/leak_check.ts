/**
 * What a test leaves behind.
 *
 * @module
 */
import { deepStrictEqual } from "node:assert/strict";

/** Kinds of descriptors that hold kernel resources of ours. */
const WATCHED = /^anon_inode:(bpf-prog|bpf-map|bpf_link|btf|\[perf_event\])/;

/** Workers that were ended give back their descriptors a little later. */
const SETTLE_MS = 5_000;

/** Open for longer than a test, on purpose. */
const expected = new Map<string, number>();

/** What is open since `before`, a count of then, is open on purpose, and no leak of a test. */
export function expectDescriptors(before: ReadonlyMap<string, number>): void {
  for (const [kind, count] of countDescriptors()) {
    const added = count - (before.get(kind) ?? 0);
    expected.set(kind, (expected.get(kind) ?? 0) + added);
  }
}

/** How often each kind of watched descriptor is open. */
export function countDescriptors(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    let target: string;
    try {
      target = Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      // The descriptor of the directory that is being read.
      continue;
    }
    const kind = WATCHED.exec(target)?.[1];
    if (kind !== undefined) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

function countOthers(): Map<string, number> {
  const counts = countDescriptors();
  for (const [kind, count] of expected) counts.set(kind, (counts.get(kind) ?? 0) - count);
  return counts;
}

/**
 * Remembers what is open; when disposed, fails the test if more is open than then. Programs, maps
 * and links have no name elsewhere (we pin nothing), so without a descriptor they are gone.
 */
export function leakCheck(): AsyncDisposable {
  const before = countOthers();
  const leaks = () => [...countOthers()].filter(([kind, count]) => count > (before.get(kind) ?? 0));
  return {
    async [Symbol.asyncDispose]() {
      const deadline = performance.now() + SETTLE_MS;
      while (leaks().length > 0 && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      deepStrictEqual(leaks(), [], "descriptors that were not open before the test");
    },
  };
}
