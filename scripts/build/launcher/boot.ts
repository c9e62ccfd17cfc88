/**
 * The first code that runs in an executable made by pack_executable.ts: Deno's main module, as a
 * `data:` URL. Imports the bundle from the payload, whose checksum the launcher has checked.
 *
 * @module
 */

/** Position of a file in the payload, bytes; see `src/loader/payload.ts` for the whole format. */
interface Place {
  readonly offset: number;
  readonly size: number;
}

/** Reads the bundle; in a function, so that the file is closed and the bytes are garbage after it. */
function readBundle(): Uint8Array<ArrayBuffer> {
  const [start, fd, offset, size] = (Deno.env.get("SHRIKE__BOOT") ?? "").split(":");
  // After execve(2) the kernel calls the process after the file: a digest or a descriptor.
  if (start !== "map") Deno.writeTextFileSync("/proc/self/comm", "shrike");
  using file = Deno.openSync(`/proc/self/fd/${fd}`);
  const payload = new Uint8Array(Number(size));
  file.seekSync(Number(offset), Deno.SeekMode.Start);
  for (let at = 0; at < payload.length;) {
    const count = file.readSync(payload.subarray(at));
    if (count === null) throw new Error("Cannot start shrike: its file was cut short meanwhile");
    at += count;
  }
  const end = 4 + new DataView(payload.buffer).getUint32(0, true);
  const index: Record<string, Place> = JSON.parse(
    new TextDecoder().decode(payload.subarray(4, end)),
  );
  const main = index["bundle/main.js"]!;
  return payload.slice(end + main.offset, end + main.offset + main.size);
}

await import(URL.createObjectURL(new Blob([readBundle()], { type: "text/javascript" })));
