import { deepStrictEqual, equal, ok, rejects } from "node:assert/strict";
import {
  type ConnectionScript,
  FakeUnixServer,
  hang,
  send,
} from "../../../tests/support/fake_unix_server.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { Counters } from "../../telemetry/mod.ts";
import { FactLimits } from "../runtime/fact_limits.ts";
import type { RuntimeErrorCode, Subject } from "../runtime/runtime_client.ts";
import {
  DbusMessageError,
  DbusType,
  decodeMessage,
  encodeCall,
  FIXED_HEADER_SIZE,
  messageSize,
} from "./dbus_message.ts";
import { SystemdClient } from "./systemd_client.ts";

const SUBJECT: Subject = { kind: "unit", id: "ssh.service", runtime: "systemd", inPod: false };
const UNIT_PATH = "/org/freedesktop/systemd1/unit/ssh_2eservice";

/** A message of a bus, written by hand: header fields are (code, type, value). */
function busMessage(
  { type, replySerial, signature = "", body = [], errorName, isBigEndian = false }: {
    readonly type: number;
    readonly replySerial: number;
    readonly signature?: string;
    readonly body?: readonly number[];
    readonly errorName?: string;
    readonly isBigEndian?: boolean;
  },
): Uint8Array {
  const order = (value: number) => isBigEndian ? u32(value).reverse() : u32(value);
  const text = (value: string) => [...order(value.length), ...ascii(value), 0];
  const fields: number[] = [];
  const field = (code: number, kind: string, value: readonly number[]) => {
    while (fields.length % 8 !== 0) fields.push(0);
    fields.push(code, 1, kind.charCodeAt(0), 0, ...value);
  };
  field(5, "u", order(replySerial));
  if (errorName !== undefined) field(4, "s", text(errorName));
  if (signature !== "") field(8, "g", [signature.length, ...ascii(signature), 0]);
  field(7, "s", text("org.freedesktop.DBus"));
  const start = [isBigEndian ? 0x42 : 0x6c, type, 1, 1, ...order(body.length), ...order(7)];
  const bytes = [...start, ...order(fields.length), ...fields];
  while (bytes.length % 8 !== 0) bytes.push(0);
  return Uint8Array.from([...bytes, ...body]);
}

function u32(value: number): number[] {
  return [value & 0xff, value >>> 8 & 0xff, value >>> 16 & 0xff, value >>> 24];
}

