/**
 * The scripts of the shells. They are @optique/core's: it hands the words over as words, and needs no package of the shell. The scripts
 * of omelette and tab need bash-completion, and those of tab and tabtab evaluate the line, so that a Tab would run a `$(…)` in it.
 *
 * Ours stands around each: what comes after `--` is another command's, and so is its completion; and a one-server that was typed with
 * its folder (`./node_modules/.bin/one-server`) is the one that answers. Loaded by `completion` alone.
 */
import { bash, fish, zsh, type ShellCompletion } from '@optique/core/completion'
import type { Suggestion } from './suggest.js'

export type Shell = 'bash' | 'zsh' | 'fish'

const PROGRAM = 'one-server'

/** bash-completion knows the completions of other commands. Without it there are programs, and then files. */
const BASH = `
_one_server_tab() {
  local at PATH=$PATH
  [[ $1 == */* && -x $1 ]] && PATH=\${1%/*}:$PATH
  for ((at = 1; at < COMP_CWORD; at++)); do
    [[ \${COMP_WORDS[at]} == -- ]] || continue
    if declare -F _command_offset >/dev/null; then _command_offset $((at + 1)); return; fi
    ((COMP_CWORD == at + 1)) || break
    while IFS= read -r; do COMPREPLY+=("$REPLY"); done < <(compgen -c -- "$2")
    return
  done
  _one-server "$@"
}
complete -F _one_server_tab one-server
`

const ZSH = `
_one_server_tab() {
  local -i at=\${words[(i)--]}
  if (( at > 1 && at < CURRENT )); then
    words=("\${(@)words[at+1,-1]}")
    (( CURRENT -= at ))
    _normal
    return
  fi
  local PATH=$PATH
  [[ $words[1] == */* && -x $words[1] ]] && PATH=\${words[1]:h}:$PATH
  _optique:one-server "$@"
}
(( $+functions[compdef] )) && compdef _one_server_tab one-server
`

const FISH = `
function __one_server_tab
  set -l words (commandline -opc)
  set -l at (contains -i -- -- $words)
  if test -n "$at"
    set -l rest (string escape -- $words[(math $at + 1)..-1])
    complete -C (string join ' ' -- $rest (commandline -ct))
    return
  end
  set -lx PATH $PATH
  if string match -q '*/*' -- $words[1]; and test -x $words[1]
    set PATH (dirname -- $words[1]) $PATH
  end
  __one-server_complete
end
complete -c one-server -e
complete -c one-server -f -a '(__one_server_tab)'
`

const SHELLS: Readonly<Record<Shell, { readonly of: ShellCompletion; readonly around: string }>> = {
  bash: { of: bash, around: BASH }, zsh: { of: zsh, around: ZSH }, fish: { of: fish, around: FISH },
}

/** What a user's shell reads once. */
export const scriptFor = (shell: Shell): string => {
  const { of, around } = SHELLS[shell]
  return `${of.generateScript(PROGRAM, ['completion', shell]).trim()}\n${around}`
}

/** What the script reads at a Tab: each chunk is a line, as @optique/core itself prints them, and its scripts skip an empty one. */
export const encode = (shell: Shell, suggestions: readonly Suggestion[]): string =>
  [...SHELLS[shell].of.encodeSuggestions(suggestions.map((one) => {
    if (one.kind === 'file') return one
    const { text, about } = one
    return { kind: 'literal', text, ...(about === undefined ? {} : { description: [{ type: 'text', text: about }] }) }
  }))].join('\n')
