/**
 * containerd with its CRI plug-in, and the calls of a kubelet that tests need.
 *
 * @module
 */
import { join } from "node:path";
import { GrpcChannel } from "../../src/workloads/runtime/grpc_channel.ts";
import { fieldsOf, ProtobufWriter, textOf } from "../../src/workloads/runtime/protobuf.ts";
import type { SocketPlace } from "../../src/workloads/mod.ts";
import { writeImageArchive } from "./image_archive.ts";
import { Daemon, removeCgroups, runTool, until } from "./private_runtime.ts";

export const CONTAINERD = "/usr/bin/containerd";
export const CTR = "/usr/bin/ctr";

const PAUSE_IMAGE = "test.local/pause:1";
const METHODS = "/runtime.v1.RuntimeService/";
/** NamespaceMode NODE: without a network plug-in there is only the host's network. */
const NODE = 2n;
/** ContainerState CONTAINER_EXITED. */
const EXITED = 2n;

/** What tests tell apart pods by. */
export interface PodOptions {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly cgroupParent: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A pod that runs: its sandbox and the configuration each container needs again. */
export interface RunningPod {
  readonly sandboxId: string;
  readonly config: Uint8Array;
}

/** containerd of one test. */
export class CriRuntime {
  readonly socketPath: string;
  readonly daemon: Daemon;
  readonly #folder: string;
  readonly #channel: GrpcChannel;
  readonly #pods: RunningPod[] = [];

