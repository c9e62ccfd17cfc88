import { deepStrictEqual, equal, ok, throws } from "node:assert/strict";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { readContainer, readEvent, readImageDigest, readTaskPid } from "./containerd_messages.ts";
import { readContainers, readContainerStatus, readSandboxes } from "./cri_messages.ts";
import { entryOf, fieldsOf, int64Of, ProtobufError, ProtobufWriter, textOf } from "./protobuf.ts";

Deno.test("fieldsOf() reads what ProtobufWriter wrote", () => {
  const message = new ProtobufWriter().text(1, "é").varint(2, 300n).varint(3, -1n).text(4, "")
    .bytes(2000, Uint8Array.of(1, 2)).flag(5, true).flag(6, false).finish();
  const fields = [...fieldsOf(message)];
  deepStrictEqual(fields.map(({ number }) => number), [1, 2, 3, 2000, 5]);
  equal(textOf(fields[0]!), "é");
  equal(fields[1]!.value, 300n);
  equal(int64Of(fields[2]!), -1n);
  deepStrictEqual([...fields[3]!.bytes], [1, 2]);
});

Deno.test("fieldsOf() agrees with bytes written by hand", () => {
  // Field 1 varint 150; field 2 "testing"; field 3 fixed32; field 4 fixed64; field 5 varint 1.
  const message = Uint8Array.from([
    ...[0x08, 0x96, 0x01, 0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67],
    ...[0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x28, 0x01],
  ]);
  const fields = [...fieldsOf(message)];
  deepStrictEqual(fields.map(({ number }) => number), [1, 2, 5]);
  equal(fields[0]!.value, 150n);
  equal(textOf(fields[1]!), "testing");
});

Deno.test("entryOf() reads entries with parts left out", () => {
  const read = (entry: ProtobufWriter) => {
    const [field] = fieldsOf(new ProtobufWriter().bytes(1, entry.finish()).finish());
    return entryOf(field!);
  };
  deepStrictEqual(read(new ProtobufWriter().text(1, "k").text(2, "v")), ["k", "v"]);
  deepStrictEqual(read(new ProtobufWriter().text(1, "k")), ["k", ""]);
  deepStrictEqual(read(new ProtobufWriter()), ["", ""]);
});

Deno.test("fieldsOf() refuses cut and malformed messages", () => {
  const malformed = {
    "field number 0": [0x00],
    "number without end": [0x08, ...Array.from({ length: 10 }, () => 0x80), 0x01],
    "cut number": [0x08, 0x80],
    "cut field": [0x12, 5, 1, 2],
    "huge field": [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    "cut fixed64": [0x21, 1],
    "group": [0x0b],
  };
  for (const [what, bytes] of Object.entries(malformed)) {
    throws(() => [...fieldsOf(Uint8Array.from(bytes))], ProtobufError, what);
  }
});

Deno.test("readers of messages throw ProtobufError or nothing on random bytes", () => {
  const random = SeededRandom.fromEnvironment("protobuf_test");
  const sample = new ProtobufWriter().bytes(
    1,
    new ProtobufWriter().text(1, "id").text(2, "x").bytes(3, Uint8Array.of(10, 1, 65)).finish(),
  ).finish();
  const readers = [
    readContainers,
    readContainerStatus,
    readSandboxes,
    readContainer,
    readEvent,
    readImageDigest,
    readTaskPid,
  ];
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.chance(0.5)
      ? Uint8Array.from({ length: random.below(40) }, () => random.below(256))
      : sample.slice(0, random.below(sample.length + 1));
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
    for (const read of readers) {
      try {
        read(bytes);
      } catch (error) {
        ok(error instanceof ProtobufError, `${bytes}: ${error}`);
      }
    }
  }
});
