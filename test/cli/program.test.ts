/** A command that cannot be run is refused beforehand, with the exit code that a shell would give it; the kernel has the last word. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { refuse, refused } from '../../lib/cli/program.js'
import { tempFolder } from '../support/temp-folder.js'

/** Its lookup is execvp's. */
const exitCodeOfEnv = (program: string, path: string): number => {
  try {
    execFileSync('/usr/bin/env', [`PATH=${path}`, program], { stdio: 'ignore' })
    return 0
  } catch (error) {
    return (error as { status: number }).status
  }
}

t.test('as execvp looks it up', { skip: process.platform === 'win32' && 'there is none' }, async (t) => {
  const folder = tempFolder(t)
  for (const name of ['bin', 'more', 'bin/folder']) mkdirSync(join(folder, name))
  for (const [name, mode] of [['bin/good', 0o755], ['bin/plain', 0o644], ['more/plain2', 0o755], ['bin/plain2', 0o644]] as const) {
    writeFileSync(join(folder, name), '#!/bin/sh\n')
    chmodSync(join(folder, name), mode)
  }
  const path = `${join(folder, 'none')}:${join(folder, 'bin')}:${join(folder, 'more')}`
  for (const [program, exitCode] of [
    ['good', undefined], ['plain2', undefined], ['absent', 127], ['plain', 126], ['folder', 126], [join(folder, 'bin/good'), undefined],
    [join(folder, 'bin/plain'), 126], [join(folder, 'bin/folder'), 126], [join(folder, 'bin/absent'), 127],
  ] as const) {
    t.equal(refuse(program, path)?.exitCode, exitCode, program)
    t.equal(exitCodeOfEnv(program, path), exitCode ?? 0, `${program}, by env`)
  }
  t.equal(refuse('absent', undefined), undefined, 'without PATH it is left to the kernel')
})

t.test('what happened, what it means, what to do', async (t) => {
  t.match(refuse('npn', '/none'), { exitCode: 127, error: { code: 'COMMAND_NOT_FOUND', message: "The client's command was not found: npn. Nothing was run.", hint: /^Check the spelling/ } })
  t.match(refuse('/', ''), { exitCode: 126, error: { message: "The client's command cannot be run: /: it is a folder. Nothing was run." } })
})

t.test('what only the kernel finds', async (t) => {
  const failure = (code: string) => Object.assign(new Error(`spawn x ${code}`), { code })
  t.match(refused('x', failure('ENOENT')), { exitCode: 127, error: { message: /interpreter/ } })
  t.match(refused('x', failure('EACCES')), { exitCode: 126, error: { message: /permission denied/ } })
  t.match(refused('x', failure('E2BIG')), { exitCode: 126, error: { message: /spawn x E2BIG/ } })
})
