import type { Executable } from "../events/mod.ts";

/**
 * Whether two readings name one file. By path too: stat(2) and the kernel may name different
 * devices on overlayfs and btrfs.
 */
export function sameFile(a: Executable, b: Executable): boolean {
  return a.path.text === b.path.text || a.inode === b.inode &&
      a.device.major === b.device.major && a.device.minor === b.device.minor;
}
