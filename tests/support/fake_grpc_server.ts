/**
 * A gRPC server on a unix socket whose methods take and give bytes.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";

/** Answers a call: with bytes, or by throwing a status code. */
export type UnaryAnswer = (request: Uint8Array, metadata: grpc.Metadata) => Uint8Array;
/** Writes messages to a stream that stays open. */
export type StreamAnswer = (write: (message: Uint8Array) => void) => void;

/** Methods by path ("/package.Service/Method"). */
export interface FakeGrpcMethods {
  readonly unary?: Readonly<Record<string, UnaryAnswer>>;
  readonly stream?: Readonly<Record<string, StreamAnswer>>;
}

/** A status to answer with. */
export class GrpcStatus extends Error {
  constructor(readonly code: grpc.status) {
    super(grpc.status[code]);
  }
}

/** Runs until it is disposed. Methods that are not given are unimplemented. */
export class FakeGrpcServer {
  readonly socketPath: string;
  readonly #folder: string;
  readonly #server = new grpc.Server();

  private constructor(methods: FakeGrpcMethods) {
    this.#folder = Deno.makeTempDirSync({ prefix: "shrike-fake-" });
    this.socketPath = join(this.#folder, "s.sock");
    for (const [path, answer] of Object.entries(methods.unary ?? {})) this.#add(path, answer);
    for (const [path, answer] of Object.entries(methods.stream ?? {})) {
      this.#addStream(path, answer);
    }
  }

  /** Makes it and waits until it listens. */
  static async start(methods: FakeGrpcMethods): Promise<FakeGrpcServer> {
    const server = new FakeGrpcServer(methods);
    await new Promise<void>((resolve, reject) =>
      server.#server.bindAsync(
        `unix:${server.socketPath}`,
        grpc.ServerCredentials.createInsecure(),
        (error) => error === null ? resolve() : reject(error),
      )
    );
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
    await Deno.remove(this.#folder, { recursive: true });
  }

  #add(path: string, answer: UnaryAnswer): void {
    const handler: grpc.handleUnaryCall<Uint8Array, Uint8Array> = (call, done) => {
      try {
        done(null, answer(call.request, call.metadata));
      } catch (error) {
        const code = error instanceof GrpcStatus ? error.code : grpc.status.UNKNOWN;
        done({ code, details: String(error) });
      }
    };
    this.#server.register(path, handler, toBuffer, toBytes, "unary");
  }

  #addStream(path: string, answer: StreamAnswer): void {
    const handler: grpc.handleServerStreamingCall<Uint8Array, Uint8Array> = (call) =>
      answer((message) => void call.write(message));
    this.#server.register(path, handler, toBuffer, toBytes, "serverStream");
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

function toBytes(bytes: Buffer): Uint8Array {
  return bytes;
}
