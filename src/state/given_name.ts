/**
 * The name that exec was given, of a process that was there before anybody watched.
 *
 * @module
 */

/** linux/auxvec.h: where the kernel has put the name. */
const AT_EXECFN = 31n;
/** A few dozen entries of 16 bytes. */
const AUXV_SIZE_MAX = 4096;
const NAME_SIZE_MAX = 4096;

/** A name as it was given, and the directory that the process is in. */
export interface GivenName {
  readonly name: Uint8Array;
  readonly directory: Uint8Array;
}

/** Undefined: it has ended, or its memory may not be read. */
export function readGivenName(
  tgid: number,
  folder = `/proc/${tgid}`,
): GivenName | undefined {
  try {
    const address = findAddress(readAt(`${folder}/auxv`, 0n, AUXV_SIZE_MAX));
    if (address === undefined) return undefined;
    const bytes = readAt(`${folder}/mem`, address, NAME_SIZE_MAX);
    const end = bytes.indexOf(0);
    if (end <= 0) return undefined;
    return {
      name: bytes.subarray(0, end),
      directory: new TextEncoder().encode(Deno.readLinkSync(`${folder}/cwd`)),
    };
  } catch {
    return undefined;
  }
}

function findAddress(auxv: Uint8Array): bigint | undefined {
  const view = new DataView(auxv.buffer, auxv.byteOffset, auxv.byteLength);
  for (let at = 0; at + 16 <= auxv.byteLength; at += 16) {
    const address = view.getBigUint64(at + 8, true);
    if (view.getBigUint64(at, true) === AT_EXECFN && address < 2n ** 63n) return address;
  }
  return undefined;
}

/** As much as one read gives: up to the end of the file, or of the memory that is there. */
function readAt(path: string, offset: bigint, size: number): Uint8Array {
  using file = Deno.openSync(path);
  if (offset > 0n) file.seekSync(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(size);
  return bytes.subarray(0, file.readSync(bytes) ?? 0);
}
