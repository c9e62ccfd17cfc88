/**
 * dockerd of one test, on a socket and in folders of its own.
 *
 * @module
 */
import { join } from "node:path";
import { type ImageOptions, writeImageArchive } from "./image_archive.ts";
import { Daemon, removeCgroups, runTool } from "./private_runtime.ts";

export const DOCKER = "/usr/bin/docker";
export const DOCKERD = "/usr/sbin/dockerd";

/** A dockerd and its command line. */
export class DockerRuntime implements AsyncDisposable {
  readonly socketPath: string;
  readonly daemon: Daemon;
  readonly #folder: string;

  private constructor(folder: string, configPath: string) {
    this.#folder = folder;
    this.socketPath = join(folder, "docker.sock");
    this.daemon = new Daemon({
      program: DOCKERD,
      args: ["--config-file", configPath],
      socketPath: this.socketPath,
      logPath: join(folder, "dockerd.log"),
    });
  }

  /** Starts dockerd with all its state below `folder`. */
  static async start(folder: string): Promise<DockerRuntime> {
    const runtime = new DockerRuntime(folder, await writeConfig(folder));
    await runtime.daemon.start();
    return runtime;
  }

  cli(...args: string[]): Promise<string> {
    return runTool(DOCKER, ["-H", `unix://${this.socketPath}`, ...args]);
  }

  /** Makes and loads an image. */
  async loadImage(image: ImageOptions): Promise<void> {
    await this.cli("load", "-i", await writeImageArchive(this.#folder, image));
  }

  /** Runs a container in the background; gives its id. `args` come before the image. */
  run(name: string, image: string, ...args: string[]): Promise<string> {
    return this.cli("run", "-d", "--network=host", `--name=${name}`, ...args, image);
  }

  async pidOf(id: string): Promise<number> {
    return Number(await this.cli("inspect", "-f", "{{.State.Pid}}", id));
  }

  /** Containers go on meanwhile. */
  async restart(): Promise<void> {
    await this.daemon.stop();
    await this.daemon.start();
  }

  /** Removes all containers, stops dockerd, removes the cgroups it leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.daemon.start();
      const all = await this.cli("ps", "-aq");
      if (all !== "") await this.cli("rm", "-f", ...all.split("\n"));
    } finally {
      await this.daemon.stop();
      await removeCgroups("/docker");
    }
  }
}

/** Settings with which dockerd runs beside everything else on a host and leaves nothing behind. */
async function writeConfig(folder: string): Promise<string> {
  const path = join(folder, "daemon.json");
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      "bridge": "none",
      "data-root": join(folder, "data"),
      "exec-opts": ["native.cgroupdriver=cgroupfs"],
      "exec-root": join(folder, "exec"),
      "hosts": [`unix://${join(folder, "docker.sock")}`],
      "ip-forward": false,
      "ip-masq": false,
      "ip6tables": false,
      "iptables": false,
      "live-restore": true,
      "pidfile": join(folder, "dockerd.pid"),
      "storage-driver": "overlay2",
    }),
  );
  return path;
}
