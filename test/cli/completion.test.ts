/** Completion: what is suggested where, and that real shells complete it at a Tab. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t, { type Test } from 'tap'
import { COMMANDS, commandCalled } from '../../lib/cli/commands.js'
import { suggest, type Suggestion } from '../../lib/cli/suggest.js'
import { OPTIONS, type Row } from '../../lib/options/table.js'
import { joinWords } from '../../lib/text/shell-words.js'
import { call, fixture, home, PROGRAM, type Home } from './command-line.js'
import { inTerminal, noTerminal } from './terminal.js'

const KNOWN = [{ name: 'api', about: 'in the config file', runs: false }, { name: 'cache', about: 'runs', runs: true }]

const textOf = (one: Suggestion): string => (one.kind === 'literal' ? one.text : `<${one.type} ${one.prefix}|${one.pattern}>`)

/** What is suggested for the last of these words. */
const at = async (...words: string[]): Promise<string[]> =>
  (await suggest(words.slice(0, -1), words.at(-1)!, commandCalled, async () => KNOWN)).map(textOf)

t.test('commands, names, flags and values', async (t) => {
  const CASES: [words: string[], expected: string[]][] = [
    [['sta'], ['start', 'status']],
    [['--v'], ['--version']],
    [['help', 'lo'], ['logs']],
    [['help', 'logs', ''], []],
    [['nonsense', ''], []],
    [['start', '--rea'], ['--ready']],
    [['start', '--no-'], ['--no-reuse-existing', '--no-host']],
    [['start', ''], ['api', 'cache']],
    [['start', 'c'], ['cache']],
    [['stop', ''], ['cache']],
    [['run', 'api,'], ['api,cache']],
    [['run', 'api,ca'], ['api,cache']],
    [['logs', 'api,'], []],
    [['run', 'api', ''], ['--']],
    [['start', '--port', ''], ['auto', '3000']],
    [['start', '--port', '3000', ''], ['api', 'cache']],
    [['start', '--port=3000', 'ca'], ['cache']],
    [['start', '--on-mismatch', 're'], ['reuse', 'restart']],
    [['start', '--on-mismatch=re'], ['--on-mismatch=reuse', '--on-mismatch=restart']],
    [['start', '--ready', 'tcp'], ['tcp:{port}', 'tcp:']],
    [['start', '--timeout', ''], ['10s', '30s']],
    [['start', '--cwd', 'li'], ['<directory |li>']],
    [['start', '--log-file=lo'], ['<any --log-file=|--log-file=lo>']],
    [['start', '--quiet='], []],
    [['start', '--json', '--js'], []],
    [['run', '--env', 'A=1', '--en'], ['--env']],
    [['logs', '-n', '5', ''], ['api', 'cache']],
    [['list', ''], ['--named', '--watch', '--json', '--quiet', '--help']],
    [['run', 'api', '--', 'npm', ''], ['<any |>']],
    [['completion', ''], ['bash', 'zsh', 'fish']],
    [['completion', 'zsh', ''], []],
  ]
  for (const [words, expected] of CASES) t.strictSame(await at(...words), expected, words.join(' '))
  for (const word of Object.keys(COMMANDS)) t.ok((await at('')).includes(word), `the command ${word}`)
})

t.test('each flag of each command, and none that the parser refuses', async (t) => {
  for (const [word, { flags }] of Object.entries(COMMANDS)) {
    t.strictSame((await at(word, '--')).filter((flag) => flag !== '--'), flags.map((flag) => `--${flag}`), word)
  }
  for (const { flag, values } of Object.values<Row>(OPTIONS)) {
    for (const value of values ?? []) {
      // A value that ends in a colon is only how one begins.
      const whole = value.endsWith(':') ? `${value}5432` : value.endsWith('//') ? `${value}localhost:1` : value
      t.match(await call('status', `--${flag}`, whole, '--help'), { code: 0 })
      if ((COMMANDS.start.flags as readonly string[]).includes(flag!)) {
        const { stderr } = await call('start', `--${flag}`, whole, '--', 'node')
        t.match(stderr, /a command after -- needs a name/, `--${flag} ${whole} itself is accepted`)
      }
    }
  }
})

t.test('the command', async (t) => {
  t.match(await call('completion'), { code: 2, stdout: '', stderr: /completion needs a shell: bash, zsh, fish/ })
  t.match(await call('completion', 'ksh'), { code: 2, stderr: /knows bash, zsh, fish, got "ksh"/ })
  t.match(await call('completion', '--help'), { code: 0, stdout: /eval "\$\(one-server completion bash\)"/ })
  t.match(await call('completion', 'bash', 'stop', '--he'), { code: 0, stdout: '--help' }, 'the words of a Tab are no flags of this call')
  t.match(await call('completion', 'bash', 'start', '--ready=', '--'), { code: 0, stderr: '' })
})

