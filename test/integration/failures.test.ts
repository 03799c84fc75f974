/**
 * Everything that can go wrong with a launch: what the caller is told, that nothing of it is left, and
 * that the next call, with the fault removed, works. A message is read here as its reader reads it.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ClientProcessManagerOptions, OneServerErrorCode, OneServerErrorData } from '../../lib/index.js'
import { client, failureOf, fixture, isAlive, place, quietPort, resultOf, stranger, type Place } from '../support/clients.js'

interface Fault {
  readonly server?: string
  readonly options?: ClientProcessManagerOptions
  readonly code: OneServerErrorCode
  readonly message: string | RegExp
  readonly hint: RegExp
  readonly data?: OneServerErrorData
  /** Removes the fault. */
  readonly repair?: () => unknown
  /** With what the next call is made, if the fault lay in the options; the healthy server otherwise. */
  readonly after?: ClientProcessManagerOptions
  /** How often the server may have begun. */
  readonly starts: number
}

/** Outcomes are kept for those who still wait; whatever else is there was left over. */
const leftOver = (here: Place): string[] => here.left().filter((name) => !name.endsWith('.outcome') && !statSync(join(here.folder, name)).isDirectory())

const works = async (t: Test, here: Place, options: ClientProcessManagerOptions): Promise<void> => {
  const before = leftOver(here)
  const next = here.manager('healthy', options)
  const server = await next.ensureServerRunning()
  t.equal(server.started, true, 'the next call starts a server')
  t.equal((await fetch(`${server.url}/api/health`)).status, 200, 'and it is healthy')
  t.equal(await next.stopServer(), true)
  t.same([leftOver(here), here.alive()], [before, []], 'which stops without leaving anything')
}

const failure = (name: string, prepare: (t: Test, here: Place) => Fault | Promise<Fault>): void => {
  t.test(name, async (t) => {
    const here = place(t)
    const fault = await prepare(t, here)
    const before = leftOver(here)
    // A port that nobody else is given: with 'auto', a stranger on the port afterwards would be a reason to choose again.
    const options = { port: await quietPort(), ...fault.options }
    const error = await failureOf(here.manager(fault.server ?? 'healthy', options).ensureServerRunning())
    t.equal(error.code, fault.code, error.message)
    if (typeof fault.message === 'string') t.equal(error.message, fault.message)
    else t.match(error.message, fault.message)
    t.match(error.hint, fault.hint)
    t.match(error, fault.data ?? {})
    t.equal(here.starts().length, fault.starts, 'how often the server was begun')
    t.same(here.alive(), [], 'no process is left')
    t.same(leftOver(here), before, 'no lock, no claim, no PID file that lies')
    await fault.repair?.()
    await works(t, here, fault.after ?? {})
  })
}

failure('a server that dies at once: its exit code and what it said', (_, here) => ({
  server: 'dies-at-once', code: 'SERVER_EXITED', starts: 1,
  message: `Server exited with code 7 before its health check answered.\nThe last lines of its log (${here.logFile}):\n  | boom: cannot start`,
  hint: /^Find the reason in its log, .*Nothing of the server was left running\.$/,
  data: { exitCode: 7, logTail: 'boom: cannot start', logFile: here.logFile, pid: Number as unknown as number },
}))

failure('a server that dies late: its exit code and what it said', (_, here) => ({
  server: 'dies-after-100ms', code: 'SERVER_EXITED', starts: 1,
  message: `Server exited with code 9 before its health check answered.\nThe last lines of its log (${here.logFile}):\n  | boom: gave up while booting`,
  hint: /^Find the reason in its log/, data: { exitCode: 9, logFile: here.logFile },
}))

failure('a server that is killed while it boots: the signal, and that nothing is in its log', (_, here) => ({
  server: 'killed-while-booting', code: 'SERVER_EXITED', starts: 1,
  message: `Server was ended by SIGKILL before its health check answered.\nIts log has no lines: ${here.logFile}`,
  hint: /^Run its command by hand to see why it ends/, data: { signal: 'SIGKILL', logFile: here.logFile },
}))

failure('a server that goes into the background and never serves: it has its whole time, and is ended', () => ({
  server: 'leader-dies-child-serves', options: { env: { LEADER_EXIT_MS: '1', BOOT_MS: '30000' }, startupTimeout: 900 }, code: 'START_TIMEOUT', starts: 1,
  message: /^Server failed to start within 900 ms: waiting for the health check of /, hint: /^If it needs longer/,
}))

failure('a server that prints a lot and dies: its last 20 lines are quoted, stdout and stderr in their order', (_, here) => ({
  server: 'logs-lots', code: 'SERVER_EXITED', starts: 1,
  message: [
    'Server exited with code 3 before its health check answered.', `The last lines of its log (${here.logFile}):`,
    ...Array.from({ length: 20 }, (_, index) => `  | line ${index + 31} of 50`),
  ].join('\n'),
  hint: /^Find the reason in its log/, data: { exitCode: 3, logTail: Array.from({ length: 20 }, (_, index) => `line ${index + 31} of 50`).join('\n') },
}))

