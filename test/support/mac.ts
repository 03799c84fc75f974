/**
 * A Mac on Linux, for whole client processes: a preload (`fixtures/as-darwin.mjs`) and stand-ins for the two programs of Apple that
 * one-server asks. The stand-ins take what those take and refuse what those refuse, so a call that only works on Linux fails here.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type Place } from './clients.js'
import { tempFolder } from './temp-folder.js'

/** ps(1) over that of procps, which shows environments by a bare `e`. `-o a=,b=` is one column with an odd header everywhere but at Apple's. */
const psOf = (system: string): string => `#!/bin/sh
refuse() { echo "ps: illegal option -- $1" >&2; exit 1; }
test "$COMMAND_MODE" = legacy && refuse o
for word; do
  shift
  case ${system}$word in
    darwin-E|*bsd-e) set -- "$@" e ;;
    darwin-e) set -- "$@" -A ;;
    *bsd-E) refuse E ;;
    *=,*) refuse , ;;
    *bsd[0-9]*,*) refuse , ;;
    *--*) refuse - ;;
    *) set -- "$@" "$word" ;;
  esac
done
exec ps "$@"
`

const SYSCTL = `#!/bin/sh
test "$*" = '-n kern.bootsessionuuid' && echo 6E2F1C7A-9B3D-4E5F-8A01-23456789ABCD
`

const COLUMNS = ['-A', '-o', 'pid=', '-o', 'pgid=', '-o', 'stat=', '-o', 'lstart=']

/** Why a Mac cannot be played here. */
export const noMac: { skip?: string } =
  process.platform !== 'linux' ? { skip: 'the stand-ins are for Linux' }
  : spawnSync('ps', COLUMNS).status !== 0 ? { skip: 'the ps of this system does not know these columns' } : {}

/** A program that a process on the Mac has run. */
export interface Asked {
  readonly pid: number
  /** Whether the event loop stood still meanwhile. */
  readonly isSync: boolean
  readonly words: string
}

export interface Mac extends Place {
  /** Puts another program in the place of Apple's. */
  standIn(name: 'ps' | 'sysctl', text: string, mode?: number): void
  /** What was asked since the last time, by these processes. */
  asked(...pids: number[]): Asked[]
}

/** The place as a client on a Mac has it. What its server is asked about in this process is asked on Linux. */
export const onMac = (t: Test, at: Place, system: 'darwin' | 'freebsd' = 'darwin'): Mac => {
  const folder = tempFolder(t)
  const log = join(folder, 'asked')
  const standIn: Mac['standIn'] = (name, text, mode = 0o755) => {
    rmSync(join(folder, name), { force: true })
    writeFileSync(join(folder, name), text, { mode })
  }
  standIn('ps', psOf(system))
  standIn('sysctl', SYSCTL)
  const preload = new URL('../../../fixtures/as-darwin.mjs', import.meta.url)
  let read = 0
  return {
    ...at,
    env: { ...at.env, NODE_OPTIONS: `--import ${preload.href}`, STAND_INS: folder, STAND_IN_SYSTEM: system, ASKED: log },
    standIn,
    asked: (...pids) => {
      const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : []
      const fresh = lines.slice(read).map((line) => {
        const [, pid, how, words] = /^(\d+) (\w+) (.*)$/.exec(line)!
        return { pid: Number(pid), isSync: how === 'sync', words: words! }
      })
      read = lines.length
      return pids.length === 0 ? fresh : fresh.filter(({ pid }) => pids.includes(pid))
    },
  }
}

export const cli = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))
