/**
 * Puts the executable into guests.
 *
 * @module
 */
import { openWorkspace, pinnedDeno } from "../../scripts/build/workspace.ts";
import type { GuestTree } from "../matrix/guest_tree.ts";
import { shrikePath } from "./shrike_process.ts";

/** The executable at `path`, with the part of glibc that Deno is linked to and nothing else. */
export async function addShrike(tree: GuestTree, path: string): Promise<void> {
  tree.addFile(path, shrikePath(), 0o755);
  // The executable may be a static launcher, which does not show what it carries.
  await tree.addLibraries(pinnedDeno(openWorkspace()));
}
