/**
 * Files of the state: whole or not there, for this user alone, and never read through what only looks like
 * a file. What root may do and others may not differs, so a file of another user is one that is given
 * away where that is possible, and one of the system's where it is not.
 */
import { execFileSync, spawn } from 'node:child_process'
import { appendFileSync, chmodSync, chownSync, mkdirSync, openSync, closeSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import * as files from '../../lib/system/files.js'
import { bareEnv, library, run } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'

const isRoot = process.getuid?.() === 0
const mode = (path: string): number => statSync(path).mode & 0o7777

const anothersFile = (t: Test): string => {
  if (!isRoot) return '/etc/passwd'
  const file = join(tempFolder(t), 'x')
  writeFileSync(file, '5\n')
  chownSync(file, 12_345, 12_345)
  return file
}

const anothersFolder = (t: Test): string => {
  if (!isRoot) return '/usr'
  const folder = tempFolder(t)
  chownSync(folder, 12_345, 12_345)
  return folder
}

t.test('a file is read with its mtime', async (t) => {
  const file = join(tempFolder(t), 'x')
  writeFileSync(file, 'ä\n')
  t.same(files.read(file), { kind: 'file', text: 'ä\n', modified: statSync(file).mtimeMs })
  writeFileSync(file, '')
  t.match(files.read(file), { kind: 'file', text: '' })
})

t.test('what is not there is absent', async (t) => {
  const folder = tempFolder(t)
  t.same(files.read(join(folder, 'x')), { kind: 'absent' })
  t.same(files.read(join(folder, 'no', 'x')), { kind: 'absent' })
})

t.test('what is not a plain file of ours is named and not read', async (t) => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'file'), 'secret')
  symlinkSync('file', join(folder, 'link'))
  symlinkSync('nowhere', join(folder, 'dangling'))
  mkdirSync(join(folder, 'folder'))
  execFileSync('mkfifo', [join(folder, 'fifo')])
  const server = createServer().listen(join(folder, 'socket'))
  await once(server, 'listening')
  t.teardown(() => server.close())
  t.same(files.read(join(folder, 'link')), { kind: 'foreign', what: 'is a symbolic link' })
  t.same(files.read(join(folder, 'dangling')), { kind: 'foreign', what: 'is a symbolic link' })
  t.same(files.read(join(folder, 'folder')), { kind: 'foreign', what: 'is a folder' })
  t.same(files.read(join(folder, 'fifo')), { kind: 'foreign', what: 'is a FIFO' }, 'and a FIFO does not block')
  t.same(files.read(join(folder, 'socket')), { kind: 'foreign', what: 'is a socket' })
  t.match(files.read('/dev/null'), { kind: 'foreign', what: 'is a device' })
  t.match(files.read(anothersFile(t)), { kind: 'foreign', what: `belongs to another user (uid ${isRoot ? 12_345 : 0})` })
})

t.test('a file that is far too large is not read', async (t) => {
  const file = join(tempFolder(t), 'x')
  writeFileSync(file, '')
  truncateSync(file, 2 ** 20 + 1)
  t.same(files.read(file), { kind: 'foreign', what: 'is 1048577 bytes long' })
  truncateSync(file, 2 ** 20)
  t.match(files.read(file), { kind: 'file' })
})

t.test('what cannot be reached is named with the reason', async (t) => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'file'), '')
  const below = join(folder, 'file', 'x')
  for (const act of [() => files.read(below), () => files.inspect(below), () => files.realpath(below), () => files.makeFolder(below)]) {
    t.throws(act, { code: 'STATE_UNUSABLE', message: new RegExp(`^${below}: .*\\(ENOTDIR\\)$`), hint: /choose another/ })
  }
})

