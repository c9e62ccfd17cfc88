/**
 * What a test leaves behind.
 *
 * @module
 */
import { strictEqual } from "node:assert/strict";

/** Kinds of descriptors that hold kernel resources of ours. */
const WATCHED = /^anon_inode:(bpf-prog|bpf-map|bpf_link|btf|\[perf_event\]|\[eventfd\])|^\/memfd:/;

/** How often each kind of watched descriptor is open, and how many are open in all. */
function openDescriptors(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    let target: string;
    try {
      target = Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      // The descriptor of the directory that is being read.
      continue;
    }
    const kind = WATCHED.exec(target)?.[0];
    if (kind !== undefined) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/**
 * Remembers what is open; when disposed, fails the test unless the same is open. Programs, maps and
 * links have no name elsewhere (we pin nothing), so without a descriptor they are gone.
 */
export function leakCheck(): Disposable {
  const before = JSON.stringify(openDescriptors());
  return {
    [Symbol.dispose]() {
      strictEqual(JSON.stringify(openDescriptors()), before, "open descriptors");
    },
  };
}
