/**
 * Any runtime that speaks the Kubernetes container runtime interface, v1.
 *
 * @module
 */
import type { Container, Pod } from "../../events/mod.ts";
import {
  containerStatusRequest,
  CRI_METHODS,
  type CriContainer,
  type CriSandbox,
  listContainersRequest,
  listSandboxesRequest,
  readContainerEvent,
  readContainers,
  readContainerStatus,
  readSandboxes,
  readVersion,
  versionRequest,
} from "./cri_messages.ts";
import type { FactLimits } from "./fact_limits.ts";
import { GrpcChannel } from "./grpc_channel.ts";
import { defined, object, pid } from "./json_value.ts";
import { positive } from "./moment.ts";
import { ProtobufError } from "./protobuf.ts";
import {
  type ClientLimits,
  type RuntimeChange,
  type RuntimeClient,
  RuntimeError,
  type RuntimeFacts,
  type Subject,
} from "./runtime_client.ts";

/** Label that kubelet gives each sandbox. */
const POD_UID_LABEL = "io.kubernetes.pod.uid";

/** Where and within which bounds. */
export interface GrpcClientOptions {
  readonly socketPath: string;
  readonly limits: ClientLimits;
  readonly factLimits: FactLimits;
}

/** Client of one CRI endpoint. */
export class CriClient implements RuntimeClient {
  readonly api = "cri";
  readonly socketPath: string;
  readonly #channel: GrpcChannel;
  readonly #factLimits: FactLimits;
  #runtime: string | undefined;

  constructor(options: GrpcClientOptions) {
    this.socketPath = options.socketPath;
    this.#channel = new GrpcChannel(this.api, options.socketPath, options.limits);
    this.#factLimits = options.factLimits;
  }

  async lookUp(subject: Subject): Promise<RuntimeFacts | undefined> {
    try {
      this.#runtime ??= await this.#readRuntime();
      // Not even a version: the socket does not speak this interface.
      if (this.#runtime === undefined) return undefined;
      return subject.kind === "pod"
        ? await this.#lookUpPod(subject.id)
        : await this.#lookUpContainer(subject.id, this.#runtime);
    } catch (error) {
      if (!(error instanceof ProtobufError)) throw error;
      throw new RuntimeError(this.api, "protocol", error.message, { cause: error });
    }
  }

  async version(): Promise<string | undefined> {
    try {
      const answer = await this.#channel.call(CRI_METHODS.version, versionRequest());
      if (answer === undefined) return undefined;
      const { name, version } = readVersion(answer);
      return this.#factLimits.text(`${name} ${version}`.trim()) ?? this.api;
    } catch (error) {
      if (!(error instanceof ProtobufError)) throw error;
      throw new RuntimeError(this.api, "protocol", error.message, { cause: error });
    }
  }

  async watch(report: (change: RuntimeChange) => void, signal: AbortSignal): Promise<void> {
    // A stream says nothing until something happens; a call tells whether the runtime is there.
    this.#runtime = await this.#readRuntime();
    if (this.#runtime === undefined) return;
    await this.#channel.stream(CRI_METHODS.getContainerEvents, new Uint8Array(0), {
      signal,
      opened: () => report({ type: "connected" }),
      message: (message) => {
        const { id, isDeleted } = readContainerEvent(message);
        if (id !== "") report({ type: isDeleted ? "removed" : "container", id });
      },
    });
  }

  close(): void {
    this.#channel.close();
  }

  async #readRuntime(): Promise<string | undefined> {
    const answer = await this.#channel.call(CRI_METHODS.version, versionRequest());
    return answer === undefined
      ? undefined
      : this.#factLimits.text(readVersion(answer).name) ?? "cri";
  }

  async #lookUpContainer(id: string, runtime: string): Promise<RuntimeFacts | undefined> {
    const containers = await this.#list(
      CRI_METHODS.listContainers,
      listContainersRequest(id),
      readContainers,
    );
    const found = containers.find((container) => container.id === id);
    if (found === undefined) return await this.#lookUpSandbox(id, runtime);
    const [sandbox] = await this.#sandboxes({ id: found.sandboxId });
    const container = await this.#readContainer(found, runtime);
    if (sandbox === undefined) return { container };
    const pod = this.#readPod(sandbox);
    return { container, pod: container.name === undefined ? pod : withName(pod, container.name) };
  }

  /** The pause container is in no list of containers. */
  async #lookUpSandbox(id: string, runtime: string): Promise<RuntimeFacts | undefined> {
    const sandbox = (await this.#sandboxes({ id })).find((known) => known.id === id);
    if (sandbox === undefined) return undefined;
    return { container: { runtime, id }, pod: this.#readPod(sandbox), isSandbox: true };
  }

  async #lookUpPod(uid: string): Promise<RuntimeFacts | undefined> {
    // Who is no kubelet need not give the label.
    let sandboxes = await this.#sandboxes({ label: [POD_UID_LABEL, uid] });
    if (sandboxes.length === 0) sandboxes = await this.#sandboxes({});
    const [newest] = sandboxes.filter((sandbox) => sandbox.uid === uid).sort(newestFirst);
    return newest === undefined ? undefined : { pod: this.#readPod(newest) };
  }

  #sandboxes(filter: Parameters<typeof listSandboxesRequest>[0]): Promise<readonly CriSandbox[]> {
    return this.#list(CRI_METHODS.listPodSandbox, listSandboxesRequest(filter), readSandboxes);
  }

  async #list<Item>(
    method: string,
    request: Uint8Array,
    read: (message: Uint8Array) => Item[],
  ): Promise<Item[]> {
    const answer = await this.#channel.call(method, request);
    return answer === undefined ? [] : read(answer);
  }

  async #readContainer(found: CriContainer, runtime: string): Promise<Container> {
    const limits = this.#factLimits;
    const answer = await this.#channel.call(
      CRI_METHODS.containerStatus,
      containerStatusRequest(found.id),
    );
    const status = answer === undefined ? undefined : readContainerStatus(answer);
    return {
      runtime,
      id: found.id,
      ...defined<Omit<Container, "runtime" | "id">>({
        name: limits.text(found.name),
        image: limits.image(found.imageRef, found.imageName),
        labels: limits.labels(found.labels),
        startTimeNs: status === undefined ? undefined : positive(status.startedAtNs),
        pid: pidOfInfo(status?.info),
      }),
    };
  }

  #readPod(sandbox: CriSandbox): Pod {
    const limits = this.#factLimits;
    return {
      uid: sandbox.uid,
      ...defined<Omit<Pod, "uid">>({
        namespace: limits.text(sandbox.namespace),
        name: limits.text(sandbox.name),
        sandboxId: limits.text(sandbox.id),
        labels: limits.labels(sandbox.labels),
        annotations: limits.labels(sandbox.annotations),
      }),
    };
  }
}

function withName(pod: Pod, containerName: string): Pod {
  return { ...pod, containerName };
}

/** A pod whose sandbox was made anew has two for a while. */
function newestFirst(a: CriSandbox, b: CriSandbox): number {
  if (a.isReady !== b.isReady) return a.isReady ? -1 : 1;
  return a.createdAtNs > b.createdAtNs ? -1 : 1;
}

/** containerd and CRI-O both put the pid there; the interface does not promise it. */
function pidOfInfo(info: string | undefined): number | undefined {
  if (info === undefined || info === "") return undefined;
  try {
    return pid(object(JSON.parse(info))["pid"]);
  } catch {
    return undefined;
  }
}
