/**
 * Container images made here, because none can be fetched: busybox in one layer, in the form that
 * `ctr images import`, `docker load` and `podman load` all take.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";

const BUSYBOX = "/bin/busybox";

/** What an image is called and starts with. */
export interface ImageOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** Writes the archive of an image below `folder`. Returns its path. */
export async function writeImageArchive(folder: string, image: ImageOptions): Promise<string> {
  const root = await Deno.makeTempDir({ dir: folder, prefix: "root" });
  await Deno.mkdir(join(root, "bin"));
  await Deno.copyFile(BUSYBOX, join(root, "bin/busybox"));
  for (const applet of ["sh", "sleep", "true"]) {
    await Deno.symlink("busybox", join(root, "bin", applet));
  }
  const content = await Deno.makeTempDir({ dir: folder, prefix: "image" });
  await tar(join(content, "layer.tar"), root, ["."]);
  const config = JSON.stringify({
    architecture: Deno.build.arch === "x86_64" ? "amd64" : "arm64",
    os: "linux",
    created: "2024-01-01T00:00:00Z",
    config: { Cmd: image.command, Env: ["PATH=/bin"], Labels: image.labels ?? {} },
    rootfs: { type: "layers", diff_ids: [`sha256:${await hashFile(join(content, "layer.tar"))}`] },
    history: [{ created: "2024-01-01T00:00:00Z", created_by: "shrike tests" }],
  });
  const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
  await Deno.writeTextFile(join(content, configName), config);
  const manifest = [{ Config: configName, RepoTags: [image.name], Layers: ["layer.tar"] }];
  await Deno.writeTextFile(join(content, "manifest.json"), JSON.stringify(manifest));
  const archive = join(folder, `${image.name.replaceAll(/[^a-z0-9]/g, "_")}.tar`);
  await tar(archive, content, ["manifest.json", configName, "layer.tar"]);
  return archive;
}

async function tar(archive: string, folder: string, names: readonly string[]): Promise<void> {
  const args = ["--owner=0", "--group=0", "-C", folder, "-cf", archive, ...names];
  const { success, stderr } = await new Deno.Command("tar", { args, stderr: "piped" }).output();
  if (!success) throw new Error(`Cannot write "${archive}": ${new TextDecoder().decode(stderr)}`);
}

async function hashFile(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}