t.test('without the right to, each step names the file and says so', async (t) => {
  // Root may do everything, so this runs as another user where it can.
  const folder = tempFolder(t)
  mkdirSync(join(folder, 'shut'))
  chmodSync(join(folder, 'shut'), 0)
  mkdirSync(join(folder, 'fixed'))
  writeFileSync(join(folder, 'fixed', 'x'), '')
  chmodSync(join(folder, 'fixed'), 0o555)
  chmodSync(folder, 0o755)
  t.teardown(() => { for (const name of ['shut', 'fixed']) chmodSync(join(folder, name), 0o700) })
  const text = `
    const [, folder, url] = process.argv
    const files = await import(url)
    if (process.getuid() === 0) process.setuid(12345)
    const [shut, fixed] = [folder + '/shut', folder + '/fixed']
    const told = (act) => { try { return JSON.stringify(act()) } catch (error) { return error.code + ' ' + error.message } }
    console.log([
      () => files.read(shut + '/x'), () => files.list(shut), () => files.create(fixed + '/y', '', fixed + '/t'), () => files.replace(fixed + '/x', '', fixed + '/t'),
      () => files.rename(fixed + '/x', fixed + '/y'), () => files.remove(fixed + '/x'), () => files.makeFolder(fixed + '/f'),
    ].map(told).join('\\n'))`
  const { stdout, stderr } = await run(t, process.execPath, ['--input-type=module', '--eval', text, folder, library('system/files.js')])
  t.equal(stderr, '')
  const denied = 'permission denied (EACCES)'
  t.same(stdout.trim().split('\n'), [
    '{"kind":"foreign","what":"may not be read (EACCES)"}',
    `STATE_UNUSABLE ${folder}/shut: cannot be listed: ${denied}`,
    `STATE_UNUSABLE ${folder}/fixed/y: cannot be written: ${denied}`,
    `STATE_UNUSABLE ${folder}/fixed/x: cannot be written: ${denied}`,
    `STATE_UNUSABLE ${folder}/fixed/x: cannot be renamed to y: ${denied}`,
    `STATE_UNUSABLE ${folder}/fixed/x: cannot be removed: ${denied}`,
    `STATE_UNUSABLE ${folder}/fixed/f: cannot be made: ${denied}`,
  ])
})

t.test('a folder into which others could write is refused', async (t) => {
  const folder = tempFolder(t)
  t.doesNotThrow(() => files.inspect(folder))
  t.doesNotThrow(() => files.inspect(join(folder, 'missing')), 'none is as good as an empty one')
  for (const open of [0o777, 0o770, 0o702, 0o1777]) {
    chmodSync(folder, open)
    t.throws(() => files.inspect(folder), { code: 'STATE_UNUSABLE', message: `${folder}: may be written to by other users` }, open.toString(8))
  }
  chmodSync(folder, 0o755)
  t.doesNotThrow(() => files.inspect(folder), 'reading it is harmless')
  symlinkSync(folder, join(folder, 'link'))
  t.throws(() => files.inspect(join(folder, 'link')), { message: /is a symbolic link, where the state folder should be/ })
  writeFileSync(join(folder, 'file'), '')
  t.throws(() => files.inspect(join(folder, 'file')), { message: /where the state folder should be/ })
  const anothers = anothersFolder(t)
  t.throws(() => files.inspect(anothers), { code: 'STATE_UNUSABLE', message: /belongs to another user \(uid (12345|0)\)$/ })
})

t.test('a file is created as a whole and once, for this user alone', async (t) => {
  const folder = tempFolder(t)
  const [file, temp] = [join(folder, 'x'), join(folder, 't')]
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  t.equal(files.create(file, 'first', temp), true)
  t.equal(mode(file), 0o600, 'with an open umask')
  process.umask(0o777)
  t.equal(files.create(file, 'second', temp), false)
  t.equal(files.create(join(folder, 'y'), 'ä'.repeat(50_000), temp), true)
  t.equal(mode(join(folder, 'y')), 0o600, 'with a closed one')
  process.umask(umask)
  t.equal(readFileSync(file, 'utf8'), 'first', 'the first one stands')
  t.equal(readFileSync(join(folder, 'y'), 'utf8'), 'ä'.repeat(50_000))
  t.same(readdirSync(folder).toSorted(), ['x', 'y'], 'no temporary file is left')
})

