/**
 * The completion script of bash (4.2 or newer), without the bash-completion package.
 *
 * @module
 */
import { HELP_OPTION, type TreeCommand, type TreeOption } from "./command_tree.ts";

/** Makes the script. */
export function bashScript(commands: readonly TreeCommand[]): string {
  const names = commands.map(({ name }) => name);
  return `# bash completion of shrike; made by "shrike completion bash"
_shrike() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command= i
  # bash splits --flag=value at "=": the flag is then two words back.
  if [[ $word == "=" ]]; then word=; elif [[ $before == "=" ]]; then
    before=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${names.join("|")}) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  COMPREPLY=()
  case "$command $before" in
${commands.flatMap(valueCases).join("\n")}
  esac
  case "$command $word" in
    " -"*) COMPREPLY=($(compgen -W ${quote(HELP_OPTION.flags.join(" "))} -- "$word")) ;;
    " "*) COMPREPLY=($(compgen -W ${quote(names.join(" "))} -- "$word")) ;;
${commands.flatMap(wordCases).join("\n")}
  esac
}
complete -F _shrike shrike
`;
}

function valueCases({ name, options }: TreeCommand): string[] {
  return options.filter(hasValueAt).map((option) => {
    const { flags, choices, isFile } = option;
    // A switch is complete without a value: it is offered only behind "=".
    const guard = option.value === "attached"
      ? `[[ \${COMP_WORDS[COMP_CWORD]} == "=" || \${COMP_WORDS[COMP_CWORD-1]} == "=" ]] && { `
      : "";
    const reply = isFile
      ? 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word"))'
      : `COMPREPLY=($(compgen -W ${quote(choices.join(" "))} -- "$word"))`;
    const patterns = flags.map((flag) => `"${name} ${flag}"`).join("|");
    return guard === ""
      ? `    ${patterns}) ${reply}; return ;;`
      : `    ${patterns}) ${guard}${reply}; return; } ;;`;
  });
}

/** Options without known values complete to nothing, so they need a case as well. */
function hasValueAt({ value }: TreeOption): boolean {
  return value !== "none";
}

function wordCases({ name, options, words }: TreeCommand): string[] {
  const flags = options.flatMap(({ flags }) => flags).join(" ");
  const reply = (list: string) => `COMPREPLY=($(compgen -W ${quote(list)} -- "$word"))`;
  return [
    ...(flags === "" ? [] : [`    "${name} -"*) ${reply(flags)} ;;`]),
    `    "${name} "*) ${reply(words.length > 0 ? words.join(" ") : flags)} ;;`,
  ];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
