import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { existsSync } from "node:fs";
import { LibcError } from "./errors.ts";
import { ClockId, openLibc, RusageWho } from "./libc.ts";
import { PollSet } from "./poll_set.ts";

Deno.test("Libc.readlink() gives bytes that are not UTF-8", () => {
  using libc = openLibc();
  const folder = Deno.makeTempDirSync();
  try {
    const name = new Uint8Array([0x2f, 0xff, 0xfe, 0x80]);
    const link = new TextEncoder().encode(`${folder}/link`);
    // Deno's own symlink takes text only.
    const made = new Deno.Command("ln", { args: ["-s", "/x", `${folder}/plain`] }).outputSync();
    ok(made.success);
    deepStrictEqual(libc.readlink(`${folder}/plain`), new Uint8Array([0x2f, 0x78]));
    const raw = `ln -s "$(printf '\\057\\377\\376\\200')" ${folder}/link`;
    ok(new Deno.Command("sh", { args: ["-c", raw] }).outputSync().success);
    deepStrictEqual(libc.readlink(link), name);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("Libc throws LibcError with the errno of the call", () => {
  using libc = openLibc();
  throws(() => libc.readlink("/proc/nonexistent/link"), (error) => {
    ok(error instanceof LibcError);
    strictEqual(error.operation, "readlink");
    strictEqual(error.errnoName, "ENOENT");
    return true;
  });
  throws(() => libc.mmap(-1, 4096), { name: "LibcError", errnoName: "EBADF" });
  throws(() => libc.write(-1, new Uint8Array(1)), { name: "LibcError", errnoName: "EBADF" });
  throws(() => libc.readlink("a\0b"), TypeError);
});

Deno.test("MappedMemory makes its views empty when it is unmapped", () => {
  using libc = openLibc();
  const fd = libc.memfdCreate("shrike-test");
  libc.write(fd, new Uint8Array(4096).fill(7));
  const memory = libc.mmap(fd, 4096);
  libc.close(fd);
  const bytes = new Uint8Array(memory.buffer);
  strictEqual(bytes[4095], 7);
  memory[Symbol.dispose]();
  memory[Symbol.dispose]();
  strictEqual(bytes.length, 0);
});

Deno.test("PollSet.wait() tells which descriptor is ready, and skips ignored ones", () => {
  using libc = openLibc();
  const fds = [libc.eventfd(), libc.eventfd()];
  const poll = new PollSet(libc, fds);
  strictEqual(poll.wait(0), 0);
  libc.signalEventfd(fds[1]!);
  strictEqual(poll.wait(0), 1);
  deepStrictEqual([poll.readyAt(0), poll.readyAt(1)], [0, 1]);
  poll.ignore(1);
  strictEqual(poll.wait(0), 0);
  libc.clearEventfd(fds[1]!);
  libc.clearEventfd(fds[1]!);
  for (const fd of fds) libc.close(fd);
});

Deno.test("Libc.sendDatagram() reaches sockets with a path and abstract ones", () => {
  using libc = openLibc();
  throws(
    () => libc.sendDatagram("/proc/nonexistent/socket", new Uint8Array(1)),
    { name: "LibcError", operation: "sendto", errnoName: "ENOENT" },
  );
  throws(
    () => libc.sendDatagram(`@shrike-test-${Deno.pid}`, new Uint8Array(1)),
    { name: "LibcError", operation: "sendto", errnoName: "ECONNREFUSED" },
  );
  throws(() => libc.sendDatagram("/".repeat(200), new Uint8Array(1)), RangeError);
});

Deno.test("Libc.clockGettimeNs() grows, getrusage() counts this thread", () => {
  using libc = openLibc();
  const before = libc.clockGettimeNs(ClockId.monotonic);
  ok(libc.clockGettimeNs(ClockId.monotonic) >= before);
  const usage = libc.getrusage(RusageWho.thread);
  ok(usage.userNs + usage.systemNs > 0);
  ok(libc.getrusage(RusageWho.self).maxResidentSize > 1 << 20);
});

const CGROUP = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory"]
  .find((place) => existsSync(`${place}/cgroup.procs`));

Deno.test({
  name: "Libc.nameToHandle() gives the id of a cgroup, which is its inode number",
  ignore: CGROUP === undefined,
  fn() {
    using libc = openLibc();
    const { type, bytes } = libc.nameToHandle(CGROUP!);
    strictEqual(type, 0xfe);
    const id = new DataView(bytes.buffer).getBigUint64(0, true);
    strictEqual(id, BigInt(Deno.statSync(CGROUP!).ino ?? -1));
    throws(() => libc.nameToHandle("/proc/nonexistent"), {
      name: "LibcError",
      errnoName: "ENOENT",
    });
  },
});

Deno.test("Libc.setThreadNice() changes the calling thread only, trimMalloc() harms nothing", () => {
  const libc = openLibc();
  const niceOf = (path: string) =>
    Number(Deno.readTextFileSync(path).replace(/^.*\) /s, "").split(" ")[16]);
  const before = niceOf("/proc/thread-self/stat");
  // Up, which needs no capability; it stays where that lacks for the way back.
  libc.setThreadNice(before + 1);
  libc.trimMalloc();
  strictEqual(niceOf("/proc/thread-self/stat"), before + 1);
  try {
    libc.setThreadNice(before);
  } catch (error) {
    ok(error instanceof LibcError);
  }
});

Deno.test("Libc.waitForGracePeriod() lets this thread go on meanwhile", async () => {
  using libc = openLibc();
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const times = 4;
  for (let time = 0; time < times; time++) strictEqual(await libc.waitForGracePeriod(), true);
  clearInterval(timer);
  ok(turns > 0);
});

Deno.test("Libc.openDirectory() opens directories only", () => {
  using libc = openLibc();
  const fd = libc.openDirectory("/proc");
  strictEqual(Deno.statSync(`/proc/self/fd/${fd}`).ino, Deno.statSync("/proc").ino);
  libc.close(fd);
  throws(() => libc.openDirectory("/proc/self/status"), {
    ...{ name: "LibcError", operation: "open", errnoName: "ENOTDIR" },
  });
});

Deno.test({
  name: "Libc.mountDetached() gives a mount that no table shows",
  ignore: Deno.uid() !== 0,
  fn() {
    using libc = openLibc();
    const before = Deno.readTextFileSync("/proc/self/mountinfo");
    const fd = libc.mountDetached("tmpfs");
    ok(Deno.statSync(`/proc/self/fd/${fd}/.`).isDirectory);
    strictEqual(Deno.readTextFileSync("/proc/self/mountinfo"), before);
    libc.close(fd);
    throws(() => libc.mountDetached("no-such-file-system"), {
      ...{ name: "LibcError", operation: "fsopen", errnoName: "ENODEV" },
    });
  },
});
