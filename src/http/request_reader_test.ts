import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type HttpRequest, RequestReader } from "./request_reader.ts";

/** In pieces of `size` bytes. */
function read(
  text: string,
  { size = Infinity, bodySizeMax = 100 }: { size?: number; bodySizeMax?: number } = {},
): HttpRequest | "malformed" | undefined {
  const reader = new RequestReader(bodySizeMax);
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; at += size) {
    const result = reader.push(bytes.subarray(at, Math.min(bytes.length, at + size)));
    if (result !== undefined) return result;
  }
  return undefined;
}

function bodyOf(text: string, size: number): string {
  const request = read(text, { size });
  if (typeof request !== "object") return String(request);
  const { body } = request;
  return typeof body === "string" ? body : Buffer.from(body).toString("latin1");
}

const SIZES = [1, 2, 3, 7, Infinity];

Deno.test("RequestReader reads head and body however they are cut, and nothing behind them", () => {
  const next = "GET /next HTTP/1.1\r\n\r\n";
  for (const size of SIZES) {
    const plain = "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    assert.equal(bodyOf(plain + next, size), "hello");
    const coding = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert.equal(bodyOf(`${coding}3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n${next}`, size), "hello");
    const request = read("GET /x HTTP/1.1\r\nA:  1 \r\na: 2\r\n\r\n", { size });
    assert.ok(typeof request === "object");
    assert.deepEqual([request.method, request.target], ["GET", "/x"]);
    assert.deepEqual([...request.headers], [["a", "1, 2"]]);
  }
});

Deno.test("RequestReader takes no more than it may", () => {
  const post = (rest: string) => `POST / HTTP/1.1\r\n${rest}`;
  for (const size of SIZES) {
    assert.equal(bodyOf(post("Content-Length: 101\r\n\r\n"), size), "too_large");
    const chunk = `30\r\n${"x".repeat(0x30)}\r\n`;
    const coding = "Transfer-Encoding: chunked\r\n\r\n";
    assert.equal(bodyOf(post(coding + chunk.repeat(3)), size), "too_large");
    assert.equal(bodyOf(post(`A: ${"x".repeat(9000)}\r\n\r\n`), size), "malformed");
    assert.equal(bodyOf("x".repeat(9000), size), "malformed");
    assert.equal(bodyOf(post("a:b\r\n".repeat(65) + "\r\n"), size), "malformed");
    assert.equal(bodyOf(post(`${coding}${"0".repeat(80)}`), size), "malformed");
  }
});

Deno.test("RequestReader refuses what has two meanings or none", () => {
  const heads = [
    "GET / HTTP/2.0\r\n\r\n",
    "get / HTTP/1.1\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2\r\n",
    "\0\x01\r\n\r\n",
    "GET / HTTP/1.1\r\nno header\r\n\r\n",
    "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
  ];
  for (const text of heads) assert.equal(read(text), "malformed", JSON.stringify(text));
});

Deno.test("RequestReader.end() says what is missing", () => {
  assert.equal(new RequestReader(10).end(), undefined);
  const half = new RequestReader(10);
  half.push(Buffer.from("GET /"));
  assert.equal(half.end(), "malformed");
  const cut = new RequestReader(10);
  cut.push(Buffer.from("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nx"));
  const end = cut.end();
  assert.ok(typeof end === "object" && end.body === "cut");
});
