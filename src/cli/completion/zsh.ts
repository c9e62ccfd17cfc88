/**
 * The completion script of zsh.
 *
 * @module
 */
import type { TreeCommand, TreeOption } from "./command_tree.ts";

/** Makes the script. */
export function zshScript(commands: readonly TreeCommand[]): string {
  return `#compdef shrike
# zsh completion of shrike; made by "shrike completion zsh"
_shrike() {
  local state line
  local -a commands
  commands=(
${commands.map(({ name, help }) => `    ${quote(`${name}:${escapeColon(help)}`)}`).join("\n")}
  )
  _arguments -C '(- *)'{-h,--help}'[Show help]' '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $words[1] in
${commands.map(commandCase).join("\n")}
      esac
      ;;
  esac
}
if [[ $funcstack[1] == _shrike ]]; then
  _shrike "$@"
else
  compdef _shrike shrike
fi
`;
}

function commandCase({ name, options, words }: TreeCommand): string {
  const specs = options.flatMap(optionSpecs);
  if (words.length > 0) specs.push(quote(`1:word:(${words.join(" ")})`));
  return `        ${name})\n          _arguments ${specs.join(" \\\n            ")}\n          ;;`;
}

/** One specification per flag, each excluding the others unless the option may be repeated. */
function optionSpecs(option: TreeOption): string[] {
  const { flags, help, value, choices, isFile, isRepeatable } = option;
  const description = help.replaceAll(/[[\]\\:]/g, (character) => `\\${character}`);
  const action = isFile ? "_files" : choices.length > 0 ? `(${choices.join(" ")})` : " ";
  return flags.map((flag) => {
    const prefix = isRepeatable ? "*" : `(${flags.join(" ")})`;
    if (value === "none") return quote(`${prefix}${flag}[${description}]`);
    const optional = value === "attached" ? "-" : flag.startsWith("--") ? "=" : "+";
    // "-" wants the value attached: --flag=true, and the flag alone stays complete.
    const form = optional === "-" ? `${flag}=-` : `${flag}${optional}`;
    const separator = optional === "-" ? "::" : ":";
    return quote(`${prefix}${form}[${description}]${separator}value:${action}`);
  });
}

function escapeColon(text: string): string {
  return text.replaceAll(":", "\\:");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
