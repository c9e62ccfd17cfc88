import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Errno } from "../../ffi/mod.ts";
import { meetOldSockets } from "./old_sockets.ts";

/** An iterator whose reads give these sizes, or fail with -errno. */
function reading(sizes: readonly number[]) {
  const left = [...sizes];
  const closed: number[] = [];
  let code = 0;
  const read = () => {
    const size = left.length > 1 ? left.shift()! : left[0]!;
    code = Math.max(0, -size);
    return BigInt(Math.max(-1, size));
  };
  const libc = {
    symbols: { read },
    errno: { read: () => code },
    close: (fd: number) => void closed.push(fd),
  };
  const parts = {
    libc: libc as unknown as Parameters<typeof meetOldSockets>[0]["libc"],
    sensors: { openIterator: () => 7 },
    pause: () => Promise.resolve(),
  };
  return { parts, closed };
}

Deno.test("meetOldSockets() reads to the end and closes the iterator", async () => {
  const { parts, closed } = reading([4096, -Errno.EAGAIN, -Errno.EINTR, 10, 0]);
  deepStrictEqual(await meetOldSockets(parts), { files: 4106, isCut: false });
  deepStrictEqual(closed, [7]);
});

Deno.test("meetOldSockets() ends where there are too many files, or nothing comes", async () => {
  const many = await meetOldSockets(reading([4096]).parts);
  deepStrictEqual(many, { files: 4 << 20, isCut: true });
  const nothing = reading([-Errno.EAGAIN]);
  deepStrictEqual(await meetOldSockets(nothing.parts), { files: 0, isCut: true });
  const failed = reading([5, -Errno.EPERM]);
  deepStrictEqual(await meetOldSockets(failed.parts), { files: 5, isCut: true });
  deepStrictEqual([nothing.closed, failed.closed], [[7], [7]]);
});

Deno.test("meetOldSockets() says that a kernel has no iterator", async () => {
  const { parts } = reading([0]);
  const sensors = { openIterator: () => undefined };
  strictEqual(await meetOldSockets({ ...parts, sensors }), undefined);
});
