/**
 * What starts a server or a watchdog on Windows. It has no `exec`, so the gate is a Node that runs the server as its child and stays.
 * Both programs are one text each, since in the bundle of an extension there is no file to run.
 *
 * The gate also keeps the promise that a stop is polite first. Only a console reaches the processes in it, and the gate knows its
 * server: when the launch is marked as ended, it sends Ctrl+Break to the server's console. Ctrl+C would be ignored, since the gate leads a
 * process group of its own.
 */
import type { Launching } from './platform.js'
import { HELD, inSystem, wholeTree } from './windows-acts.js'
import { FILETIME_PER_MS, heldBy, identities, MS_FROM_1601_TO_1970 } from './windows-identity.js'
import { windowsPrograms } from './windows-programs.js'

/** As `takeIdentity`. `mark`: what else the name of the file says. A function, as the texts below: a bundle drops what is not called. */
const identifyText = (): string => `
const fs = require('node:fs'), path = require('node:path'), { spawn } = require('node:child_process')
const say = (line, then) => process.stdout.write(line + '\\n', then)
process.stdout.on('error', () => {})
const identify = (folder, ...mark) => {
  const { O_CREAT, O_EXCL, O_RDWR } = fs.constants
  const start = (Date.now() + ${MS_FROM_1601_TO_1970}) + String(Math.floor(Math.random() * ${FILETIME_PER_MS})).padStart(4, '0')
  try {
    fs.mkdirSync(folder, { recursive: true })
    fs.openSync(path.join(folder, [process.pid, start, ...mark].join('.')), O_CREAT | O_EXCL | O_RDWR | ${HELD}, 0o600)
  } catch (error) {
    return say('failed ' + error.message, () => process.exit(1))
  }
  say('pid ' + process.pid)
}`

/** A code that no failure has; or 0xC000013A, where Ctrl+Break ended PowerShell as well, since it is in that console at that moment. */
const ASKED = [10, 0xc000_013a]

const askScript = (): string => {
  const api = ['bool FreeConsole()', 'bool AttachConsole(uint pid)', 'bool GenerateConsoleCtrlEvent(uint kind, uint group)']
    .map((method) => `[DllImport("kernel32.dll")] public static extern ${method};`).join(' ')
  return `$ErrorActionPreference = 'Stop'; $console = Add-Type -PassThru -Namespace OneServer -Name Console -MemberDefinition '${api}'; ` +
    '[void]$console::FreeConsole(); if (-not $console::AttachConsole(PID)) { exit 1 }; ' +
    'if (-not $console::GenerateConsoleCtrlEvent(1, 0)) { exit 1 }; exit 10'
}

/**
 * A server's stdin stays open and silent, since many servers exit when it ends. At the end a batch file would ask whether to terminate it,
 * so that question gets its answer.
 */
const gateText = (): string => `${identifyText()}
const [words, program, ...args] = process.argv.slice(1)
const { processes, gateFile, ended, verbatim, hidden, ask, askArgs, kill, killArgs } = JSON.parse(words)
const exit = (code) => say('exit ' + code, () => process.exit(code))
const fail = (error) => {
  fs.writeSync(3, 'one-server: ' + program + ' cannot be run: ' + error.message + '\\n')
  exit(127)
}
const run = (program, args, then, otherwise) => {
  try {
    spawn(program, args, { stdio: 'ignore', windowsHide: true }).on('error', otherwise).on('exit', then)
  } catch {
    otherwise()
  }
}
const end = (child) => {
  const of = (args) => args.map((word) => word.replace('PID', child.pid))
  const force = () => run(kill, of(killArgs), (code) => code !== 0 && child.kill(), () => child.kill())
  run(ask, of(askArgs), (code) => (${JSON.stringify(ASKED)}.includes(code) ? child.stdin.end('Y\\r\\n') : force()), force)
}
const open = () => {
  process.stdin.destroy()
  fs.appendFileSync(gateFile, '\\n')
  const env = { ...process.env, ...hidden }
  for (const name of Object.keys(hidden)) if (hidden[name] === null) delete env[name]
  let child
  try {
    child = spawn(program, args, { stdio: ['pipe', 3, 3], windowsHide: true, windowsVerbatimArguments: verbatim, env })
  } catch (error) {
    return fail(error)
  }
  child.on('error', (error) => { if (child.pid === undefined) fail(error) }).on('exit', (code) => exit(code ?? 1))
  child.stdin?.on('error', () => {})
  let watcher, isAsked = false
  const look = () => {
    if (isAsked || !fs.existsSync(ended)) return
    isAsked = true
    watcher?.close()
    end(child)
  }
  try {
    watcher = fs.watch(path.dirname(ended), look).on('error', () => {})
  } catch {}
  look()
}
identify(processes)
process.stdin.once('data', open)`

/** No timer lasts longer than 30 s, so that no process waits for weeks for a launch that was stopped. */
const LONGEST = 30

/** The characters of one variable: Windows cuts it at 32,767. */
const PART = 30_000

const REAPER = 'ONE_SERVER_REAPER_'

/** Runs the text in the variables. */
const runParts = (): string =>
  `let text = ''; for (let at = 0, part; (part = process.env['${REAPER}' + at]) !== undefined; at++) text += part; eval(text)`