for (const [server, doing, said] of [
  ['never-listens', 'the connection was refused', '\\nIts log has no lines: '],
  ['never-answers', 'it did not answer within 500 ms', '\\nThe last lines of its log \\(.*\\):\\n  \\| listening on '],
  ['answers-404', 'it answered 404', '\\nThe last lines of its log \\(.*\\):\\n  \\| listening on '],
] as const) {
  failure(`a server that never gets healthy (${server}): what was waited for, and what its check said last`, () => ({
    server, options: { startupTimeout: 900 }, code: 'START_TIMEOUT', starts: 1,
    message: new RegExp(`^Server failed to start within 900 ms: waiting for the health check of http://127\\.0\\.0\\.1:\\d+/api/health: ${doing}\\.${said}`),
    hint: /^If it needs longer, raise startupTimeout \(--timeout\)\. .*(?:check port, host and |at another path, name that: )healthPath/,
    data: { pid: Number as unknown as number, port: Number as unknown as number, logFile: /s\.log$/ as unknown as string },
  }))
}

failure('a command that does not exist is named', () => ({
  options: { command: ['no-such-program-anywhere', '--port', '{port}'] }, code: 'COMMAND_NOT_FOUND', starts: 0,
  message: "The server's program was not found: no-such-program-anywhere", hint: /^Check the spelling, that it is installed, and the PATH .* No shell is run/,
}))

failure('a command that may not be executed is named', (_, here) => {
  const program = join(here.folder, 'serve.sh')
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${fixture('healthy')}"\n`, { mode: 0o644 })
  return {
    options: { command: [program] }, code: 'COMMAND_NOT_FOUND', starts: 0,
    message: `The server's program may not be executed: ${program}`, hint: /^Make it executable \(chmod \+x\)/,
    repair: () => chmodSync(program, 0o755), after: { command: [program] },
  }
})

failure('a working directory that does not exist is named', (_, here) => {
  const cwd = join(here.folder, 'nowhere')
  return {
    options: { cwd }, code: 'COMMAND_NOT_FOUND', starts: 0, message: `The working directory of the server does not exist: ${cwd}`, hint: /^Correct cwd \(--cwd\)\.$/,
    repair: () => mkdirSync(cwd), after: { cwd },
  }
})

failure('a script that does not exist is named, and what was tried for it', (_, here) => {
  const serverScript = join(here.folder, 'server.js')
  return {
    server: serverScript, code: 'COMMAND_NOT_FOUND', starts: 0,
    message: `The server script does not exist: ${serverScript} (nor ${join(here.folder, 'server.ts')})`, hint: /^Correct serverScript \(--script\), or build it first\.$/,
    repair: () => writeFileSync(serverScript, `import(${JSON.stringify(fixture('healthy'))})`), after: { serverScript },
  }
})

failure('a script in TypeScript where tsx is not installed', (_, here) => {
  const serverScript = join(here.folder, 'server.ts')
  writeFileSync(serverScript, 'const port: number = 1')
  return {
    server: serverScript, code: 'COMMAND_NOT_FOUND', starts: 0,
    message: `The server script ${serverScript} is TypeScript, and tsx is not installed where it lies.`, hint: /^Install it there \(npm install --save-dev tsx\)/,
  }
})

failure('a folder in the place of the log is refused, and left as it is', (t, here) => {
  const logFile = join(here.folder, 'logs')
  mkdirSync(logFile)
  return {
    options: { logFile }, code: 'STATE_UNUSABLE', starts: 0, message: new RegExp(`^${logFile}: .*folder`), hint: /logFile \(--log-file\)/,
    repair: () => {
      t.ok(statSync(logFile).isDirectory(), 'it was not moved away')
      t.notOk(existsSync(`${logFile}.prev`))
    },
  }
})

failure('a log below a file is refused by its path', (_, here) => {
  const logFile = join(here.folder, 'notes.log', 's.log')
  writeFileSync(join(here.folder, 'notes.log'), 'mine')
  return {
    options: { logFile }, code: 'STATE_UNUSABLE', starts: 0, message: /notes\.log.*: a part of the path is not a folder \(ENOTDIR\)$/, hint: /folder/,
    repair: () => rmSync(join(here.folder, 'notes.log')), after: { logFile },
  }
})

failure('garbage in the PID file is somebody\'s file: it is named and not touched', (t, here) => {
  writeFileSync(here.pidFile, 'listen: 3000\n')
  return {
    code: 'STATE_UNUSABLE', starts: 0, message: `${here.pidFile}: is there and is not a PID file`, hint: /^Nothing in it was touched\. Move it away/,
    repair: () => {
      t.equal(readFileSync(here.pidFile, 'utf8'), 'listen: 3000\n')
      rmSync(here.pidFile)
    },
  }
})

