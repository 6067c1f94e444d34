/**
 * The completion scripts, by their shells. Each asks `empusa completions candidates SHELL …` and gets lines: what is to be offered, the word
 * that is being typed, and the candidates, each with a description behind a TAB. Candidates may come from etcd, where anybody may have
 * written them: no script has its shell evaluate one.
 */
export const shellScripts: Readonly<Record<string, (name: string) => string>> = { bash, fish, zsh };

/** `compgen -W` would expand the words that it is given, so the candidates are compared by hand. */
function bash(name: string): string {
  return `# bash completion for ${name}
${functionOf(name)}() {
  local kind word head line
  local -a lines=()
  COMPREPLY=()
  mapfile -t lines < <(${name} completions candidates bash "\${COMP_LINE:0:COMP_POINT}" </dev/null 2>/dev/null)
  kind=\${lines[0]-} word=\${lines[1]-}
  case $kind in
    files) compopt -o default ;;
    commands) mapfile -t COMPREPLY < <(compgen -c -- "$2") ;;
    words)
      # To bash a word may begin behind a colon or an equals sign.
      [[ $word == *"$2" ]] || return 0
      head=\${word%"$2"}
      for line in "\${lines[@]:2}"; do
        line=\${line%%$'\\t'*}
        [[ $line == "$word"* ]] || continue
        printf -v line %q "\${line#"$head"}"
        COMPREPLY+=("$line")
      done
      ;;
  esac
}
complete -F ${functionOf(name)} ${name}
`;
}

/** `compadd` would take a candidate that begins with a dash for an option of its own, but for `--`. */
function zsh(name: string): string {
  return `#compdef ${name}
# zsh completion for ${name}
${functionOf(name)}() {
  emulate -L zsh
  local line
  local -a typed lines values shown
  (( CURRENT > 2 )) && typed=("\${(@Q)words[2,CURRENT-1]}")
  lines=("\${(@f)$(${name} completions candidates zsh "\${typed[@]}" "\${(Q)PREFIX}" </dev/null 2>/dev/null)}")
  case $lines[1] in
    files) _files ;;
    commands) _command_names -e ;;
    words)
      for line in "\${(@)lines[3,-1]}"; do
        values+=("\${line%%$'\\t'*}")
        shown+=("\${line/$'\\t'/  -- }")
      done
      (( $#values )) && compadd -Q -l -d shown -- "\${(@q)values}"
      ;;
  esac
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef ${functionOf(name)} ${name}
`;
}

/** What a command prints is not evaluated, and fish quotes a candidate itself, but for a tilde in front. */
function fish(name: string): string {
  return `# fish completion for ${name}
function _${functionOf(name)}
  set -l typed (commandline -opc)
  set -e typed[1]
  set -l lines (${name} completions candidates fish $typed (commandline -ct) </dev/null 2>/dev/null)
  switch "$lines[1]"
    case files
      __fish_complete_path (commandline -ct)
    case commands
      __fish_complete_command
    case words
      string match --regex --invert -- '^~' $lines[3..-1]
  end
end
complete -c ${name} -e
complete -c ${name} -f -k -a '(_${functionOf(name)})'
`;
}

/** The name of the function that completes a command. */
function functionOf(name: string): string {
  return `_${name.replace(/[^A-Za-z0-9_]/g, "_")}`;
}
