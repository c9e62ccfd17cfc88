/**
 * Completion scripts, made from the command tree and so never behind it.
 *
 * @module
 */
import type { Command } from "commander";
import { readCommandTree, type TreeCommand } from "./command_tree.ts";
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import type { Shell } from "./shell.ts";
import { zshScript } from "./zsh.ts";

const SCRIPTS: Readonly<Record<Shell, (commands: readonly TreeCommand[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** The script that teaches `shell` the commands of `program`. */
export function completionScript(shell: Shell, program: Command): string {
  return SCRIPTS[shell](readCommandTree(program));
}