t.test('a name that the command line refuses is never suggested: a shell would run what stands in it', async (t) => {
  const here = home(t)
  const state = here.env['ONE_SERVER_STATE_DIR']!
  mkdirSync(state, { mode: 0o700 })
  for (const name of ['$(touch x)', '`touch x`', 'a b', 'a\u001b[31mred', 'a\nb', '-dash', "it's", 'fine']) writeFileSync(join(state, `${name}.pid`), '')
  // A record may say that its server has another name than its file.
  const record = { format: 1, configured: { name: '$(touch y)', folder: here.folder } }
  writeFileSync(join(state, 'other.pid'), `1\n${JSON.stringify(record)}\n`)
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout } = await here.run(['completion', shell, 'start', ''])
    t.match(stdout, /fine/, shell)
    t.notMatch(stdout, /touch|a b|dash|it's|red/, shell)
  }
})

interface Furnished extends Home {
  readonly bin: string
  /** Whether the one-server in `tools/` has answered since this was asked last: it is not the one in the PATH. */
  readonly wasAsked: () => boolean
}

/** A home with `one-server` in its PATH, a config file, and one server that runs. */
const furnished = async (t: Test): Promise<Furnished> => {
  const here = home(t)
  const bin = join(here.folder, 'bin')
  mkdirSync(bin)
  const script = (name: string, text: string): void => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  script('one-server', `exec ${joinWords(PROGRAM)} "$@"`)
  script('own-command', ':')
  mkdirSync(join(here.folder, 'a folder'))
  mkdirSync(join(here.folder, 'tools'))
  script('../tools/one-server', `: >tools/asked; exec ${joinWords(PROGRAM)} "$@"`)
  writeFileSync(join(here.folder, 'one-server.config.json'), '{ "servers": { "api": {}, "web": {} } }')
  await here.start(['start', 'cache', '--port', 'auto', '--script', fixture('healthy'), '--quiet'])
  const wasAsked = (): boolean => {
    const asked = join(here.folder, 'tools', 'asked')
    const was = existsSync(asked)
    rmSync(asked, { force: true })
    return was
  }
  return { ...here, bin, wasAsked, env: { ...here.env, TERM: 'xterm', PATH: `${bin}${delimiter}${process.env['PATH']}` } }
}

const missing = (shell: string): string | false =>
  spawnSync(shell, ['-c', 'exit 0']).status === 0 ? false : `there is no ${shell}: apt-get install ${shell}`

const BASH = `PS1='$ '; bind -x '"\\C-x\\C-l": printf "\\nLINE%d<%s>\\n" $((++n)) "$READLINE_LINE"'; eval "$(one-server completion bash)"`
const ZSH = `PS1='$ '; autoload -U compinit && compinit -u -D; show() { print -r; print -r -- "LINE$((++n))<$BUFFER>" }; zle -N show
bindkey -e; bindkey '^X^L' show; LISTMAX=1000; eval "$(one-server completion zsh)"`

interface Typist {
  /** Types the text and a key, and says what the line is then. */
  readonly after: (text: string, key?: string) => Promise<string>
  /** Types the text and a Tab, and returns what the shell then lists, with these words at least. A shell that has more to read lists nothing. */
  readonly lists: (text: string, words: readonly string[]) => Promise<string>
}

const KILL_LINE = '\u0001\u000b'
const SHOW = '\u0018\u000c'

const typist = async (t: Test, here: Home, program: string, setup: string): Promise<Typist> => {
  const terminal = inTerminal(t, program, { env: here.env, cwd: here.folder })
  // In halves, so that the echo of what is typed is not taken for what is printed.
  terminal.type(`${setup}; n=0; echo rea""dy\n`)
  await terminal.prints('ready')
  let lines = 0
  const after: Typist['after'] = async (text, key = '\t') => {
    lines++
    terminal.type(`${KILL_LINE}${text}${key}${SHOW}`)
    const pattern = new RegExp(`LINE${lines}<([^>\\r\\n]*)>`)
    await terminal.prints(pattern)
    return pattern.exec(terminal.printed())![1]!
  }
  const lists: Typist['lists'] = async (text, words) => {
    const since = `LINE${lines}<[^>]*>`
    terminal.type(`${KILL_LINE}${text}\t`)
    for (const word of words) await terminal.prints(new RegExp(`${since}[^]*${word}`))
    // What it does next shows that it has listed all.
    await after('', '')
    return new RegExp(`${since}[^]*`).exec(terminal.printed())![0]
  }
  return { after, lists }
}

/** What each shell completes alike: the text, and the line after a Tab. */
const COMMON: [typed: string, line: string][] = [
  ['one-server resta', 'one-server restart '],
  ['one-server start --rea', 'one-server start --ready '],
  ['one-server stop ', 'one-server stop cache '],
  ['one-server start --on-mismatch=rest', 'one-server start --on-mismatch=restart '],
  ['one-server run api,w', 'one-server run api,web '],
  ['one-server start --cwd b', 'one-server start --cwd bin/'],
]

/** It was typed with its folder, so it is the one that answers. */
const OTHER = ['tools/one-server resta', 'tools/one-server restart '] as const

