/**
 * podman of one test: its command line, and the service that answers its API.
 *
 * @module
 */
import { join } from "node:path";
import { type ImageOptions, writeImageArchive } from "./image_archive.ts";
import { Daemon, removeCgroups, runTool } from "./private_runtime.ts";

export const PODMAN = "/usr/bin/podman";
export const CONMON = "/usr/bin/conmon";

/** Programs that start the containers. */
export const OCI_RUNTIMES = { runc: "/usr/sbin/runc", crun: "/usr/bin/crun" } as const;

/** A podman with all its state in one folder. */
export class PodmanRuntime implements AsyncDisposable {
  readonly socketPath: string;
  readonly service: Daemon;
  readonly #folder: string;
  readonly #globals: readonly string[];
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(folder: string, configPath: string) {
    this.#folder = folder;
    this.#environment = { CONTAINERS_CONF: configPath };
    this.#globals = ["--root", join(folder, "root"), "--runroot", join(folder, "run")];
    this.socketPath = join(folder, "podman.sock");
    this.service = new Daemon({
      program: PODMAN,
      args: [...this.#globals, "system", "service", "-t", "0", `unix://${this.socketPath}`],
      socketPath: this.socketPath,
      logPath: join(folder, "podman.log"),
      environment: this.#environment,
    });
  }

  /** Starts the service with all state below `folder`. */
  static async start(
    folder: string,
    ociRuntime: keyof typeof OCI_RUNTIMES = "runc",
  ): Promise<PodmanRuntime> {
    const runtime = new PodmanRuntime(folder, await writeConfig(folder, ociRuntime));
    await runtime.service.start();
    return runtime;
  }

  cli(...args: string[]): Promise<string> {
    return runTool(PODMAN, [...this.#globals, ...args], this.#environment);
  }

  /** Makes and loads an image. */
  async loadImage(image: ImageOptions): Promise<void> {
    await this.cli("load", "-i", await writeImageArchive(this.#folder, image));
  }

  async pidOf(id: string): Promise<number> {
    return Number(await this.cli("inspect", "-f", "{{.State.Pid}}", id));
  }

  /** Containers go on meanwhile. */
  async restart(): Promise<void> {
    await this.service.stop();
    await this.service.start();
  }

  /** Removes all containers, stops the service, removes the cgroups podman leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.cli("pod", "rm", "-fa", "-t", "0");
      await this.cli("rm", "-fa", "-t", "0");
    } finally {
      await this.service.stop();
      await removeCgroups("/libpod_parent");
    }
  }
}

/** Settings with which podman starts containers where rlimits cannot be raised. */
async function writeConfig(
  folder: string,
  ociRuntime: keyof typeof OCI_RUNTIMES,
): Promise<string> {
  const path = join(folder, "containers.conf");
  await Deno.writeTextFile(
    path,
    `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "${ociRuntime}"
cgroup_manager = "cgroupfs"
events_logger = "file"
`,
  );
  return path;
}
