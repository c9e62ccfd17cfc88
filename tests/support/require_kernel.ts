/**
 * Kernel tests and when they may be left out.
 *
 * @module
 */
import { openLibbpf } from "../../ffi/mod.ts";
import type { KernelFeature } from "../../src/sensors/mod.ts";
import {
  isKernelSince,
  KERNEL_FEATURES,
  KernelFeatures,
  openPayload,
} from "../../src/loader/mod.ts";
import { leakCheck } from "./leak_check.ts";

/** Whether this is a guest, where programs may make calls fail and nobody else is harmed. */
export const IS_GUEST = Deno.env.get("SHRIKE_TEST_OFFLINE") === "1";

/** A kernel test. */
export interface KernelTest {
  /** Symbol and behaviour. */
  readonly name: string;
  /** Features it needs beside those of the sensor. */
  readonly requires?: readonly KernelFeature[];
  run(): void | Promise<void>;
}

const ALWAYS: readonly KernelFeature[] = ["btf", "tp_btf", "perf_event_array"];

/**
 * Registers a test that needs root and the kernel, followed by a leak check. It is left out, with a
 * line on stderr, only when the user is not root or the kernel is older than a feature it needs; a
 * newer kernel without the feature fails it.
 */
export function kernelTest({ name, requires = [], run }: KernelTest): void {
  const reason = reasonToSkip([...ALWAYS, ...requires]);
  if (reason !== undefined) console.error(`skip: ${name}: ${reason}`);
  Deno.test({
    name,
    ignore: reason !== undefined,
    fn: async () => {
      requireFeatures([...ALWAYS, ...requires]);
      try {
        await using _leaks = leakCheck();
        await run();
      } catch (error) {
        throw firstError(error);
      }
    },
  });
}

/** What went wrong first: what goes wrong while things are let go follows from it most times. */
function firstError(error: unknown): unknown {
  return error instanceof SuppressedError ? firstError(error.suppressed) : error;
}

/** For tests that find out only on the way that the kernel is configured without something. */
export function skipLine(name: string, reason: string): void {
  console.error(`skip: ${name}: ${reason}`);
}

function reasonToSkip(features: readonly KernelFeature[]): string | undefined {
  if (Deno.uid() !== 0) return "not root";
  const old = features.find((name) =>
    !isKernelSince(Deno.osRelease(), KERNEL_FEATURES[name].since)
  );
  if (old === undefined) return undefined;
  return `kernel ${Deno.osRelease()} is older than ${
    KERNEL_FEATURES[old].since.join(".")
  } (${old})`;
}

function requireFeatures(features: readonly KernelFeature[]): void {
  using libbpf = openLibbpf(openPayload().libbpfPath());
  const kernel = new KernelFeatures(libbpf);
  const missing = features.find((feature) => !kernel.has(feature));
  if (missing !== undefined) throw new Error(`Kernel ${Deno.osRelease()} lacks ${missing}`);
}
