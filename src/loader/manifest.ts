/**
 * `bpf/manifest.json` of the payload: what the build says about the objects.
 *
 * @module
 */
import type { SensorGlobals } from "../sensors/sensor.ts";
import { LAYOUT_HASH } from "../wire/mod.ts";
import { LoadError } from "./load_error.ts";
import type { Payload } from "./payload.ts";

/** Where a `const volatile` variable stands, bytes. */
export interface GlobalPlace {
  readonly section: string;
  readonly offset: number;
  readonly size: number;
}

/** One object. */
export interface ManifestObject {
  readonly file: string;
  readonly globals: Readonly<Record<string, GlobalPlace>>;
}

interface Manifest {
  readonly layoutHash: string;
  readonly objects: Readonly<Record<string, ManifestObject>>;
}

/**
 * The entries of the objects by sensor.
 *
 * @throws {LoadError} the objects were built from other record layouts than this program.
 */
export function readManifest(payload: Pick<Payload, "read">): Manifest["objects"] {
  const text = new TextDecoder().decode(payload.read("bpf/manifest.json"));
  const manifest = JSON.parse(text) as Manifest;
  if (manifest.layoutHash !== LAYOUT_HASH) {
    const state = `its layouts are ${manifest.layoutHash}, this program's are ${LAYOUT_HASH}`;
    throw new LoadError("BPF programs", state, {
      obstacle: "build_mismatch",
      hint: "run `deno task generate` and `deno task build`",
    });
  }
  return manifest.objects;
}

/**
 * Writes the values of globals into the bytes of their section.
 *
 * @throws {LoadError} the object has no such variable, or the value does not fit it.
 */
export function writeGlobals(
  sensor: string,
  globals: SensorGlobals,
  places: Readonly<Record<string, GlobalPlace>>,
  sectionBytes: (section: string) => Uint8Array<ArrayBuffer>,
): void {
  for (const [name, value] of Object.entries(globals)) {
    const place = places[name];
    const size = place?.size ?? 0;
    const bits = BigInt(value);
    if (place === undefined || ![1, 2, 4, 8].includes(size) || bits >> BigInt(8 * size) !== 0n) {
      const state = place === undefined ? "it is missing" : `${value} does not fit ${size} bytes`;
      throw new LoadError(`sensor "${sensor}"`, `variable "${name}" of its object: ${state}`, {
        obstacle: "build_mismatch",
        hint: "run `deno task build`",
      });
    }
    const bytes = sectionBytes(place.section);
    // BPF objects are little-endian on every machine we build for.
    for (let i = 0; i < size; i++) {
      bytes[place.offset + i] = Number((bits >> BigInt(8 * i)) & 0xffn);
    }
  }
}
