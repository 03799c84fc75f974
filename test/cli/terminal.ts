/** A command in a terminal of its own: what is typed there goes through the kernel's line discipline, which sends the signals. */
import { spawn, spawnSync } from 'node:child_process'
import type { Test } from 'tap'
import { PROGRAM, watched, type Running } from './command-line.js'
import { joinWords } from '../../lib/text/shell-words.js'

/** Why there can be none here, or false. script(1) of util-linux is called in its own way. */
export const noTerminal: string | false = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ? false : 'there is no script(1) of util-linux'

export interface Terminal extends Running {
  readonly type: (text: string) => void
}

/** How the command line tool is called from within. */
export const oneServer = (args: readonly string[], program = PROGRAM): string => joinWords([...program, ...args])

/** Runs the text of a bash program in the foreground of a new terminal, with job control. All that it prints is on stdout. */
export const inTerminal = (t: Pick<Test, 'teardown'>, program: string, { env, cwd }: { env: NodeJS.ProcessEnv; cwd: string }): Terminal => {
  // By exec, so that it is the program that gets the terminal, and no shell waits for it.
  const command = joinWords(['exec', 'bash', '-mc', program]).replace("'exec'", 'exec')
  const running = watched(spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], { env: { ...env, SHELL: '/bin/sh' }, cwd, stdio: ['pipe', 'pipe', 'pipe'] }))
  t.teardown(async () => {
    running.child.kill('SIGKILL')
    await running.ended
  })
  return { ...running, type: (text) => { running.child.stdin?.write(text) } }
}
