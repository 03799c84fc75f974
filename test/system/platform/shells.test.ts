/**
 * The scripts of the gate and of the watchdog in each shell that may be /bin/sh somewhere: Debian's dash, macOS' bash, Alpine's busybox,
 * ksh93 of illumos and AIX, mksh of Android, and others. A shell that is not installed here is skipped by name.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t, { type Test } from 'tap'
import { linuxLaunching } from '../../../lib/system/platform/linux.js'
import { macosLaunching } from '../../../lib/system/platform/macos.js'
import type { Launching } from '../../../lib/system/platform/platform.js'
import { bareEnv, start } from '../../support/child.js'
import { isAlive, stateOf } from '../../support/clients.js'
import { identify } from '../../support/processes.js'
import { tempFolder } from '../../support/temp-folder.js'
import { until } from '../../support/until.js'

const LAUNCH = '00000000000000aa'
const LEASE = '00000000000000bb'
const OTHER = '00000000000000cc'

/** The words by which each shell is started. */
const SHELLS: Readonly<Record<string, readonly string[]>> = {
  dash: ['dash'], bash: ['bash', '--posix'], ksh93: ['ksh93'], mksh: ['mksh'], yash: ['yash', '--posix'], posh: ['posh'],
  zsh: ['zsh', '--emulate', 'sh'], busybox: ['busybox', 'sh'],
}

const pathOf = (name: string): string | undefined =>
  (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name)).find((path) => existsSync(path))

const shellProgram = (t: Test, [name, ...options]: readonly string[]): string => {
  const program = join(tempFolder(t), 'sh')
  writeFileSync(program, `#!/bin/sh\nexec ${pathOf(name!)} ${options.join(' ')} "$@"\n`, { mode: 0o755 })
  return program
}

const refused = async (): Promise<never> => { throw new Error('nothing is run') }

const isLinux = process.platform === 'linux'

/** How a watchdog looks at a process, and what it takes for the start of one. */
const LOOKS: Readonly<Record<string, { launching: Launching; startOf: (pid: number) => string }>> = {
  ...(isLinux ? { Linux: { launching: linuxLaunching, startOf: (pid: number) => identify(pid).start } } : {}),
  macOS: {
    launching: macosLaunching(refused),
    startOf: (pid) => {
      const { stdout } = spawnSync('/bin/ps', ['-o', 'lstart=', '-p', String(pid)], { env: { LC_ALL: 'C', TZ: 'UTC' }, encoding: 'utf8' })
      return String(Date.parse(`${stdout.trim()} UTC`) / 1000)
    },
  },
}

/** Runs a watchdog whose holder has let go, to its end; `files` are in its folder, and `node` is in the place of Node. */
const watched = (t: Test, shell: string, launching: Launching, files: readonly string[], node: string, ps = '/bin/ps'): { ran: string[]; status: number | null } => {
  const root = tempFolder(t)
  const folder = join(root, "with a 'quote' and $(words)")
  mkdirSync(folder)
  for (const name of [`${LAUNCH}.7.5.7.claim`, ...files]) writeFileSync(join(folder, name), '')
  const log = join(root, 'ran')
  const program = join(root, 'node')
  writeFileSync(program, `#!/bin/sh\necho $$ >>'${log}'\n${node}\n`, { mode: 0o755 })
  const order = { folder, lease: LEASE, launchId: LAUNCH, leader: { pid: 7, start: '5' }, pidFile: '/nowhere/s.pid', idle: 0, attempt: 1, again: 0, reaper: '' }
  const { args, env } = launching.watchdog(order)
  const script = env['ONE_SERVER_WATCH']!.replaceAll('/bin/sh', shell).replaceAll('/bin/ps', ps)
  const { status, stderr } = spawnSync(shell, ['-c', script, ...args.slice(3).map((word) => (word === process.execPath ? program : word))], {
    input: '', encoding: 'utf8', env: { ...bareEnv(), ...env },
  })
  t.notMatch(stderr, /syntax|bad substitution|unexpected|parse error/i)
  return { ran: existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [], status }
}

