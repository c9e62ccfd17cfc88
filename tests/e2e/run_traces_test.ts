/** What a run leaves behind: nothing, however it ends. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { RunningShrike } from "./shrike_process.ts";

/** The kernel frees programs and maps after the last CPU has left them. */
const FREE_TIMEOUT_MS = 10_000;

/** Ids of the kernel objects a process holds, such as `prog 12`, from its descriptors. */
async function heldObjects(pid: number): Promise<Set<string>> {
  const held = new Set<string>();
  for await (const { name } of Deno.readDir(`/proc/${pid}/fdinfo`)) {
    const text = await Deno.readTextFile(`/proc/${pid}/fdinfo/${name}`).catch(() => "");
    for (const [, kind, id] of text.matchAll(/^(prog|map|link)_id:\s*(\d+)$/gm)) {
      held.add(`${kind} ${id}`);
    }
  }
  return held;
}

async function stillThere(object: string): Promise<boolean> {
  const [kind = "", id = ""] = object.split(" ");
  return (await new Deno.Command("bpftool", { args: [kind, "show", "id", id] }).output()).success;
}

async function waitUntilFreed(objects: Iterable<string>): Promise<void> {
  const deadline = performance.now() + FREE_TIMEOUT_MS;
  for (const object of objects) {
    while (await stillThere(object)) {
      assert(performance.now() < deadline, `${object} is still there`);
    }
  }
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`shrike run leaves no file and no BPF object after ${signal}`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "shrike-e2e-" });
    try {
      const places: Record<string, string> = {};
      for (const name of ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "DENO_DIR"]) {
        places[name] = join(folder, name);
        await Deno.mkdir(places[name]);
      }
      const cwd = join(folder, "cwd");
      await Deno.mkdir(cwd);
      await using shrike = await RunningShrike.start([], { env: places, cwd });
      const held = await heldObjects(shrike.pid);
      for (const kind of ["prog", "map", "link"]) {
        assert([...held].some((object) => object.startsWith(kind)), `no ${kind} among its files`);
      }
      await shrike.end(signal);
      await waitUntilFreed(held);
      for (const place of [...Object.values(places), cwd]) {
        assert.deepEqual([...Deno.readDirSync(place)].map(({ name }) => name), [], place);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
