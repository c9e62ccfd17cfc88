/**
 * A file in pieces: the text of each document in it.
 *
 * @module
 */
import type { ReadFile } from "./read_documents.ts";

/** One document of a file. */
export interface DocumentText {
  /** Names it among all that are loaded; of templates it begins with "template ". */
  readonly key: string;
  /** What stands in the file from the document before to its end, also comments. */
  readonly text: string;
}

/** The documents that are right; empty ones and those with mistakes have no key. */
export function splitDocuments({ texts }: Pick<ReadFile, "texts">): DocumentText[] {
  return [...texts].map(([key, text]) => ({ key, text }));
}
