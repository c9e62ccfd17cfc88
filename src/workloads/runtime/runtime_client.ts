/**
 * What the room needs from a container runtime, whichever API it speaks.
 *
 * @module
 */
import type { Container, Pod } from "../../events/mod.ts";

/** Ways to ask; also the label of the counters. */
export type RuntimeApi = "cri" | "containerd" | "docker" | "podman" | "systemd";

/** What is asked about. */
export interface Subject {
  readonly kind: "container" | "pod" | "unit";
  /** Whole container id, pod uid, or unit name. */
  readonly id: string;
  /** Runtime as the path tells it; "unknown" when it does not. */
  readonly runtime: string;
  /** The path is below a pod's. */
  readonly inPod: boolean;
  /** Namespace of containerd, when the path tells. */
  readonly namespace?: string;
  /** Uid whose service manager the cgroup is below: rootless runtimes. */
  readonly userUid?: number;
}

/** What a runtime tells. */
export interface RuntimeFacts {
  readonly container?: Container;
  readonly pod?: Pod;
  /** The container only holds the pod's namespaces. */
  readonly isSandbox?: boolean;
  /** Of a unit. */
  readonly description?: string;
  /** Another API of the same runtime will know more of it in a moment. */
  readonly isPreliminary?: boolean;
}

/** What a runtime tells without being asked. */
export type RuntimeChange =
  /** A container was made, started or renamed: worth asking about. */
  | { readonly type: "container"; readonly id: string; readonly namespace?: string }
  /** It is gone from the runtime. */
  | { readonly type: "removed"; readonly id: string }
  /** The stream of changes began, so earlier ones may have been missed. */
  | { readonly type: "connected" }
  /** Namespaces that containerd has now. */
  | { readonly type: "namespaces"; readonly names: readonly string[] };

/** One endpoint of one runtime. Makes no connection before it is asked. */
export interface RuntimeClient {
  readonly api: RuntimeApi;
  readonly socketPath: string;
  /** User that owns a rootless runtime: it is believed about that user's cgroups only. */
  readonly userUid?: number;
  /**
   * Asks once, within the client's time-out.
   *
   * @returns undefined when the runtime does not know the subject.
   * @throws {RuntimeError} when it gives no usable answer.
   */
  lookUp(subject: Subject): Promise<RuntimeFacts | undefined>;
  /**
   * Asks who answers, such as "containerd 1.7.2", within the client's time-out.
   *
   * @returns undefined when the endpoint does not speak this API.
   * @throws {RuntimeError} when it gives no usable answer.
   */
  version(): Promise<string | undefined>;
  /**
   * Tells of changes until the runtime ends the stream (throws RuntimeError) or `signal` is aborted
   * (resolves). A runtime without such a stream resolves at once.
   */
  watch(report: (change: RuntimeChange) => void, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Bounds of one endpoint. */
export interface ClientLimits {
  /** For one call, connection included. */
  readonly timeoutMs: number;
  /** Bytes of one answer; more fails the call. */
  readonly responseSizeMax: number;
}

/** How a question failed; bounded, so it is a label of counters. */
export type RuntimeErrorCode =
  /** No connection: nobody listens, or it ended. */
  | "unreachable"
  | "timeout"
  /** The answer is not what the API promises. */
  | "protocol"
  | "too_large"
  /** The runtime answered with an error. */
  | "refused"
  /** Not asked: it failed a moment ago. */
  | "backing_off";

/** A question that got no usable answer. */
export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
  readonly code: RuntimeErrorCode;
  readonly hint: string;

  constructor(api: RuntimeApi, code: RuntimeErrorCode, found: string, options?: ErrorOptions) {
    super(`Cannot ask "${api}": ${found}`, options);
    this.code = code;
    this.hint = HINTS[code];
  }

  /** Whether the endpoint itself is at fault, so that other questions would fail too. */
  get isOfEndpoint(): boolean {
    return this.code !== "refused" && this.code !== "backing_off";
  }
}

const HINTS: Readonly<Record<RuntimeErrorCode, string>> = {
  unreachable: "check that the runtime runs and that its socket is the one it listens on",
  timeout: "check whether the runtime hangs, or raise its time-out",
  protocol: "check that the socket is the runtime's, and report the runtime's version",
  too_large: "raise the limit of answers",
  refused: "read the runtime's own log",
  backing_off: "wait: it is asked again by itself",
};
