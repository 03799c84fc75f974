/**
 * Windows. It has no `exec`, so the gate is a Node that runs the server as its child and stays; it has no process groups,
 * so a launch is the tree of processes below the gate; and it has no signals but the end. The start time of a process is its creation
 * date, which PowerShell prints. Not tested on a real one: the tests run this file over stand-ins.
 */
import type { Launching, Platform, ProcessLook, Programs, Run, Surroundings } from './platform.js'
import { exists } from './signal.js'

/** FILETIME counts 100 ns since 1601. */
const FILETIME_PER_MS = 10_000
const MS_FROM_1601_TO_1970 = 11_644_473_600_000

export const windows = (run: Run): Platform => {
  const look = (pid: number): ProcessLook => {
    if (!exists(pid)) return { state: 'gone' }
    const query = `(Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}').CreationDate.ToFileTimeUtc()`
    try {
      const start = run('powershell.exe', ['-NoProfile', '-NonInteractive', '-Command', query]).trim()
      if (/^\d+$/.test(start)) return { state: 'running', start, isThread: false }
    } catch {
      // Not readable: hidden, unless it has just ended.
    }
    return { state: exists(pid) ? 'hidden' : 'gone' }
  }
  return {
    look,
    kin: ({ pid, start }) => {
      const seen = look(pid)
      return seen.state === 'running' && seen.start === start ? [{ pid, start, inGroup: true, carriesLaunchId: true }] : []
    },
    groupOf: (pid) => pid,
    startedAt: (start) => Number(start) / FILETIME_PER_MS - MS_FROM_1601_TO_1970,
    signalGroup: (group) => {
      try {
        run('taskkill', ['/pid', String(group), '/T', '/F'])
        return true
      } catch {
        return false
      }
    },
    /** The time of the boot in minutes: as Windows reports it, it drifts by seconds. */
    host: () => Math.round((Date.now() / 1000 - process.getBuiltinModule('node:os').uptime()) / 60).toString(36),
    stateFolder: (env) => env['LOCALAPPDATA'],
  }
}

const GATE = `
const [gateFile, program, ...args] = process.argv.slice(1)
console.log('pid ' + process.pid)
process.stdin.once('data', () => {
  process.stdin.destroy()
  require('node:fs').appendFileSync(gateFile, '\\n')
  const child = require('node:child_process').spawn(program, args, { stdio: ['ignore', 3, 3], windowsHide: true })
  child.on('exit', (code) => { console.log('exit ' + (code ?? 1)); process.exit(code ?? 1) })
  child.on('error', () => process.exit(127))
})`

/** Its order comes as one word of JSON, in which each thing has its name. */
const WATCHDOG = `
const { folder, lease, launchId, pidFile, idle } = JSON.parse(process.argv[1])
console.log('pid ' + process.pid)
const reap = () => {
  const fs = require('node:fs')
  const own = fs.readdirSync(folder).filter((name) => name.startsWith(lease + '.' + launchId + '.'))
  for (const name of own) fs.rmSync(folder + '/' + name, { force: true })
  process.argv = [process.argv[0], pidFile, launchId]
  eval(process.env.ONE_SERVER_REAPER)
}
const pipe = new (require('node:net').Socket)({ fd: 3 })
pipe.once('data', () => process.exit()).once('end', () => setTimeout(reap, idle * 1000))`

export const windowsLaunching: Launching = {
  nullDevice: '\\\\.\\NUL',
  leakingDescriptors: () => [],
  gate: ({ program, args, env, gateFile }) => ({ program: process.execPath, args: ['-e', GATE, gateFile, program, ...args], env }),
  isWatchdog: () => false,
  watchdogs: () => [],
  watchdog: ({ reaper, ...order }) => ({
    program: process.execPath, args: ['-e', WATCHDOG, JSON.stringify(order)],
    env: { ...process.env, ONE_SERVER_REAPER: reaper }, cwd: order.folder,
  }),
}

export const windowsPrograms: Programs = {
  /** Windows calls it `Path`, and in a copy of the environment case counts. */
  pathIn: (env) => Object.entries(env).find(([name]) => name.toUpperCase() === 'PATH')?.[1],
  extensions: ['', '.exe', '.com'],
  onlyInPath: false,
}

export const windowsSurroundings: Surroundings = {
  isTested: false,
  launches: () => [],
  /** A console signals all its processes, and a signal that Node sends there ends a process without asking it. */
  isInForeground: () => true,
  box: () => undefined,
}
