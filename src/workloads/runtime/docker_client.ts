/**
 * Docker's engine API.
 *
 * @module
 */
import type { Container } from "../../events/mod.ts";
import type { FactLimits } from "./fact_limits.ts";
import { defined, type JsonObject, object, pid } from "./json_value.ts";
import { podOfLabels } from "./kubernetes_labels.ts";
import { parseMoment } from "./moment.ts";
import {
  type ClientLimits,
  type RuntimeChange,
  type RuntimeClient,
  RuntimeError,
  type RuntimeFacts,
  type Subject,
} from "./runtime_client.ts";
import { UnixHttp } from "./unix_http.ts";

/** What `/events` is asked for. "exec_*" would come with each health check. */
const EVENT_FILTERS = {
  type: ["container"],
  event: ["create", "start", "rename", "destroy"],
};

/** Where and within which bounds. */
export interface HttpClientOptions {
  readonly socketPath: string;
  readonly userUid?: number;
  readonly limits: ClientLimits;
  readonly factLimits: FactLimits;
}

/** Client of one dockerd. */
export class DockerClient implements RuntimeClient {
  readonly api = "docker";
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
    const { status, body } = await this.#http.getJson(
      `/containers/${encodeURIComponent(subject.id)}/json`,
    );
    if (status === 404) return undefined;
    if (status !== 200) throw new RuntimeError(this.api, "refused", `status ${status}`);
    const answer = object(body);
    // Docker also finds names and shortened ids; the path has whole ids.
    if (answer["Id"] !== subject.id) {
      throw new RuntimeError(this.api, "protocol", "the answer is about another container");
    }
    return this.#readFacts(subject.id, answer);
  }

  async version(): Promise<string | undefined> {
    const { status, body } = await this.#http.getJson("/version");
    if (status === 404) return undefined;
    if (status !== 200) throw new RuntimeError(this.api, "refused", `status ${status}`);
    const version = this.#factLimits.text(object(body)["Version"]);
    if (version === undefined) {
      throw new RuntimeError(this.api, "protocol", "the answer has no version");
    }
    return `docker ${version}`;
  }

  async watch(report: (change: RuntimeChange) => void, signal: AbortSignal): Promise<void> {
    const filters = encodeURIComponent(JSON.stringify(EVENT_FILTERS));
    await this.#http.getLines(`/events?filters=${filters}`, signal, {
      opened: () => report({ type: "connected" }),
      line: (line) => {
        const change = readEvent(line);
        if (change !== undefined) report(change);
      },
    });
  }

  close(): void {}

  #readFacts(id: string, answer: JsonObject): RuntimeFacts {
    const limits = this.#factLimits;
    const config = object(answer["Config"]);
    const state = object(answer["State"]);
    const labels = limits.labels(Object.entries(object(config["Labels"])));
    const ofPod = podOfLabels(labels, limits);
    const container: Container = {
      runtime: "docker",
      id,
      ...defined<Omit<Container, "runtime" | "id">>({
        name: limits.text(answer["Name"])?.replace(/^\//, ""),
        image: limits.image(answer["Image"], config["Image"]),
        labels,
        startTimeNs: parseMoment(state["StartedAt"]),
        pid: pid(state["Pid"]),
      }),
    };
    return ofPod === undefined ? { container } : { container, ...ofPod };
  }
}

/** What a line of `/events` tells; podman writes the same form. */
export function readEvent(line: string): RuntimeChange | undefined {
  let event: JsonObject;
  try {
    event = object(JSON.parse(line));
  } catch {
    return undefined;
  }
  const id = object(event["Actor"])["ID"];
  if (event["Type"] !== "container" || typeof id !== "string" || id === "") return undefined;
  switch (event["Action"]) {
    case "create":
    case "start":
    case "rename":
      return { type: "container", id };
    case "destroy":
    case "remove":
      return { type: "removed", id };
    default:
      return undefined;
  }
}