t.test('a file is replaced as a whole: a process that has it open reads on in the old one', async (t) => {
  const folder = tempFolder(t)
  const [file, temp] = [join(folder, 'x'), join(folder, 't')]
  writeFileSync(file, 'old', { mode: 0o644 })
  const open = openSync(file, 'r')
  t.teardown(() => closeSync(open))
  files.replace(file, 'new', temp)
  t.equal(readFileSync(open, 'utf8'), 'old')
  t.equal(readFileSync(file, 'utf8'), 'new')
  t.equal(mode(file), 0o600)
  symlinkSync('x', join(folder, 'link'))
  files.replace(join(folder, 'link'), 'own', temp)
  t.equal(readFileSync(file, 'utf8'), 'new', 'a symbolic link is replaced, not followed')
  mkdirSync(join(folder, 'f'))
  t.throws(() => files.replace(join(folder, 'f'), 'new', temp), { code: 'STATE_UNUSABLE' })
  t.notOk(readdirSync(folder).includes('t'), 'no temporary file is left')
})

t.test('renaming and removing tell whether there was something', async (t) => {
  const folder = tempFolder(t)
  const [x, y] = [join(folder, 'x'), join(folder, 'y')]
  writeFileSync(x, '')
  t.equal(files.rename(x, y), true)
  t.equal(files.rename(x, y), false)
  t.same(readdirSync(folder), ['y'])
  t.equal(files.remove(y), true)
  t.equal(files.remove(y), false)
  t.equal(files.remove(join(y, 'below')), false)
  writeFileSync(y, '')
  t.equal(files.remove(join(y, 'below')), false, 'below a file there is nothing either')
})

t.test('a folder is made with what is missing above it, for this user alone', async (t) => {
  const folder = tempFolder(t)
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  files.makeFolder(join(folder, 'a', 'b'))
  process.umask(0o277)
  files.makeFolder(join(folder, 'c'))
  process.umask(umask)
  for (const name of ['a', 'a/b', 'c']) t.equal(mode(join(folder, name)), 0o700, name)
  chmodSync(join(folder, 'a'), 0o755)
  files.makeFolder(join(folder, 'a'))
  t.equal(mode(join(folder, 'a')), 0o755, 'one that is there keeps its mode')
})

t.test('a folder is removed only when it is empty', async (t) => {
  const folder = tempFolder(t)
  const inner = join(folder, 'f')
  mkdirSync(inner)
  writeFileSync(join(inner, 'x'), '')
  files.removeFolder(inner)
  t.same(readdirSync(inner), ['x'])
  files.remove(join(inner, 'x'))
  files.removeFolder(inner)
  files.removeFolder(inner)
  t.same(readdirSync(folder), [])
})

t.test('a folder that is not there has no names in it', async (t) => {
  const folder = tempFolder(t)
  t.same(files.list(join(folder, 'f')), [])
  writeFileSync(join(folder, 'x'), '')
  t.same(files.list(folder), ['x'])
  t.throws(() => files.list(join(folder, 'x')), { code: 'STATE_UNUSABLE' })
})

t.test('what a command could name is a file, a folder, executable, or absent', async (t) => {
  const folder = tempFolder(t)
  const at = (name: string) => files.kindAt(join(folder, name))
  writeFileSync(join(folder, 'plain'), '', { mode: 0o644 })
  writeFileSync(join(folder, 'program'), '', { mode: 0o755 })
  symlinkSync('program', join(folder, 'link'))
  symlinkSync('missing', join(folder, 'dangling'))
  execFileSync('mkfifo', [join(folder, 'fifo')])
  t.equal(at('plain'), 'file')
  t.equal(at('program'), 'executable')
  t.equal(at('link'), 'executable', 'programs often are links')
  t.equal(at('.'), 'folder')
  for (const name of ['missing', 'dangling', 'fifo', 'plain/below']) t.equal(at(name), 'absent', name)
})