function ascii(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

/** Body of one text. */
function textBody(text: string): number[] {
  const bytes = ascii(text);
  return [...u32(bytes.length), ...bytes, 0];
}

/** Body of a variant with a text: signature, padding, text. */
function variantBody(text: string): number[] {
  return [1, 0x73, 0, 0, ...textBody(text)];
}

/** A bus with systemd behind it; `reply` gives the answer to the second and third call. */
function bus(...replies: readonly ((serial: number) => Uint8Array)[]): ConnectionScript {
  return async (connection) => {
    const buffer = new Uint8Array(4096);
    const read = async () =>
      new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
    const login = await read();
    const uid = [...String(Deno.uid())].map((digit) => `3${digit}`).join("");
    if (login !== `\0AUTH EXTERNAL ${uid}\r\n`) return;
    await send(connection, "OK 0123456789abcdef\r\n");
    await read();
    await send(connection, busMessage({ type: DbusType.methodReturn, replySerial: 1 }));
    await send(connection, busMessage({ type: DbusType.signal, replySerial: 0 }));
    for (const [at, reply] of replies.entries()) {
      await read();
      await send(connection, reply(at + 2));
    }
    await hang(connection);
  };
}

function unitPath(replySerial: number): Uint8Array {
  const body = textBody(UNIT_PATH);
  return busMessage({ type: DbusType.methodReturn, replySerial, signature: "o", body });
}

function description(replySerial: number): Uint8Array {
  const body = variantBody("OpenBSD Secure Shell server");
  return busMessage({ type: DbusType.methodReturn, replySerial, signature: "v", body });
}

function failure(errorName: string): (replySerial: number) => Uint8Array {
  return (replySerial) => busMessage({ type: DbusType.error, replySerial, errorName });
}

function clientOf({ socketPath }: FakeUnixServer): SystemdClient {
  const limits = { timeoutMs: 300, responseSizeMax: 10_000 };
  return new SystemdClient({ socketPath, limits, factLimits: new FactLimits(new Counters()) });
}

Deno.test("SystemdClient.lookUp() gives the description of a unit", async () => {
  await using server = new FakeUnixServer(bus(unitPath, description));
  deepStrictEqual(await clientOf(server).lookUp(SUBJECT), {
    description: "OpenBSD Secure Shell server",
  });
});

Deno.test("SystemdClient.lookUp() knows when systemd has no such unit", async () => {
  const name = "org.freedesktop.systemd1.NoSuchUnit";
  await using server = new FakeUnixServer(bus(failure(name)));
  equal(await clientOf(server).lookUp(SUBJECT), undefined);
});

Deno.test("SystemdClient.version() asks the manager", async () => {
  const version = (replySerial: number) =>
    busMessage({
      ...{ type: DbusType.methodReturn, replySerial, signature: "v" },
      body: variantBody("252.39-1~deb12u1"),
    });
  await using server = new FakeUnixServer(bus(version));
  equal(await clientOf(server).version(), "systemd 252.39-1~deb12u1");
});

const FAILURES: readonly (readonly [string, RuntimeErrorCode, ConnectionScript])[] = [
  ["says nothing", "timeout", hang],
  ["hangs up", "unreachable", () => Promise.resolve()],
  ["refuses the log-in", "protocol", (connection) => send(connection, "REJECTED EXTERNAL\r\n")],
  ["never ends its first line", "protocol", (connection) => send(connection, "x".repeat(9000))],
  ["stops answering", "timeout", bus(unitPath)],
  ["has no systemd", "refused", bus(failure("org.freedesktop.DBus.Error.ServiceUnknown"))],
  [
    "sends a huge message",
    "protocol",
    bus(() => Uint8Array.from([0x6c, 2, 1, 1, 0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0, 0, 0, 0, 0])),
  ],
  ["talks rubbish", "protocol", bus(() => new Uint8Array(64))],
  [
    "answers other calls only",
    "protocol",
    bus(() => Uint8Array.from(Array.from({ length: 20 }, () => [...unitPath(99)]).flat())),
  ],
];

for (const [behaviour, code, script] of FAILURES) {
  Deno.test(`SystemdClient.lookUp() fails with "${code}" when the bus ${behaviour}`, async () => {
    await using server = new FakeUnixServer(script);
    await rejects(clientOf(server).lookUp(SUBJECT), { name: "RuntimeError", code });
  });
}

Deno.test("decodeMessage() reads both byte orders", () => {
  const message = busMessage({ type: DbusType.methodReturn, replySerial: 3, isBigEndian: true });
  equal(messageSize(message.subarray(0, FIXED_HEADER_SIZE)), message.length);
  deepStrictEqual(decodeMessage(message), {
    type: DbusType.methodReturn,
    replySerial: 3,
    errorName: "",
    text: undefined,
  });
});

Deno.test("encodeCall() writes what messageSize() and decodeMessage() read", () => {
  const call = encodeCall({
    serial: 9,
    destination: "a.b",
    path: "/a",
    interface: "a.b.C",
    member: "Get",
    arguments: ["é", "two"],
  });
  equal(messageSize(call.subarray(0, FIXED_HEADER_SIZE)), call.length);
  const { type, text } = decodeMessage(call);
  deepStrictEqual([type, text], [DbusType.methodCall, "é"]);
});

Deno.test("decodeMessage() throws DbusMessageError or nothing on random bytes", () => {
  const random = SeededRandom.fromEnvironment("systemd_client_test");
  const samples = [unitPath(2), description(3), failure("a.b")(4)] as const;
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.pick(samples).slice();
    for (let change = random.below(4); change > 0; change--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    const cut = bytes.subarray(0, random.chance(0.5) ? bytes.length : random.below(bytes.length));
    try {
      messageSize(cut);
      decodeMessage(cut);
    } catch (error) {
      ok(error instanceof DbusMessageError, `${[...cut]}: ${error}`);
    }
  }
});