/**
 * As the script in posix.ts, point by point; its order is one word of JSON, in which each thing has its name. Its own files go first, and
 * then it looks for others, so of several watchdogs that end together the last one sees nobody. Another holder or watchdog that lives
 * looks for itself. What is uncertain the reaper judges.
 */
const watchdogText = (): string => `${identifyText()}
const { processes, folder, lease, launchId, pidFile, idle, attempt, again } = JSON.parse(process.argv[1])
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))
const list = (folder) => { try { return fs.readdirSync(folder) } catch { return [] } }
const claimed = () => list(folder).some((name) => name.startsWith(launchId + '.') && name.endsWith('.claim'))
const outwait = async (left) => { for (; claimed() && left > 0; left -= ${LONGEST}) await sleep(Math.min(left, ${LONGEST})) }
const attend = (act) => { try { act() } catch {} }
const own = () => list(folder)
  .filter((name) => name.startsWith(lease) && name.includes('.' + launchId + '.')).map((name) => path.join(folder, name))
const isHeld = (path) => { try { return fs.closeSync(fs.openSync(path, 'r')) } catch (error) { return error.code === 'EBUSY' } }
const lives = (id) => list(processes).some((name) => (name + '.').startsWith(id + '.') && isHeld(path.join(processes, name)))
const isUsed = () => list(folder).some((name) => {
  const [, launch, pid, start, kind] = name.split('.')
  return launch === launchId && (kind === 'lease' || kind === 'watch') && lives(pid + '.' + start)
})
const reap = () => new Promise((resolve) => {
  const options = { stdio: 'ignore', windowsHide: true, timeout: attempt * 1000, killSignal: 'SIGKILL' }
  spawn(process.execPath, ['-e', ${JSON.stringify(runParts())}, pidFile, launchId], options).on('error', resolve).on('exit', resolve)
})
const pipe = new (require('node:net').Socket)({ fd: 3 })
const watch = async () => {
  if (pipe.listenerCount('end') === 0) return
  pipe.removeAllListeners('end')
  for (const file of own()) if (file.endsWith('.watch')) attend(() => fs.utimesSync(file, new Date(), new Date()))
  await (idle > ${LONGEST} ? outwait(idle) : sleep(idle))
  for (const file of own()) attend(() => fs.rmSync(file, { force: true, maxRetries: 8 }))
  const isPinned = () => fs.existsSync(path.join(folder, launchId + '.pin'))
  for (let pause = again; claimed() && !isPinned() && !isUsed(); pause = Math.min(2 * pause, 3600)) {
    if ((await reap()) === 0) break
    await outwait(pause)
  }
  process.exit()
}
identify(processes, launchId)
pipe.once('data', () => process.exit()).on('end', watch).on('error', watch).resume()`

/** What finds and loads programs, and nothing else of the holder's: a runner takes what carries its marks for a process of its job. */
const INHERITED = /^(?:PATH|PATHEXT|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|TEMP|TMP|USERPROFILE|LOCALAPPDATA|APPDATA)$/i

/** Variables that are for the server and would change the gate, which is a Node, too; or for the gate, and would change the server. */
const hiddenFrom = (env: Readonly<Record<string, string | undefined>>) => {
  const gate = { NODE_OPTIONS: undefined, ...(process.versions['electron'] === undefined ? {} : { ELECTRON_RUN_AS_NODE: '1' }) }
  return { gate, hidden: Object.fromEntries(Object.keys(gate).map((name) => [name, env[name] ?? null])) }
}

export const windowsLaunching: Launching = {
  nullDevice: '\\\\.\\NUL',
  leakingDescriptors: () => [],
  startTakes: 10_000,
  hasFuse: false,
  gate: ({ program: file, args: words, env, gateFile }) => {
    const { program, args, verbatim = false } = windowsPrograms.invoke(file, words)
    const { gate, hidden } = hiddenFrom(env)
    const order = {
      processes: identities(), gateFile, ended: gateFile.replace(/gate$/, 'ended'), verbatim, hidden,
      ask: inSystem('WindowsPowerShell', 'v1.0', 'powershell.exe'), askArgs: ['-NoProfile', '-NonInteractive', '-Command', askScript()],
      kill: inSystem('taskkill.exe'), killArgs: wholeTree('PID'),
    }
    return { program: process.execPath, args: ['-e', gateText(), JSON.stringify(order), program, ...args], env: { ...env, ...gate } }
  },
  watchdogs: () => [],
  /** A file can name any process, so the name that the process itself holds must say that it is a watchdog of this launch. */
  isWatchdog: (pid, launchId) => heldBy(pid)?.some((words) => words[1] === launchId) === true,
  watchdog: ({ reaper, ...order }) => ({
    program: process.execPath, args: ['-e', watchdogText(), JSON.stringify({ ...order, processes: identities() })],
    env: {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => INHERITED.test(name))),
      ...Object.fromEntries(Array.from({ length: Math.ceil(reaper.length / PART) }, (_, at) =>
        [`${REAPER}${at}`, reaper.slice(at * PART, (at + 1) * PART)])),
    },
    // The host's folder could not be removed as long as a process works in it.
    cwd: process.env['SystemRoot'] ?? 'C:\\Windows',
  }),
}
