/**
 * Text of paths and arguments that does not come from a record: from /proc, or joined from two.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Text } from "../events/mod.ts";

/** Text that is not known. */
export const NO_TEXT: Text = { text: "" };

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** The bytes as text; keeps a copy of them when they are not valid UTF-8. */
export function textFromBytes(bytes: Uint8Array): Text {
  try {
    return { text: strictDecoder.decode(bytes) };
  } catch {
    return { text: decoder.decode(bytes), raw: bytes.slice() };
  }
}

/**
 * A file name as execve took it, made absolute with the working directory and freed of `.` and
 * double slashes. `..` stays: behind a symbolic link it leads elsewhere than its text says, and
 * anybody could make the name of a file out of it that never ran. An absolute name, or one whose
 * directory is not known, stays as it is.
 */
export function joinPath(cwd: Text, filename: Text): Text {
  if (filename.text === "" || filename.text.startsWith("/") || cwd.text === "") return filename;
  if (cwd.raw === undefined && filename.raw === undefined) {
    return { text: joinParts(cwd.text, filename.text) };
  }
  // Latin-1 maps each byte to one character and back, so the parts can be joined as bytes.
  const joined = joinParts(latin1(cwd), latin1(filename));
  return textFromBytes(Uint8Array.from(Buffer.from(joined, "latin1")));
}

function joinParts(cwd: string, filename: string): string {
  const parts = filename.split("/").filter((part) => part !== "" && part !== ".");
  return [cwd === "/" ? "" : cwd, ...parts].join("/") || "/";
}

function latin1({ text, raw }: Text): string {
  return Buffer.from(raw ?? Buffer.from(text, "utf8")).toString("latin1");
}