/** A process that is stopped, and one that has ended and is not waited for. */
const still = async (t: Test): Promise<{ stopped: number; zombie: number }> => {
  const stopped = start(t, 'sleep', ['600']).pid!
  process.kill(stopped, 'SIGSTOP')
  const parent = start(t, '/bin/sh', ['-c', 'sleep 600 & echo $!; exec sleep 601'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const zombie = Number(await new Promise((resolve) => { parent.stdout!.once('data', resolve) }))
  // As long as its parent is a shell, that may wait for it.
  await until(() => spawnSync('ps', ['-o', 'args=', '-p', String(parent.pid)], { encoding: 'utf8' }).stdout.startsWith('sleep'), 'the exec')
  process.kill(zombie, 'SIGKILL')
  await until(() => stateOf(zombie) === 'Z' && stateOf(stopped) === 'T', 'a zombie and a stopped process')
  return { stopped, zombie }
}

for (const [name, words] of Object.entries(SHELLS)) {
  const skip = pathOf(words[0]!) === undefined ? `${name} is not installed here` : false

  for (const [system, { launching, startOf }] of Object.entries(LOOKS)) {
    t.test(`${name} as the watchdog of ${system}`, { skip }, async (t) => {
      const shell = shellProgram(t, words)
      const { stopped, zombie } = await still(t)
      const lease = (pid: number, began: string) => `${OTHER}.${LAUNCH}.${pid}.${began}.lease`
      const idle = [lease(stopped, startOf(stopped)), lease(zombie, startOf(zombie)), lease(2 ** 22, '5'), lease(process.pid, '5')]
      t.equal(watched(t, shell, launching, idle, 'exit 0').ran.length, 1, 'stopped, zombie, gone and recycled ones hold nothing')
      t.same(watched(t, shell, launching, [lease(process.pid, startOf(process.pid))], 'exit 0'), { ran: [], status: 0 }, 'a live one does')
      if (system === 'macOS') {
        const parent = start(t, '/bin/sh', ['-c', 'sleep 600 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'ignore'] })
        const holder = Number(await new Promise((resolve) => { parent.stdout!.once('data', resolve) }))
        const ps = join(tempFolder(t), 'ps')
        const ends = `kill -9 ${holder}; while kill -0 ${holder} 2>/dev/null; do :; done; exit 1`
        writeFileSync(ps, `#!/bin/sh\ntest "$6" = ${holder} || exec /bin/ps "$@"\n${ends}\n`, { mode: 0o755 })
        t.equal(watched(t, shell, launching, [lease(holder, startOf(holder))], 'exit 0', ps).ran.length, 1, 'one that ends while it is looked at holds nothing')
      }
      // The first hangs, the second fails.
      const { ran } = watched(t, shell, launching, [], `case $(wc -l <"\${0%node}ran") in 1) exec sleep 600 ;; *2) exit 1 ;; esac`)
      t.equal(ran.length, 3, 'a reaper that hangs is ended, and one that fails is not the last')
      t.notOk(isAlive(Number(ran[0])), 'the one that hung')
    })
  }

  t.test(`${name} as the gate`, { skip }, async (t) => {
    const shell = shellProgram(t, words)
    const gateFile = join(tempFolder(t), `${LAUNCH}.gate`)
    const { args } = macosLaunching(refused).gate({ program: '/bin/sh', args: ['-c', 'test -p /dev/stdin && echo "$0 $1" && exit 7', 'a b', "c'd"], env: {}, gateFile })
    const gate = (input: string) =>
      spawnSync(shell, args.map((word, index) => (index < args.length - 4 ? word.replaceAll('/bin/sh', shell) : word)), {
        input, encoding: 'utf8', env: bareEnv(), stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      })
    const opened = gate('\n')
    t.match(opened.stdout, /^pid \d+\nexit 7\n$/)
    t.equal(opened.output[3], "a b c'd\n", 'the server has its words, and its output is the log')
    t.equal(readFileSync(gateFile, 'utf8'), '\n')
    const closed = gate('')
    t.match(closed.stdout, /^pid \d+\nexit \d+\n$/)
    t.equal(closed.output[3], '', 'a gate that is closed runs nothing')
    t.equal(readFileSync(gateFile, 'utf8'), '\n')
  })

  t.test(`${name} counts the seconds of a date as the library does`, { skip }, async (t) => {
    const shell = shellProgram(t, words)
    const root = tempFolder(t)
    writeFileSync(join(root, 'ps'), '#!/bin/sh\necho "$PS_PRINTS"\n', { mode: 0o755 })
    const order = { folder: '/', lease: '', launchId: '', leader: { pid: 7, start: '5' }, pidFile: '', idle: 0, attempt: 1, again: 1, reaper: '' }
    const script = macosLaunching(refused).watchdog(order).env['ONE_SERVER_WATCH']!
    const look = /^look\(\) \{$.*?^\}$/ms.exec(script)![0].replaceAll('/bin/ps', join(root, 'ps'))
    // Single digits are padded, an octal number has no 8 or 9, and 2028 and 2000 have a leap day.
    const dates = ['Sat Nov  1 09:08:07 2025', 'Tue Feb 29 23:59:59 2028', 'Wed Mar  1 00:00:00 2028', 'Fri Dec 31 00:59:08 2027', 'Sat Jan  1 12:00:09 2028', 'Tue Feb 29 08:00:00 2000']
    for (const date of dates) {
      const { stdout } = spawnSync(shell, ['-c', `${look}\nlook 1 && echo "$stat $start"`], { encoding: 'utf8', env: { ...bareEnv(), PS_PRINTS: `Ss   ${date}    ` } })
      t.equal(stdout, `Ss ${Date.parse(`${date} UTC`) / 1000}\n`, date)
    }
    for (const text of ['', 'ps: no', 'Ss Sam Nov 1 09:08:07 2025 x', 'Ss Sa Mai 1 09:08:07 2025']) {
      t.equal(spawnSync(shell, ['-c', `${look}\nlook 1 && echo no`], { encoding: 'utf8', env: { ...bareEnv(), PS_PRINTS: text } }).stdout, '', text)
    }
  })
}