t.test('a log is a plain file or not there yet', async (t) => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'log'), '')
  t.doesNotThrow(() => files.inspectLog(join(folder, 'log')))
  t.doesNotThrow(() => files.inspectLog(join(folder, 'missing')))
  t.doesNotThrow(() => files.inspectLog(join(folder, 'no', 'log')))
  symlinkSync('log', join(folder, 'link'))
  t.throws(() => files.inspectLog(join(folder, 'link')), { code: 'STATE_UNUSABLE', message: `${folder}/link: is a symbolic link, where the log should be` })
  t.throws(() => files.inspectLog(folder), { code: 'STATE_UNUSABLE', message: /is a folder/ })
  t.throws(() => files.inspectLog('/dev/null'), { code: 'STATE_UNUSABLE', message: /is a device/ })
})

t.test('what does not exist has no real path', async (t) => {
  const folder = tempFolder(t)
  symlinkSync(folder, join(folder, 'link'))
  t.equal(files.realpath(join(folder, 'link')), folder)
  t.equal(files.realpath(join(folder, 'missing')), undefined)
})

t.test('the end of a log is its last lines, however long it is', async (t) => {
  const file = join(tempFolder(t), 'log')
  t.equal(files.tail(file, 3), '', 'no log has no end')
  writeFileSync(file, 'one\ntwo\nthree\nfour\n')
  t.equal(files.tail(file, 3), 'two\nthree\nfour')
  t.equal(files.tail(file, 20), 'one\ntwo\nthree\nfour')
  writeFileSync(file, 'without its newline')
  t.equal(files.tail(file, 3), 'without its newline')
  writeFileSync(file, '')
  t.equal(files.tail(file, 3), '')
  writeFileSync(file, 'x'.repeat(300_000))
  appendFileSync(file, '\nlast but one\nlast\n')
  t.equal(files.tail(file, 2), 'last but one\nlast')
  execFileSync('mkfifo', [`${file}.fifo`])
  t.equal(files.tail(`${file}.fifo`, 2), '', 'and a FIFO does not block')
  t.equal(files.tail('/', 2), '')
})

t.test('a watched folder calls back on each kind of change, until it is closed', async (t) => {
  const folder = tempFolder(t)
  let changes = 0
  const close = files.watch(folder, () => { changes++ })
  t.ok(close)
  for (const change of [() => writeFileSync(join(folder, 'x'), ''), () => files.rename(join(folder, 'x'), join(folder, 'y')), () => files.remove(join(folder, 'y'))]) {
    const before = changes
    change()
    await until(() => changes > before, 'a change to be noticed')
  }
  close?.()
  t.equal(files.watch(join(folder, 'missing'), () => {}), undefined, 'what cannot be watched says so')
})

t.test('a watched folder that goes away throws nowhere, and a watcher holds no process', async (t) => {
  const folder = join(tempFolder(t), 'f')
  mkdirSync(folder)
  const text = `
    import { rmdirSync } from 'node:fs'
    const [, folder, url] = process.argv
    const { watch } = await import(url)
    watch(folder, () => {})
    watch(folder + '/..', () => {})
    rmdirSync(folder)
    setTimeout(() => console.log('alive'), 20)`
  t.match(await run(t, process.execPath, ['--input-type=module', '--eval', text, folder, library('system/files.js')]), { code: 0, stdout: 'alive\n', stderr: '' })
})

t.test('a folder is made although others keep removing the one above it', async (t) => {
  const above = join(tempFolder(t), 'above')
  const remover = spawn(process.execPath, ['--eval', `
    const { rmdirSync } = require('node:fs')
    console.log('removes')
    for (;;) try { rmdirSync(process.argv[1] + '/host'); rmdirSync(process.argv[1]) } catch {}`, above], { stdio: ['ignore', 'pipe', 'inherit'], env: bareEnv() })
  t.teardown(async () => {
    remover.kill('SIGKILL')
    await once(remover, 'exit')
  })
  await once(remover.stdout, 'data')
  for (let time = 0; time < 2000; time++) files.makeFolder(join(above, 'host'))
  t.pass('2,000 times')
})
