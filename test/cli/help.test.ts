/**
 * Help is there for every command, fits a terminal, names each flag that the command takes, and shows
 * examples that the parser accepts.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { read } from '../../lib/cli/arguments.js'
import { COMMANDS, type Command, type CommandWord } from '../../lib/cli/commands.js'
import { PAGES } from '../../lib/cli/help.js'
import { splitWords } from '../../lib/text/shell-words.js'
import { call } from './command-line.js'

const fits = (text: string): boolean => text.split('\n').every((line) => line.length <= 80)

t.test('the overview', async (t) => {
  const asked = await call('--help')
  t.equal(asked.code, 0)
  t.equal(asked.stderr, '')
  t.ok(fits(asked.stdout), asked.stdout)
  for (const word of Object.keys(COMMANDS)) t.match(asked.stdout, `\n  ${word} `)
  for (const spelling of ['-h', 'help']) t.same(await call(spelling), asked)
  t.same(await call(), { code: 2, stdout: '', stderr: asked.stdout }, 'no command at all is a wrong call')
})

for (const command of Object.values<Command>(COMMANDS)) {
  t.test(`help of ${command.word}`, async (t) => {
    const { code, stdout, stderr } = await call(command.word, '--help')
    t.equal(code, 0)
    t.equal(stderr, '')
    t.ok(fits(stdout), stdout)
    for (const name of command.flags) t.match(stdout, `--${name}`)
    for (const spelling of [[command.word, '-h'], ['help', command.word]]) t.equal((await call(...spelling)).stdout, stdout)
  })

  t.test(`examples of ${command.word}`, async (t) => {
    const { examples } = PAGES[command.word as CommandWord]
    t.not(examples.length, 0)
    for (const example of examples) {
      const split = splitWords((/\$\((.*)\)/.exec(example)?.[1] ?? example).split(' | ')[0] as string)
      const [program, word, ...argv] = 'words' in split ? split.words : []
      t.same([program, word], ['one-server', command.word])
      await t.resolves(read(argv, command), example)
    }
  })
}

t.test('what several hosts need has a heading of its own, with the variables for what is secret', async (t) => {
  for (const { word, flags } of Object.values<Command>(COMMANDS)) {
    const [own = '', across] = (await call(word, '--help')).stdout.split('\nSeveral hosts:\n')
    t.equal(across !== undefined, (flags as readonly string[]).includes('coordinator'), word)
    t.notMatch(own, /--coordinator|--advertise|--listen|--no-host|--ttl|--linger/)
    if (across === undefined) continue
    for (const name of ['USER', 'PASSWORD', 'CA', 'CERT', 'KEY']) t.match(across, `_${name}`)
    t.notMatch(across, /with a coordinator/, 'the heading says so')
  }
  t.match((await call('--help')).stdout, /\n {2}8 {14}trouble with the coordinator/)
})

t.test("a command's own default is in its help", async (t) => {
  t.match((await call('run', '--help')).stdout.replace(/\s+/g, ' '), / --timeout TIME [^-]*\(default: 60s\)/)
  t.match((await call('start', '--help')).stdout.replace(/\s+/g, ' '), / --timeout TIME [^-]*\(default: 10s\)/)
})

t.test('--version is that of the package, alone', async (t) => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
  for (const spelling of ['--version', '-v']) t.same(await call(spelling), { code: 0, stdout: `${version}\n`, stderr: '' })
})