  private constructor(folder: string, configPath: string) {
    this.#folder = folder;
    this.socketPath = join(folder, "c.sock");
    this.daemon = new Daemon({
      program: CONTAINERD,
      args: ["--config", configPath],
      socketPath: this.socketPath,
      logPath: join(folder, "containerd.log"),
    });
    this.#channel = new GrpcChannel("cri", this.socketPath, {
      timeoutMs: 30_000,
      responseSizeMax: 4 * 1024 * 1024,
    });
  }

  /** Starts containerd with all its state below `folder`. */
  static async start(folder: string): Promise<CriRuntime> {
    const runtime = new CriRuntime(folder, await writeConfig(folder));
    await runtime.daemon.start();
    await runtime.importImage("k8s.io", PAUSE_IMAGE);
    return runtime;
  }

  /** Where containerd answers, for the agent. */
  get sockets(): readonly SocketPlace[] {
    return [{ api: "cri", path: this.socketPath }, { api: "containerd", path: this.socketPath }];
  }

  /** Stops and starts containerd; waits until its CRI plug-in answers again. */
  async restart(): Promise<void> {
    await this.daemon.stop();
    await this.daemon.start();
    const list = () => this.#call("ListContainers", new Uint8Array(0));
    await until("the CRI plug-in answers", () => list().then(() => true, () => false));
  }

  /** Makes and imports an image that sleeps. */
  async importImage(namespace: string, name: string): Promise<void> {
    const command = ["sleep", "1000000"];
    const archive = await writeImageArchive(this.#folder, { name, command });
    await this.ctr(namespace, "images", "import", archive);
  }

  ctr(namespace: string, ...args: string[]): Promise<string> {
    return runTool(CTR, ["-a", this.socketPath, "-n", namespace, ...args]);
  }

  /** Runs a container of ctr in the background until it is disposed. */
  async startTask(
    namespace: string,
    image: string,
    id: string,
    { flags = [], command = [] }: {
      readonly flags?: readonly string[];
      readonly command?: readonly string[];
    } = {},
  ): Promise<AsyncDisposable & { readonly id: string }> {
    await this.ctr(namespace, "run", "-d", ...flags, image, id, ...command);
    const hasStopped = async () => (await this.ctr(namespace, "tasks", "ls")).includes("STOPPED");
    return {
      id,
      [Symbol.asyncDispose]: async () => {
        await this.ctr(namespace, "tasks", "kill", "-s", "SIGKILL", id);
        await until("the task has ended", hasStopped);
        await this.ctr(namespace, "containers", "delete", id);
      },
    };
  }

  /** RunPodSandbox. */
  async runPod(options: PodOptions): Promise<RunningPod> {
    const metadata = new ProtobufWriter().text(1, options.name).text(2, options.uid)
      .text(3, options.namespace).finish();
    const context = new ProtobufWriter().bytes(1, hostNetwork()).finish();
    const linux = new ProtobufWriter().text(1, options.cgroupParent).bytes(2, context).finish();
    const message = new ProtobufWriter().bytes(1, metadata).text(3, this.#folder);
    writeEntries(message, 6, options.labels);
    writeEntries(message, 7, options.annotations);
    const config = message.bytes(8, linux).finish();
    const request = new ProtobufWriter().bytes(1, config).finish();
    const pod = { sandboxId: await this.#callForId("RunPodSandbox", request), config };
    this.#pods.push(pod);
    return pod;
  }

  /** CreateContainer and StartContainer. */
  async runContainer(
    pod: RunningPod,
    { name, image, command = [], labels }: {
      readonly name: string;
      readonly image: string;
      readonly command?: readonly string[];
      readonly labels?: Readonly<Record<string, string>>;
    },
  ): Promise<string> {
    const config = new ProtobufWriter().bytes(1, new ProtobufWriter().text(1, name).finish())
      .bytes(2, new ProtobufWriter().text(1, image).finish());
    for (const word of command) config.text(3, word);
    writeEntries(config, 9, labels);
    const context = new ProtobufWriter().bytes(3, hostNetwork()).finish();
    config.text(11, `${name}.log`).bytes(15, new ProtobufWriter().bytes(2, context).finish());
    const request = new ProtobufWriter().text(1, pod.sandboxId).bytes(2, config.finish())
      .bytes(3, pod.config).finish();
    const id = await this.#callForId("CreateContainer", request);
    await this.#call("StartContainer", new ProtobufWriter().text(1, id).finish());
    return id;
  }

  /** Waits until a container has ended by itself, and removes it. */
  async removeEnded(id: string): Promise<void> {
    const request = new ProtobufWriter().text(1, id).finish();
    await until(`container ${id} ends`, async () => {
      const [status] = fieldsOf(await this.#call("ContainerStatus", request));
      const state = Array.from(fieldsOf(status!.bytes)).find(({ number }) => number === 3);
      return state?.value === EXITED;
    });
    await this.#call("RemoveContainer", request);
  }

  /** Host pid of a container's or sandbox's first process. */
  async pidOf(id: string): Promise<number> {
    const lines = (await this.ctr("k8s.io", "tasks", "ls")).split("\n");
    const line = lines.find((text) => text.startsWith(id));
    return Number(line?.split(/\s+/)[1]);
  }

  /** Removes all pods, stops containerd, removes the cgroups it leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.daemon.start();
      // After a start the plug-in refuses everything until it has read its state.
      await until("all pods are removed", () => this.#removePods().then(() => true, () => false));
    } finally {
      this.#channel.close();
      await this.daemon.stop();
      await removeCgroups("/k8s.io");
    }
  }

  async #removePods(): Promise<void> {
    for (const { sandboxId } of this.#pods) {
      const request = new ProtobufWriter().text(1, sandboxId).finish();
      await this.#call("StopPodSandbox", request);
      await this.#call("RemovePodSandbox", request);
    }
  }

  async #call(method: string, request: Uint8Array): Promise<Uint8Array> {
    const answer = await this.#channel.call(METHODS + method, request);
    if (answer === undefined) throw new Error(`${method}: not found`);
    return answer;
  }

  async #callForId(method: string, request: Uint8Array): Promise<string> {
    for (const field of fieldsOf(await this.#call(method, request))) {
      if (field.number === 1) return textOf(field);
    }
    throw new Error(`${method} gave no id`);
  }
}

function hostNetwork(): Uint8Array {
  return new ProtobufWriter().varint(1, NODE).finish();
}

function writeEntries(
  writer: ProtobufWriter,
  number: number,
  entries: Readonly<Record<string, string>> = {},
): void {
  for (const [key, value] of Object.entries(entries)) {
    writer.bytes(number, new ProtobufWriter().text(1, key).text(2, value).finish());
  }
}

async function writeConfig(folder: string): Promise<string> {
  const path = join(folder, "config.toml");
  const cri = `plugins."io.containerd.grpc.v1.cri"`;
  await Deno.writeTextFile(
    path,
    `version = 2
root = "${folder}/root"
state = "${folder}/state"
[grpc]
  address = "${folder}/c.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "${folder}/opt"
[${cri}]
  sandbox_image = "${PAUSE_IMAGE}"
  disable_apparmor = true
  # Where root may not lower oom_score_adj, the pause container would not start.
  restrict_oom_score_adj = true
  [${cri}.containerd]
    default_runtime_name = "runc"
    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [${cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false
`,
  );
  return path;
}
