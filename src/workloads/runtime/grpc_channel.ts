/**
 * gRPC over a unix socket. The library is imported with the first call, so that hosts without such
 * a runtime do not pay for it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { type ClientLimits, type RuntimeApi, RuntimeError } from "./runtime_client.ts";
import { ProtobufError } from "./protobuf.ts";

/** The library's own pauses between connection attempts; ours are in RuntimeLink. */
const RECONNECT_MS = { initial: 100, max: 1000 };

type Library = typeof import("@grpc/grpc-js");
type Headers = Readonly<Record<string, string>>;

interface Connection {
  readonly library: Library;
  readonly client: InstanceType<Library["Client"]>;
}

/** One endpoint and its connection. */
export class GrpcChannel {
  readonly #api: RuntimeApi;
  readonly #socketPath: string;
  readonly #limits: ClientLimits;
  #opened: Promise<Connection> | undefined;
  #isClosed = false;

  constructor(api: RuntimeApi, socketPath: string, limits: ClientLimits) {
    this.#api = api;
    this.#socketPath = socketPath;
    this.#limits = limits;
  }

  /**
   * Calls `method` ("/package.Service/Method").
   *
   * @returns undefined when the server says "not found", or has no such method: containerd with its
   *   CRI plug-in disabled, as Docker's packages have it, is no failing runtime.
   * @throws {RuntimeError}
   */
  async call(
    method: string,
    request: Uint8Array,
    headers: Headers = {},
  ): Promise<Uint8Array | undefined> {
    const { library, client } = await this.#open();
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method,
        toBuffer,
        toBytes,
        request,
        metadataOf(library, headers),
        { deadline: Date.now() + this.#limits.timeoutMs },
        (error: ServiceError | null, answer?: Uint8Array) => {
          if (error === null) resolve(answer ?? new Uint8Array(0));
          else if (isNone(library, error.code)) resolve(undefined);
          else reject(this.#explain(library, error));
        },
      );
    });
  }

  /**
   * Reads messages until `signal` is aborted.
   *
   * @returns false when the server has no such method.
   * @throws {RuntimeError} when the stream ends.
   */
  async stream(
    method: string,
    request: Uint8Array,
    options: {
      readonly opened: () => void;
      readonly message: (message: Uint8Array) => void;
      readonly signal: AbortSignal;
    },
  ): Promise<boolean> {
    const { library, client } = await this.#open();
    const calls = client.makeServerStreamRequest(
      method,
      toBuffer,
      toBytes,
      request,
      new library.Metadata(),
    ) as ClientReadableStream<Uint8Array>;
    const stop = () => calls.cancel();
    options.signal.addEventListener("abort", stop);
    // Servers send their headers with the first message, so there is no sign of success to wait
    // for.
    options.opened();
    try {
      for await (const message of calls) options.message(message as Uint8Array);
      if (options.signal.aborted) return true;
      throw new RuntimeError(this.#api, "unreachable", "the stream of events ended");
    } catch (error) {
      if (options.signal.aborted) return true;
      if ((error as ServiceError).code === library.status.UNIMPLEMENTED) return false;
      throw this.#explain(library, error);
    } finally {
      options.signal.removeEventListener("abort", stop);
      calls.cancel();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#opened?.then(({ client }) => client.close(), () => {});
    this.#opened = undefined;
  }

  #open(): Promise<Connection> {
    if (this.#isClosed) throw new RuntimeError(this.#api, "unreachable", "the client was closed");
    this.#opened ??= import("@grpc/grpc-js").then((module) => {
      // Bundled as CommonJS the names are on the default export.
      const library = "Client" in module ? module : (module as { default: Library }).default;
      const client = new library.Client(
        `unix:${this.#socketPath}`,
        library.credentials.createInsecure(),
        {
          "grpc.default_authority": "localhost",
          "grpc.enable_http_proxy": 0,
          "grpc.enable_retries": 0,
          "grpc.initial_reconnect_backoff_ms": RECONNECT_MS.initial,
          "grpc.max_reconnect_backoff_ms": RECONNECT_MS.max,
          "grpc.max_receive_message_length": this.#limits.responseSizeMax,
          "grpc.service_config_disable_resolution": 1,
          "grpc.use_local_subchannel_pool": 1,
        },
      );
      return { library, client };
    });
    return this.#opened;
  }

  #explain(library: Library, error: unknown): RuntimeError {
    if (error instanceof RuntimeError) return error;
    if (error instanceof ProtobufError) {
      return new RuntimeError(this.#api, "protocol", error.message, { cause: error });
    }
    const { code, details, message } = error as Partial<ServiceError>;
    const { status } = library;
    const kind = code === status.DEADLINE_EXCEEDED
      ? "timeout"
      : code === status.UNAVAILABLE || code === status.CANCELLED
      ? "unreachable"
      : code === status.RESOURCE_EXHAUSTED
      ? "too_large"
      : code === status.INTERNAL || code === undefined
      ? "protocol"
      : "refused";
    const found = `${code === undefined ? "" : status[code]} ${details ?? message}`.trim();
    return new RuntimeError(this.#api, kind, found, { cause: error });
  }
}

function isNone({ status }: Library, code: number): boolean {
  return code === status.NOT_FOUND || code === status.UNIMPLEMENTED;
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function toBytes(bytes: Buffer): Uint8Array {
  return bytes;
}

function metadataOf(library: Library, headers: Headers): InstanceType<Library["Metadata"]> {
  const metadata = new library.Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}
