/** Files that have no path for the process: they never look like those that have one. */
import { strictEqual } from "node:assert/strict";
import { argumentIs, makePolicy, texts } from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { buildWorkload } from "../support/workload.ts";

await buildWorkload();

const NO_OPTION = 0x7fff_0001;
const AT_FDCWD = -100;
const [CLONE_NEWNS, MS_BIND, MS_REC_PRIVATE, MNT_DETACH] = [0x20000, 4096, 0x44000, 2];
const [OPEN_TREE_CLONE, O_RDONLY] = [1, 0];

kernelTest({
  name: "files on detached mounts, and outside of the root, are marked and match no plain path",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const root = Deno.makeTempDirSync();
    for (const name of ["from", "place", "jail", "outside"]) Deno.mkdirSync(`${root}/${name}`);
    for (const name of ["from", "jail", "outside"]) {
      Deno.writeTextFileSync(`${root}/${name}/file`, "");
    }
    const types = [{ index: 1, type: "fd" }] as const;
    const policy = (name: string, kind: "text" | "prefix" | "postfix", text: string, not = false) =>
      makePolicy(name, {
        ...{ call: "prctl", types },
        selectors: [{ conditions: [argumentIs(0, texts(kind, text), { not })] }],
      });
    await bench.add(
      policy("plain", "prefix", "/"),
      policy("file", "text", "/file"),
      policy("not-file", "text", "/file", true),
      policy("marked", "text", "(unreachable)/file"),
      policy("outside", "text", `(unreachable)${root}/outside/file`),
      policy("any-marked", "prefix", "(unreachable)"),
      policy("ends", "postfix", "/file"),
    );
    const acts = async (fd: bigint) => {
      const { hits } = await bench.during(caller, "prctl", [NO_OPTION, fd]);
      return bench.actsOf(hits).map(({ policy }) => policy).sort().join();
    };
    const open = (path: string) => caller.call("openat", [AT_FDCWD, path, O_RDONLY]);
    strictEqual(await caller.call("unshare", [CLONE_NEWNS]), 0n);
    strictEqual(await caller.call("mount", ["none", "/", 0, MS_REC_PRIVATE, 0]), 0n);
    strictEqual(await caller.call("mount", [`${root}/from`, `${root}/place`, 0, MS_BIND, 0]), 0n);
    const mounted = await open(`${root}/place/file`);
    strictEqual(await acts(mounted), "ends,not-file,plain", "mounted");
    strictEqual(await caller.call("umount2", [`${root}/place`, MNT_DETACH]), 0n);
    const marked = "any-marked,ends,marked,not-file";
    strictEqual(await acts(mounted), marked, "lazily unmounted");
    const tree = await caller.call("open_tree", [AT_FDCWD, `${root}/from`, OPEN_TREE_CLONE]);
    if (tree >= 0n) {
      const detached = await caller.call("openat", [tree, "file", O_RDONLY]);
      strictEqual(await acts(detached), marked, "never mounted");
    }
    const outside = await open(`${root}/outside/file`);
    strictEqual(await acts(outside), "ends,not-file,plain", "before chroot");
    strictEqual(await caller.call("chroot", [`${root}/jail`]), 0n);
    strictEqual(await acts(outside), "any-marked,ends,not-file,outside", "outside of the root");
    strictEqual(await acts(await open("/file")), "ends,file,plain", "within the root");
    const pipe = await caller.call("memfd_create", ["/file", 0]);
    strictEqual(await acts(pipe), "ends,not-file", "what never had a path");
    await caller.end();
    Deno.removeSync(root, { recursive: true });
    strictEqual(bench.lost, 0);
  },
});
