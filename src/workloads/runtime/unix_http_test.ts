import { deepStrictEqual, equal, rejects } from "node:assert/strict";
import {
  type ConnectionScript,
  FakeUnixServer,
  hang,
  jsonAnswer,
  readRequest,
  send,
} from "../../../tests/support/fake_unix_server.ts";
import type { RuntimeErrorCode } from "./runtime_client.ts";
import { UnixHttp } from "./unix_http.ts";

const LIMITS = { timeoutMs: 300, responseSizeMax: 10_000 };
const OK = "HTTP/1.1 200 OK\r\n";

function client(server: { readonly socketPath: string }, limits = LIMITS): UnixHttp {
  return new UnixHttp("docker", server.socketPath, limits);
}

Deno.test("UnixHttp.getJson() reads an answer with a length", async () => {
  await using server = new FakeUnixServer(async (connection) => {
    equal(await readRequest(connection), "GET /a?b=%7B%7D HTTP/1.1");
    await send(connection, jsonAnswer({ name: "é" }, 404));
  });
  const answer = await client(server).getJson("/a?b=%7B%7D");
  deepStrictEqual(answer, { status: 404, body: { name: "é" } });
});

Deno.test("UnixHttp.getJson() reads chunks, a character cut between two of them", async () => {
  await using server = new FakeUnixServer(async (connection) => {
    await readRequest(connection);
    await send(connection, `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\n["`);
    await send(connection, Uint8Array.of(0xc3));
    await send(connection, "\r\n3\r\n");
    await send(connection, Uint8Array.of(0xa9));
    await send(connection, `"]\r\n0\r\n\r\n`);
  });
  deepStrictEqual((await client(server).getJson("/")).body, ["é"]);
});

const FAILURES: readonly (readonly [string, RuntimeErrorCode, ConnectionScript])[] = [
  ["says nothing", "timeout", hang],
  ["stops after the headers", "timeout", async (connection) => {
    await readRequest(connection);
    await send(connection, `${OK}Content-Length: 100\r\n\r\n{`);
    await hang(connection);
  }],
  ["is slow without end", "timeout", async (connection) => {
    await readRequest(connection);
    await send(connection, `${OK}Transfer-Encoding: chunked\r\n\r\n`);
    for (;;) {
      await send(connection, "1\r\n \r\n");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }],
  ["hangs up at once", "unreachable", () => Promise.resolve()],
  ["hangs up in the body", "unreachable", async (connection) => {
    await readRequest(connection);
    await send(connection, `${OK}Content-Length: 100\r\n\r\n{`);
  }],
  ["talks rubbish", "protocol", async (connection) => {
    await readRequest(connection);
    await send(connection, "\0\x01\xff rubbish\r\n\r\n");
    await hang(connection);
  }],
  ["sends what is not JSON", "protocol", async (connection) => {
    await readRequest(connection);
    await send(connection, `${OK}Content-Length: 5\r\n\r\n<xml>`);
  }],
  ["sends more than the limit", "too_large", async (connection) => {
    await readRequest(connection);
    await send(connection, `${OK}Content-Length: 1000000\r\n\r\n`);
    await send(connection, "x".repeat(1_000_000));
  }],
];

for (const [behaviour, code, script] of FAILURES) {
  Deno.test(`UnixHttp.getJson() fails with "${code}" when the server ${behaviour}`, async () => {
    await using server = new FakeUnixServer(script);
    await rejects(client(server).getJson("/"), { name: "RuntimeError", code });
  });
}

Deno.test("UnixHttp.getJson() fails when nobody listens", async () => {
  const http = client({ socketPath: "/nonexistent/s.sock" });
  await rejects(http.getJson("/"), { name: "RuntimeError", code: "unreachable" });
});

Deno.test("UnixHttp.getLines() gives lines until it is aborted", async () => {
  await using server = new FakeUnixServer(async (connection) => {
    await readRequest(connection);
    await send(connection, `${OK}Transfer-Encoding: chunked\r\n\r\n`);
    await send(connection, "4\r\none\n\r\n2\r\ntw\r\n");
    await send(connection, "5\r\no\n\n3\n\r\n");
    await hang(connection);
  });
  const abort = new AbortController();
  const lines: string[] = [];
  let openings = 0;
  await client(server).getLines("/events", abort.signal, {
    opened: () => openings += 1,
    line(line) {
      lines.push(line);
      if (line === "3") abort.abort();
    },
  });
  deepStrictEqual([openings, lines], [1, ["one", "two", "3"]]);
});

Deno.test("UnixHttp.getLines() outlives the time-out of a call", async () => {
  const { promise: silence, resolve: speak } = Promise.withResolvers<void>();
  await using server = new FakeUnixServer(async (connection) => {
    await readRequest(connection);
    await send(connection, `${OK}Transfer-Encoding: chunked\r\n\r\n`);
    await silence;
    await send(connection, "2\r\nx\n\r\n");
    await hang(connection);
  });
  const abort = new AbortController();
  const limits = { ...LIMITS, timeoutMs: 50 };
  await client(server, limits).getLines("/events", abort.signal, {
    opened: () => void setTimeout(speak, 3 * limits.timeoutMs),
    line: () => abort.abort(),
  });
});

const STREAM_FAILURES: readonly (readonly [string, RuntimeErrorCode, ConnectionScript])[] = [
  ["says nothing", "timeout", hang],
  ["refuses", "refused", async (connection) => {
    await readRequest(connection);
    await send(connection, jsonAnswer({ message: "no" }, 500));
  }],
  ["ends the stream", "unreachable", async (connection) => {
    await readRequest(connection);
    await send(connection, `${OK}Content-Length: 2\r\n\r\nx\n`);
  }],
  ["never ends a line", "too_large", async (connection) => {
    await readRequest(connection);
    await send(connection, `${OK}Content-Length: 100000000\r\n\r\n`);
    for (;;) await send(connection, "x".repeat(65_536));
  }],
];

for (const [behaviour, code, script] of STREAM_FAILURES) {
  Deno.test(`UnixHttp.getLines() fails with "${code}" when the server ${behaviour}`, async () => {
    await using server = new FakeUnixServer(script);
    const { signal } = new AbortController();
    const lines = client(server).getLines("/", signal, { opened: () => {}, line: () => {} });
    await rejects(lines, { name: "RuntimeError", code });
  });
}
