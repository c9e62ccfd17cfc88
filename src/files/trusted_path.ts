/**
 * The way to a file: who may change a directory on it can put another file at its end.
 *
 * @module
 */
import { dirname, join, resolve } from "node:path";
import { notFound, UntrustedError } from "./untrusted_error.ts";

const OTHERS_MAY_WRITE = 0o022;
const STICKY = 0o1000;
/** As the kernel has it. */
const LINKS_MAX = 40;

/**
 * Looks at each directory and link from `/` to what stands at `path`; that itself is not looked at.
 *
 * A directory where anybody may make files but remove only his own (`/tmp`) is fine when what the
 * way goes on with belongs to an owner.
 *
 * @returns where the way ends, without links
 * @throws {UntrustedError} somebody else may change a part of it
 * @throws {Deno.errors.NotFound} a directory is missing
 */
export function checkTrustedWay(path: string, owners: readonly number[]): string {
  let parts = resolve(path).split("/").filter((part) => part !== "");
  let at = "/";
  let linkCount = 0;
  while (parts.length > 0) {
    const directory = Deno.lstatSync(at);
    if (!directory.isDirectory) {
      throw new UntrustedError(at, "it is not a directory", "check the path");
    }
    const isSticky = checkDirectory(at, directory, owners);
    const [name = "", ...rest] = parts;
    const next = name === ".." ? dirname(at) : join(at, name);
    const info = lstat(next);
    const isLast = rest.length === 0;
    if (info === undefined && isLast) return next;
    if (info === undefined) throw notFound(next);
    if (isSticky && !owns(owners, info)) {
      const state = `it belongs to uid ${info.uid}, in a directory that anybody may write to`;
      throw new UntrustedError(next, state, "put it where only root may write");
    }
    if (info.isSymlink) {
      if (++linkCount > LINKS_MAX) {
        throw new UntrustedError(path, "it has too many links", "give a path without");
      }
      const target = Deno.readLinkSync(next);
      if (target.startsWith("/")) at = "/";
      parts = [...target.split("/").filter((part) => part !== "" && part !== "."), ...rest];
    } else {
      if (isLast) return next;
      at = next;
      parts = rest;
    }
  }
  return at;
}

/** @returns whether others may make files in it, but not touch those of the owners */
function checkDirectory(
  path: string,
  info: Deno.FileInfo,
  owners: readonly number[],
): boolean {
  const hint = "use a directory that only root may change";
  if (!owns(owners, info)) {
    throw new UntrustedError(path, `the directory belongs to uid ${info.uid}`, hint);
  }
  const mode = info.mode ?? 0;
  if ((mode & OTHERS_MAY_WRITE) === 0) return false;
  if ((mode & STICKY) !== 0) return true;
  throw new UntrustedError(path, "the directory may be changed by others", hint);
}

function owns(owners: readonly number[], { uid }: Deno.FileInfo): boolean {
  return uid === null || owners.includes(uid);
}

function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