t.test('bash', { skip: noTerminal || missing('bash') }, async (t) => {
  const here = await furnished(t)
  const { after } = await typist(t, here, 'exec bash --norc --noprofile -i', BASH)
  for (const [typed, line] of COMMON) t.equal(await after(typed), line)
  t.notOk(here.wasAsked())
  t.equal(await after(OTHER[0]), OTHER[1])
  t.ok(here.wasAsked(), 'by the one that was typed')
  t.equal(await after('one-server start ', '\u001b*'), 'one-server start api cache web ', 'all that may stand there')
  t.equal(await after('one-server start --cwd a'), 'one-server start --cwd a\\ folder/')
  t.equal(await after('one-server run api -- own-comm'), 'one-server run api -- own-command ', 'programs after --')
  t.equal(await after('one-server run api -- own-command one-server.conf'), 'one-server run api -- own-command one-server.config.json ')
  t.equal(await after('one-server start "$(touch ran)" --rea'), 'one-server start "$(touch ran)" --ready ')
  t.notOk(existsSync(join(here.folder, 'ran')), 'a Tab runs nothing of the line')
})

const BASH_COMPLETION = '/usr/share/bash-completion/bash_completion'
t.test('bash with bash-completion', { skip: noTerminal || missing('bash') || (!existsSync(BASH_COMPLETION) && 'apt-get install bash-completion') }, async (t) => {
  const here = await furnished(t)
  const { after } = await typist(t, here, 'exec bash --norc --noprofile -i', `. ${BASH_COMPLETION}; ${BASH}; complete -W own-word own-command`)
  for (const [typed, line] of COMMON) t.equal(await after(typed), line)
  t.notOk(here.wasAsked())
  t.equal(await after(OTHER[0]), OTHER[1])
  t.ok(here.wasAsked(), 'by the one that was typed')
  t.equal(await after('one-server run api -- own-command ow'), 'one-server run api -- own-command own-word ', "the command's own completion")
})

t.test('zsh', { skip: noTerminal || missing('zsh') }, async (t) => {
  const here = await furnished(t)
  const own = 'own() { compadd own-word }; compdef own own-command'
  const { after, lists } = await typist(t, here, 'exec zsh -f -i', `${ZSH}; ${own}`)
  for (const [typed, line] of COMMON) t.equal(await after(typed), line)
  t.notOk(here.wasAsked())
  t.equal(await after(OTHER[0]), OTHER[1])
  t.ok(here.wasAsked(), 'by the one that was typed')
  t.equal(await after('one-server run api -- own-comm'), 'one-server run api -- own-command ', 'programs after --')
  t.equal(await after('one-server run api -- own-command ow'), 'one-server run api -- own-command own-word ', "the command's own completion")
  t.equal(await after('one-server start "$(touch ran)" --rea'), 'one-server start "$(touch ran)" --ready ')
  t.notOk(existsSync(join(here.folder, 'ran')), 'a Tab runs nothing of the line')
  const listed = await lists('one-server start ', ['cache', 'api'])
  for (const one of [/cache +-- runs/, /api +-- in the config file/]) t.match(listed, one)
})

t.test('fish', { skip: missing('fish') }, async (t) => {
  const here = await furnished(t)
  const completed = (line: string): string[] => {
    const script = `one-server completion fish | source; complete -c own-command -f -a own-word; complete -C ${joinWords([line])}`
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', script], { cwd: here.folder, env: here.env, encoding: 'utf8' })
    t.equal(stderr, '')
    return stdout.split('\n').filter(Boolean).map((found) => found.replace(/\t.*/, ''))
  }
  const lastOf = (line: string): string => line.trimEnd().split(' ').at(-1)!
  for (const [typed, line] of COMMON) t.strictSame(completed(typed), [lastOf(line)], typed)
  t.notOk(here.wasAsked())
  t.strictSame(completed(OTHER[0]), [lastOf(OTHER[1])])
  t.ok(here.wasAsked(), 'by the one that was typed')
  t.strictSame(completed('one-server start '), ['api', 'cache', 'web'].sort())
  t.strictSame(completed('one-server run api -- own-comm'), ['own-command'], 'programs after --')
  t.strictSame(completed('one-server run api -- own-command ow'), ['own-word'], "the command's own completion")
  t.strictSame(completed('one-server start "(touch ran)" (touch ran) --rea'), ['--ready'])
  t.notOk(existsSync(join(here.folder, 'ran')), 'a Tab runs nothing of the line')
})

t.test('a configuration that is code is not run, and one with a mistake hides nothing', async (t) => {
  const here = await furnished(t)
  writeFileSync(join(here.folder, 'one-server.config.json'), '{ "servers": ')
  t.match(await here.run(['completion', 'bash', 'start', '']), { code: 0, stdout: 'cache', stderr: '' })
  rmSync(join(here.folder, 'one-server.config.json'))
  const code = join(here.folder, 'code')
  mkdirSync(code)
  writeFileSync(join(code, 'one-server.config.mjs'), "import { writeFileSync } from 'node:fs'\nwriteFileSync('ran', '')\nexport default { servers: { api: {} } }")
  const { stdout } = await here.begin(['completion', 'bash', 'start', ''], { cwd: code }).ended
  t.equal(stdout, 'cache')
  t.notOk(existsSync(join(code, 'ran')))
})
