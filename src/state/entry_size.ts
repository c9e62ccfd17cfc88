/**
 * What a cached image costs in memory, so that the cache can be bounded in bytes.
 *
 * @module
 */
import type { Process, Text } from "../events/mod.ts";

/**
 * A `Process`, its exec_ids, credentials, namespaces and the cache entry. V8's heap grew by 1,365
 * bytes per forked image and 2,097 per exec with 75 characters of text (50,000 each, Deno 2.9.6);
 * this gives 1,500 and 2,116.
 */
const BASE_SIZE = 1_500;
/** A `Text` object and the header of its string. */
const TEXT_SIZE = 48;

/** Estimated bytes of an image; what it shares with `parent` is counted there. */
export function estimateSize(process: Process, parent: Process | undefined): number {
  let size = BASE_SIZE;
  if (process.argv !== parent?.argv) size += textsSize(process.argv);
  if (process.environment !== parent?.environment) size += textsSize(process.environment ?? []);
  if (process.binary !== parent?.binary) size += textSize(process.binary);
  if (process.cwd !== parent?.cwd) size += textSize(process.cwd);
  if (process.exe !== undefined && process.exe !== parent?.exe) {
    size += textSize(process.exe.path) + 160;
  }
  return size;
}

function textsSize(texts: readonly Text[]): number {
  let size = 0;
  for (const text of texts) size += textSize(text);
  return size;
}

/** Two bytes a character: V8 needs them as soon as one character is beyond Latin-1. */
function textSize({ text, raw }: Text): number {
  return TEXT_SIZE + 2 * text.length + (raw === undefined ? 0 : 128 + raw.length);
}