failure('a port that a stranger has: at once, with the PID and the reason', async (t) => {
  const port = await quietPort()
  const pid = await stranger(t, 'plain-http-server', port)
  return {
    options: { port }, code: 'PORT_IN_USE', starts: 0, data: { port, pid },
    message: `Port ${port} is in use by PID ${pid} and does not pass the health check: it answered 404.`, hint: /^Stop what listens on port \d+, or choose another port: port: 'auto'/,
    repair: () => t.ok(isAlive(pid), 'the stranger lives'),
  }
})

failure('a list of ports that strangers have', async (t) => {
  const ports = [await quietPort(), await quietPort()]
  for (const port of ports) await stranger(t, 'plain-http-server', port)
  const free = await quietPort()
  return {
    options: { port: ports }, code: 'PORT_IN_USE', starts: 0, data: { port: ports[0]! },
    message: `None of the ports ${ports.join(', ')} is free.`, hint: /^Stop what listens on one of them, or let a free one be chosen/,
    after: { port: [...ports, free] },
  }
})

/** As root, permissions do not bite, so the client is somebody else; as anybody else, the mode does it. */
const other = process.getuid?.() === 0 ? { uid: 65_534 } : {}

/** A folder in which the client may write nothing, until it is handed over. */
const closed = (path: string) => {
  mkdirSync(path)
  chmodSync(path, 'uid' in other ? 0o755 : 0o555)
  return { open: () => chmodSync(path, 'uid' in other ? 0o777 : 0o755) }
}

t.test('a state folder that may not be written is named, and works once it may', async (t) => {
  const here = place(t)
  chmodSync(here.folder, 0o777)
  const folder = join(here.folder, 'closed')
  const gate = closed(folder)
  const options = here.options('healthy', { pidFile: join(folder, 's.pid') })
  const { error, stderr } = await client(t, here, options, other).ended
  t.match(error, { code: 'STATE_UNUSABLE', hint: /^Make the folder usable for this user, or choose another one \(pidFile, --pid-file, ONE_SERVER_STATE_DIR\)/ }, stderr)
  t.equal(error?.message, `${folder}/s.pid.d: cannot be made: permission denied (EACCES)`)
  t.same([here.starts(), here.alive(), leftOver(here)], [[], [], []], 'nothing was begun and nothing is left')
  gate.open()
  t.equal(resultOf(await client(t, here, options, other).ended).status, 200)
  t.equal((await client(t, here, options, { ...other, method: 'stopServer' }).ended).result?.info, true)
  t.same([here.alive(), leftOver(here)], [[], []])
})

t.test('a log folder that may not be written is named, and works once it may', async (t) => {
  const here = place(t)
  chmodSync(here.folder, 0o777)
  const folder = join(here.folder, 'closed')
  const gate = closed(folder)
  const options = here.options('healthy', { logFile: join(folder, 'x.log') })
  const { error, stderr } = await client(t, here, options, other).ended
  t.match(error, { code: 'STATE_UNUSABLE', hint: /^Make its folder writable for this user, or choose another logFile \(--log-file\)\.$/ }, stderr)
  t.match(error?.message, /x\.log.*: the log of the server cannot be written: permission denied \(EACCES\)$/)
  t.same([here.starts(), here.alive(), leftOver(here)], [[], [], []], 'nothing was begun and nothing is left')
  gate.open()
  t.equal(resultOf(await client(t, here, options, other).ended).status, 200)
  t.equal((await client(t, here, options, { ...other, method: 'stopServer' }).ended).result?.info, true)
  t.same([here.alive(), leftOver(here)], [[], []])
})

t.test('another user\'s PID file is not judged', { skip: 'uid' in other ? false : 'only root can make a file of another user' }, async (t) => {
  const here = place(t)
  writeFileSync(here.pidFile, '1\n')
  chmodSync(here.folder, 0o777)
  const { error } = await client(t, here, here.options('healthy'), other).ended
  t.match(error, { code: 'STATE_UNUSABLE', message: `${here.pidFile}: belongs to another user (uid 0)` })
  t.equal(readFileSync(here.pidFile, 'utf8'), '1\n')
})

t.test('what could be written and never read again is refused before it is started', async (t) => {
  const here = place(t)
  const command = [process.execPath, here.options('healthy').serverScript!, ...Array.from({ length: 11 }, () => 'x'.repeat(100_000))]
  const most = here.manager('', { command })
  t.match(await failureOf(most.ensureServerRunning()), { code: 'INVALID_OPTION', message: /^command, env and healthHeaders together must be at most \d+ bytes long, got \d+$/ })
  t.same([here.starts(), here.alive()], [[], []])
  // One argument less, and every client finds it and stops it.
  const fits = here.manager('', { command: command.slice(0, -2) })
  const { pid } = await fits.ensureServerRunning()
  t.match(await fits.status(), { state: 'ready', pid })
  t.equal(await fits.stopServer(), true)
  here.nothingLeft(t)
})
