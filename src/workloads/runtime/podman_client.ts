/**
 * Podman's own API (libpod, 4.0 and newer): it knows pods, which the part that imitates Docker
 * does not.
 *
 * @module
 */
import type { Container, Pod } from "../../events/mod.ts";
import { type HttpClientOptions, readEvent } from "./docker_client.ts";
import type { FactLimits } from "./fact_limits.ts";
import { defined, type JsonObject, object, pid } from "./json_value.ts";
import { podOfLabels } from "./kubernetes_labels.ts";
import { parseMoment } from "./moment.ts";
import {
  type RuntimeChange,
  type RuntimeClient,
  RuntimeError,
  type RuntimeFacts,
  type Subject,
} from "./runtime_client.ts";
import { UnixHttp } from "./unix_http.ts";

/** Oldest version of the API that all servers from 4.0 on accept. */
const API = "/v4.0.0/libpod";

/** Client of one `podman system service`. */
export class PodmanClient implements RuntimeClient {
  readonly api = "podman";
  readonly socketPath: string;
  readonly userUid?: number;
  readonly #http: UnixHttp;
  readonly #factLimits: FactLimits;

  constructor(options: HttpClientOptions) {
    this.socketPath = options.socketPath;
    if (options.userUid !== undefined) this.userUid = options.userUid;
    this.#http = new UnixHttp(this.api, options.socketPath, options.limits);
    this.#factLimits = options.factLimits;
  }

  async lookUp(subject: Subject): Promise<RuntimeFacts | undefined> {
    if (subject.kind === "pod") {
      const pod = await this.#pod(subject.id);
      return pod === undefined ? undefined : { pod };
    }
    const answer = await this.#inspect("containers", subject.id);
    if (answer === undefined) return undefined;
    const container = this.#readContainer(subject.id, answer);
    const ofLabels = podOfLabels(container.labels, this.#factLimits);
    if (ofLabels !== undefined) return { container, ...ofLabels };
    const podId = this.#factLimits.text(answer["Pod"]);
    const pod = podId === undefined ? undefined : await this.#pod(podId);
    if (pod === undefined) return { container };
    if (answer["IsInfra"] === true) return { container, pod, isSandbox: true };
    const { name } = container;
    return { container, pod: name === undefined ? pod : { ...pod, containerName: name } };
  }

  async version(): Promise<string | undefined> {
    const { status, body } = await this.#http.getJson(`${API}/version`);
    if (status === 404) return undefined;
    if (status !== 200) throw new RuntimeError(this.api, "refused", `status ${status}`);
    const version = this.#factLimits.text(object(body)["Version"]);
    if (version === undefined) {
      throw new RuntimeError(this.api, "protocol", "the answer has no version");
    }
    return `podman ${version}`;
  }

  async watch(report: (change: RuntimeChange) => void, signal: AbortSignal): Promise<void> {
    const filters = encodeURIComponent(JSON.stringify({ type: ["container"] }));
    await this.#http.getLines(`/events?filters=${filters}`, signal, {
      opened: () => report({ type: "connected" }),
      line: (line) => {
        const change = readEvent(line);
        if (change !== undefined) report(change);
      },
    });
  }

  close(): void {}

  async #pod(id: string): Promise<Pod | undefined> {
    const answer = await this.#inspect("pods", id);
    if (answer === undefined) return undefined;
    const limits = this.#factLimits;
    return {
      uid: id,
      ...defined<Omit<Pod, "uid">>({
        name: limits.text(answer["Name"]),
        sandboxId: limits.text(answer["InfraContainerID"]),
        labels: limits.labels(Object.entries(object(answer["Labels"]))),
      }),
    };
  }

  async #inspect(what: "containers" | "pods", id: string): Promise<JsonObject | undefined> {
    const { status, body } = await this.#http.getJson(
      `${API}/${what}/${encodeURIComponent(id)}/json`,
    );
    if (status === 404) return undefined;
    if (status !== 200) throw new RuntimeError(this.api, "refused", `status ${status}`);
    const answer = object(body);
    if (answer["Id"] !== id) {
      throw new RuntimeError(this.api, "protocol", "the answer is about another subject");
    }
    return answer;
  }

  #readContainer(id: string, answer: JsonObject): Container {
    const limits = this.#factLimits;
    const state = object(answer["State"]);
    return {
      runtime: "podman",
      id,
      ...defined<Omit<Container, "runtime" | "id">>({
        name: limits.text(answer["Name"]),
        image: limits.image(answer["Image"], answer["ImageName"]),
        labels: limits.labels(Object.entries(object(object(answer["Config"])["Labels"]))),
        startTimeNs: parseMoment(state["StartedAt"]),
        pid: pid(state["Pid"]),
      }),
    };
  }
}
