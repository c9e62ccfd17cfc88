import { deepStrictEqual, notStrictEqual, strictEqual } from "node:assert/strict";
import { TextReader } from "./text_reader.ts";

/** Bytes in shared memory, as the capture reader has them, with others around. */
function shared(bytes: readonly number[]): { bytes: Uint8Array; start: number; end: number } {
  const memory = new Uint8Array(new SharedArrayBuffer(bytes.length + 16)).fill(0x7e);
  memory.set(bytes, 8);
  return { bytes: memory, start: 8, end: 8 + bytes.length };
}

const ascii = (text: string) => [...text].map((character) => character.charCodeAt(0));

function text(bytes: readonly number[]) {
  const at = shared(bytes);
  return new TextReader().text(at.bytes, at.start, at.end);
}

function path(bytes: readonly number[], cut = false) {
  const at = shared(bytes);
  return new TextReader().path(at.bytes, at.start, at.end, cut);
}

Deno.test("TextReader.text() reads UTF-8 out of shared memory", () => {
  deepStrictEqual(text(ascii("/bin/true")), { text: "/bin/true" });
  deepStrictEqual(text([]), { text: "" });
  deepStrictEqual(text([0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x90, 0xa6]), { text: "\u20ac\u{1f426}" });
});

Deno.test("TextReader.text() keeps the bytes that are not UTF-8, and only those", () => {
  for (
    const bytes of [[0xff], [0x61, 0xc3], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x90], [0xc0, 0x80]]
  ) {
    const { text: shown, raw } = text(bytes);
    strictEqual(shown.includes("\ufffd"), true);
    deepStrictEqual(raw, new Uint8Array(bytes));
  }
  // The replacement character and a byte order mark are text like any other.
  deepStrictEqual(text([0xef, 0xbf, 0xbd]), { text: "\ufffd" });
  deepStrictEqual(text([0xef, 0xbb, 0xbf, 0x61]), { text: "\ufeffa" });
});

Deno.test("TextReader returns nothing that refers to the record's memory", () => {
  const at = shared([0xff, 0x61]);
  const { raw } = new TextReader().text(at.bytes, at.start, at.end);
  notStrictEqual(raw?.buffer, at.bytes.buffer);
  at.bytes.fill(0);
  deepStrictEqual(raw, new Uint8Array([0xff, 0x61]));
});

Deno.test("TextReader reads where the bytes are, also when it gets others", () => {
  const reader = new TextReader();
  const [first, second] = [shared(ascii("one")), shared(ascii("two"))];
  strictEqual(reader.text(first.bytes, first.start, first.end).text, "one");
  strictEqual(reader.text(second.bytes, second.start, second.end).text, "two");
  const part = second.bytes.subarray(9);
  strictEqual(reader.text(part, 0, 2).text, "wo");
});

Deno.test("TextReader.list() splits at NUL and keeps empty and cut strings", () => {
  const list = (bytes: readonly number[]) => {
    const at = shared(bytes);
    return new TextReader().list(at.bytes, at.start, at.end);
  };
  deepStrictEqual(list([]), []);
  deepStrictEqual(list([0]), [{ text: "" }]);
  deepStrictEqual(list(ascii("a\0\0b\0")), [{ text: "a" }, { text: "" }, { text: "b" }]);
  deepStrictEqual(list(ascii("a\0cu")), [{ text: "a" }, { text: "cu" }]);
  deepStrictEqual(list([0x61, 0, 0xff, 0, 0]), [
    { text: "a" },
    { text: "\ufffd", raw: new Uint8Array([0xff]) },
    { text: "" },
  ]);
});

Deno.test("TextReader.path() puts leaf-first names in order", () => {
  deepStrictEqual(path([]), { text: "/" });
  deepStrictEqual(path(ascii("c\0b\0a\0")), { text: "/a/b/c" });
  deepStrictEqual(path(ascii("c\0b\0"), true), { text: "b/c" });
});

Deno.test("TextReader.path() keeps names that are not UTF-8 in their places", () => {
  const bytes = [0x63, 0, 0xff, 0xfe, 0, 0x61, 0];
  deepStrictEqual(path(bytes), {
    text: "/a/\ufffd\ufffd/c",
    raw: new Uint8Array([0x2f, 0x61, 0x2f, 0xff, 0xfe, 0x2f, 0x63]),
  });
  deepStrictEqual(path([0xff, 0, 0x61, 0], true), {
    text: "a/\ufffd",
    raw: new Uint8Array([0x61, 0x2f, 0xff]),
  });
});
