/**
 * A file in pieces: the text of each document in it.
 *
 * @module
 */
import { Composer, Parser } from "yaml";
import { documentKey, readPolicies } from "./read_documents.ts";

/** One document of a file. */
export interface DocumentText {
  /** Names it among all that are loaded; of templates it begins with "template ". */
  readonly key: string;
  /** What stands in the file from the document before to its end, also comments. */
  readonly text: string;
}

/** The documents that are right; empty ones and those with mistakes have no key. */
export function splitDocuments(text: string): DocumentText[] {
  const { documents } = readPolicies(text, { file: "" });
  const pieces: { readonly lastLine: number; readonly text: string }[] = [];
  let start = 0;
  let lastLine = 0;
  for (const document of new Composer().compose(new Parser().parse(text))) {
    const piece = text.slice(start, document.range[2]);
    start = document.range[2];
    lastLine += piece.split("\n").length - 1;
    pieces.push({ lastLine: Math.max(lastLine, 1), text: piece });
  }
  return documents.flatMap((document) => {
    const { key, place } = documentKey(document);
    const piece = pieces.find((piece, i) =>
      place.line <= piece.lastLine || i === pieces.length - 1
    );
    return piece === undefined ? [] : [{ key, text: piece.text }];
  });
}
