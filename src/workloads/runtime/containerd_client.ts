/**
 * containerd's own API: containers of ctr, nerdctl and others that Kubernetes did not make, and
 * news of all containers.
 *
 * @module
 */
import type { Container } from "../../events/mod.ts";
import {
  CONTAINERD_METHODS,
  type ContainerdContainer,
  type ContainerdEvent,
  nameRequest,
  readContainer,
  readEvent,
  readImageDigest,
  readNamespaces,
  readTaskPid,
  readVersion,
  subscribeRequest,
} from "./containerd_messages.ts";
import type { GrpcClientOptions } from "./cri_client.ts";
import type { FactLimits } from "./fact_limits.ts";
import { GrpcChannel } from "./grpc_channel.ts";
import { defined, pid } from "./json_value.ts";
import { podOfLabels } from "./kubernetes_labels.ts";
import { ProtobufError } from "./protobuf.ts";
import {
  type RuntimeChange,
  type RuntimeClient,
  RuntimeError,
  type RuntimeFacts,
  type Subject,
} from "./runtime_client.ts";

/** Namespaces asked for one container; more than any host was seen to have. */
const NAMESPACES_MAX = 32;
/** Docker's namespace: its containers have no names there, and Docker's own API tells them. */
const DOCKER_NAMESPACE = "moby";
/** That of the CRI plug-in, which knows a container some milliseconds after containerd does. */
const CRI_NAMESPACE = "k8s.io";

/** Client of one containerd. */
export class ContainerdClient implements RuntimeClient {
  readonly api = "containerd";
  readonly socketPath: string;
  readonly #channel: GrpcChannel;
  readonly #factLimits: FactLimits;

  constructor(options: GrpcClientOptions) {
    this.socketPath = options.socketPath;
    this.#channel = new GrpcChannel(this.api, options.socketPath, options.limits);
    this.#factLimits = options.factLimits;
  }

  async lookUp(subject: Subject): Promise<RuntimeFacts | undefined> {
    try {
      const names = subject.namespace === undefined
        ? await this.#namespaces()
        : [subject.namespace];
      for (const namespace of names) {
        if (namespace === DOCKER_NAMESPACE) continue;
        const container = await this.#get(
          CONTAINERD_METHODS.container,
          subject.id,
          namespace,
          readContainer,
        );
        if (container?.id === subject.id) return await this.#readFacts(container, namespace);
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof ProtobufError)) throw error;
      throw new RuntimeError(this.api, "protocol", error.message, { cause: error });
    }
  }

  async version(): Promise<string | undefined> {
    try {
      const answer = await this.#channel.call(CONTAINERD_METHODS.version, new Uint8Array(0));
      if (answer === undefined) return undefined;
      return this.#factLimits.text(`containerd ${readVersion(answer)}`.trim());
    } catch (error) {
      if (!(error instanceof ProtobufError)) throw error;
      throw new RuntimeError(this.api, "protocol", error.message, { cause: error });
    }
  }

  async watch(report: (change: RuntimeChange) => void, signal: AbortSignal): Promise<void> {
    const reportNamespaces = async () => {
      report({ type: "namespaces", names: await this.#namespaces() });
    };
    await reportNamespaces();
    await this.#channel.stream(CONTAINERD_METHODS.events, subscribeRequest(), {
      signal,
      opened: () => report({ type: "connected" }),
      message: (message) => {
        const event = readEvent(message);
        if (event === undefined) return;
        // When this fails, the list comes with the next change or connection.
        if (event.topic.startsWith("/namespaces/")) reportNamespaces().catch(() => {});
        else report(changeOf(event));
      },
    });
  }

  close(): void {
    this.#channel.close();
  }

  async #namespaces(): Promise<string[]> {
    const answer = await this.#channel.call(CONTAINERD_METHODS.namespaces, new Uint8Array(0));
    return answer === undefined ? [] : readNamespaces(answer).slice(0, NAMESPACES_MAX);
  }

  async #get<Answer>(
    method: string,
    name: string,
    namespace: string,
    read: (message: Uint8Array) => Answer,
  ): Promise<Answer | undefined> {
    const headers = { "containerd-namespace": namespace };
    const answer = await this.#channel.call(method, nameRequest(name), headers);
    return answer === undefined ? undefined : read(answer);
  }

  async #readFacts(found: ContainerdContainer, namespace: string): Promise<RuntimeFacts> {
    const limits = this.#factLimits;
    const labels = limits.labels(found.labels);
    const digest = found.imageName === ""
      ? undefined
      : await this.#get(CONTAINERD_METHODS.image, found.imageName, namespace, readImageDigest);
    const taskPid = await this.#get(CONTAINERD_METHODS.task, found.id, namespace, readTaskPid);
    const container: Container = {
      runtime: "containerd",
      id: found.id,
      ...defined<Omit<Container, "runtime" | "id">>({
        name: limits.text(labels?.["nerdctl/name"]) ?? limits.text(found.id),
        image: limits.image(digest, found.imageName),
        labels,
        pid: pid(taskPid),
      }),
    };
    const ofPod = podOfLabels(labels, limits);
    return {
      container,
      ...ofPod,
      ...(namespace === CRI_NAMESPACE ? { isPreliminary: true } : {}),
    };
  }
}

function changeOf({ topic, namespace, subject }: ContainerdEvent): RuntimeChange {
  if (topic === "/containers/delete") return { type: "removed", id: subject };
  return { type: "container", id: subject, namespace };
}
