import { deepStrictEqual, equal, rejects } from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { FakeGrpcServer, GrpcStatus } from "../../../tests/support/fake_grpc_server.ts";
import {
  type ConnectionScript,
  FakeUnixServer,
  hang,
  send,
} from "../../../tests/support/fake_unix_server.ts";
import { GrpcChannel } from "./grpc_channel.ts";
import type { RuntimeErrorCode } from "./runtime_client.ts";

const LIMITS = { timeoutMs: 500, responseSizeMax: 10_000 };
const REQUEST = Uint8Array.of(1, 2, 3);

function channelTo(server: { readonly socketPath: string }): GrpcChannel & Disposable {
  const channel = new GrpcChannel("cri", server.socketPath, LIMITS);
  return Object.assign(channel, { [Symbol.dispose]: () => channel.close() });
}

/** The library closes sockets in the next turns, and Deno loads it once: not leaks of ours. */
function test(name: string, run: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn: run });
}

test("GrpcChannel.call() sends bytes and headers and gives the answer", async () => {
  await using server = await FakeGrpcServer.start({
    unary: {
      "/a.B/C": (request, metadata) =>
        new TextEncoder().encode(`${[...request]} ${metadata.get("containerd-namespace")}`),
    },
  });
  using channel = channelTo(server);
  const answer = await channel.call("/a.B/C", REQUEST, { "containerd-namespace": "default" });
  equal(new TextDecoder().decode(answer), "1,2,3 default");
});

const STATUSES: readonly (readonly [status, RuntimeErrorCode])[] = [
  [status.PERMISSION_DENIED, "refused"],
  [status.UNAVAILABLE, "unreachable"],
  [status.INTERNAL, "protocol"],
  [status.UNKNOWN, "refused"],
];

test("GrpcChannel.call() tells statuses apart", async () => {
  for (const [code, expected] of STATUSES) {
    await using server = await FakeGrpcServer.start({
      unary: {
        "/a.B/C": () => {
          throw new GrpcStatus(code);
        },
      },
    });
    using channel = channelTo(server);
    await rejects(channel.call("/a.B/C", REQUEST), { name: "RuntimeError", code: expected });
    equal(await channel.call("/a.B/Missing", REQUEST), undefined);
  }
});

test("GrpcChannel.call() gives undefined for what is not found", async () => {
  await using server = await FakeGrpcServer.start({
    unary: {
      "/a.B/C": () => {
        throw new GrpcStatus(status.NOT_FOUND);
      },
    },
  });
  using channel = channelTo(server);
  equal(await channel.call("/a.B/C", REQUEST), undefined);
});

test("GrpcChannel.call() refuses an answer above the limit", async () => {
  await using server = await FakeGrpcServer.start({
    unary: { "/a.B/C": () => new Uint8Array(20_000) },
  });
  using channel = channelTo(server);
  await rejects(channel.call("/a.B/C", REQUEST), { code: "too_large" });
});

/** A SETTINGS frame: the least an HTTP/2 server says. */
const SETTINGS = Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0);

const FAILURES: readonly (readonly [string, readonly RuntimeErrorCode[], ConnectionScript])[] = [
  ["says nothing", ["timeout"], hang],
  ["greets and says nothing", ["timeout"], async (connection) => {
    await send(connection, SETTINGS);
    await hang(connection);
  }],
  ["hangs up at once", ["unreachable", "timeout"], () => Promise.resolve()],
  ["greets and hangs up", ["unreachable", "protocol", "timeout"], async (connection) => {
    await send(connection, SETTINGS);
  }],
  ["talks rubbish", ["unreachable", "protocol", "timeout"], async (connection) => {
    await send(connection, "HTTP/1.1 400 Bad Request\r\n\r\n");
    await hang(connection);
  }],
  ["greets and talks rubbish", ["unreachable", "protocol", "timeout"], async (connection) => {
    await send(connection, SETTINGS);
    await send(connection, Uint8Array.from({ length: 1000 }, (_, at) => at * 37 & 0xff));
    await hang(connection);
  }],
];

for (const [behaviour, codes, script] of FAILURES) {
  test(`GrpcChannel.call() fails in time when the server ${behaviour}`, async () => {
    await using server = new FakeUnixServer(script);
    using channel = channelTo(server);
    const { code } = await channel.call("/a.B/C", REQUEST).then(() => ({ code: "" }), (e) => e);
    equal(codes.includes(code), true, code);
  });
}

test("GrpcChannel.call() works again when the server is there", async () => {
  const folder = await Deno.makeTempDir();
  const channel = new GrpcChannel("cri", `${folder}/s.sock`, LIMITS);
  await rejects(channel.call("/a.B/C", REQUEST), { code: "unreachable" });
  await using server = await FakeGrpcServer.start({ unary: { "/a.B/C": (request) => request } });
  await Deno.rename(server.socketPath, `${folder}/s.sock`);
  const deadline = performance.now() + 10_000;
  let answer: Uint8Array | undefined;
  while (answer === undefined && performance.now() < deadline) {
    answer = await channel.call("/a.B/C", REQUEST).catch(() => undefined);
  }
  deepStrictEqual([...answer ?? []], [1, 2, 3]);
  channel.close();
  await rejects(async () => await channel.call("/a.B/C", REQUEST), { code: "unreachable" });
  await Deno.rename(`${folder}/s.sock`, server.socketPath);
  await Deno.remove(folder);
});

test("GrpcChannel.stream() gives messages until it is aborted", async () => {
  await using server = await FakeGrpcServer.start({
    stream: {
      "/a.B/S": (write) => {
        write(Uint8Array.of(1));
        write(Uint8Array.of(2));
      },
    },
  });
  using channel = channelTo(server);
  const abort = new AbortController();
  const messages: number[] = [];
  const isThere = await channel.stream("/a.B/S", REQUEST, {
    signal: abort.signal,
    opened: () => {},
    message: ([byte]) => {
      messages.push(byte!);
      if (byte === 2) abort.abort();
    },
  });
  deepStrictEqual([isThere, messages], [true, [1, 2]]);
});

test("GrpcChannel.stream() tells a missing method from an ended stream", async () => {
  await using server = await FakeGrpcServer.start({});
  using channel = channelTo(server);
  const options = { signal: new AbortController().signal, opened: () => {}, message: () => {} };
  equal(await channel.stream("/a.B/Missing", REQUEST, options), false);
  await using gone = new FakeUnixServer(() => Promise.resolve());
  using broken = channelTo(gone);
  await rejects(broken.stream("/a.B/S", REQUEST, options), { name: "RuntimeError" });
});
