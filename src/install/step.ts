/**
 * Steps of an installation: said first, then done, or only said.
 *
 * @module
 */
import { InstallError } from "./install_error.ts";
import type { ServiceControl } from "./service.ts";
import type { Content, TargetFiles } from "./target_files.ts";

/** One step. */
export interface Step {
  /** What it does, for people: `write "/etc/shrike/config.yaml"`. */
  readonly text: string;
  /** What to do when it fails. */
  readonly hint?: string;
  /** Missing for what stays as it is. */
  run?(): void;
}

/** What steps work on. */
export interface Target {
  readonly files: TargetFiles;
  readonly service: ServiceControl;
}

/** Says every step and, unless it is a dry run, does it. @throws {InstallError} one failed */
export function runSteps(
  steps: readonly Step[],
  { isDryRun, say }: { readonly isDryRun: boolean; readonly say: (line: string) => void },
): void {
  for (const { text, hint, run } of steps) {
    say(text);
    if (isDryRun || run === undefined) continue;
    try {
      run();
    } catch (cause) {
      if (cause instanceof InstallError) throw cause;
      const state = cause instanceof Error ? cause.message.split("\n")[0]! : String(cause);
      throw new InstallError(text, state, hint ?? "run as root (sudo)", cause);
    }
  }
}

/** Writes a file unless it is there as it should be. */
export function writeStep(
  { files }: Target,
  path: string,
  content: Content,
  mode: number,
): Step & { readonly isChange: boolean } {
  if (files.holds(path, content, mode)) {
    return { text: `keep "${path}", it is current`, isChange: false };
  }
  const verb = files.exists(path) ? "replace" : "write";
  return {
    text: `${verb} "${path}"`,
    isChange: true,
    run: () => {
      files.makeDirectory(path.slice(0, path.lastIndexOf("/")) || "/");
      files.write(path, content, mode);
    },
  };
}

/** Removes a file or an empty directory. */
export function removeStep({ files }: Target, path: string): Step {
  return { text: `remove "${path}"`, run: () => files.remove(path) };
}

/** Removes a directory with all below it. */
export function removeTreeStep({ files }: Target, path: string): Step {
  return { text: `remove "${path}" with all in it`, run: () => files.removeTree(path) };
}

/** Runs systemctl. */
export function systemctlStep({ service }: Target, args: readonly string[]): Step {
  const text = `run "systemctl ${args.join(" ")}"`;
  const hint = "see journalctl -u shrike, and run shrike doctor";
  return {
    text,
    hint,
    run: () => {
      const { code, output } = service.systemctl(args);
      if (code !== 0) throw new InstallError(text, `exit code ${code}: ${output}`, hint);
    },
  };
}
