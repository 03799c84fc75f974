/**
 * Whoever the *user* is that something in the place of our state belongs to, or who may read it: what is
 * another user's, and what has no mode, is named and not touched. As root the clients here are somebody
 * else, since a mode means nothing to root; as anybody else, modes are all that can be made.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { pathsOf, type Paths } from '../../lib/paths.js'
import { library, runModule } from '../support/child.js'
import { failureOf, place } from '../support/clients.js'
import { hostName, self } from '../support/processes.js'

const NOBODY = 65534
const isRoot = process.getuid?.() === 0
const ID = '0123456789abcdef'

/** What is there, and in it, so that any change shows. */
const pictureOf = (path: string): readonly string[] => {
  const stats = lstatSync(path)
  const { mode, uid, size, mtimeMs, ino } = stats
  const isReadable = (mode & 0o400) !== 0
  const content = stats.isFile() && isReadable ? readFileSync(path, 'latin1') : ''
  const below = stats.isDirectory() && isReadable ? readdirSync(path).toSorted().flatMap((name) => pictureOf(join(path, name))) : []
  return [JSON.stringify({ path, mode, uid, size, mtimeMs, ino, content }), ...below]
}

const makeFolder = (path: string): void => { mkdirSync(path, { recursive: true, mode: 0o700 }) }

/** Gives it to the user that the clients are. */
const own = (path: string): void => { if (isRoot) chownSync(path, NOBODY, NOBODY) }

/** What one user may not read, and what belongs to another. `whoever`: not only root can make it. */
const OTHERS: readonly { name: string; make: (paths: Paths) => string; message: RegExp; whoever?: true }[] = [
  { name: 'a PID file of mode 000', make: ({ pidFile }) => { writeFileSync(pidFile, '12\n', { mode: 0 }); own(pidFile); return pidFile }, message: /may not be read \(EACCES\)/, whoever: true },
  { name: "another user's PID file that all may write", make: ({ pidFile }) => { writeFileSync(pidFile, '12\n'); chmodSync(pidFile, 0o666); return pidFile }, message: /belongs to another user \(uid 0\)/ },
  { name: "another user's PID file that nobody else may read", make: ({ pidFile }) => { writeFileSync(pidFile, '12\n', { mode: 0o600 }); return pidFile }, message: /may not be read \(EACCES\)/ },
  { name: 'a state folder of mode 000', make: ({ folder, host }) => { makeFolder(host); own(folder); own(host); chmodSync(folder, 0); return folder }, message: /cannot be used: permission denied \(EACCES\)/, whoever: true },
  { name: "another user's state folder", make: ({ folder }) => { makeFolder(folder); return folder }, message: /belongs to another user \(uid 0\)/ },
  { name: 'a host folder of mode 000', make: ({ folder, host }) => { makeFolder(host); own(folder); own(host); chmodSync(host, 0); return host }, message: /cannot be listed: permission denied \(EACCES\)/, whoever: true },
  { name: "another user's host folder", make: ({ folder, host }) => { makeFolder(host); own(folder); return host }, message: /belongs to another user \(uid 0\)/ },
  { name: "another user's lock, with something in it", make: ({ lock }) => { mkdirSync(lock); writeFileSync(join(lock, 'precious'), ''); return lock }, message: /belongs to another user \(uid 0\)/ },
  { name: "another user's lock, where only its owner may remove it", make: ({ lock }) => { mkdirSync(lock); chownSync(dirname(lock), 0, 0); chmodSync(dirname(lock), 0o1777); return lock }, message: /belongs to another user \(uid 0\)/ },
  { name: 'a claim of a living process, of mode 000', make: ({ folder, host }) => claimOfThis(folder, host, 0), message: /does not say where its server listens/, whoever: true },
  { name: "another user's claim of a living process", make: ({ folder, host }) => claimOfThis(folder, host), message: /does not say where its server listens/ },
]

const claimOfThis = (folder: string, host: string, mode?: number): string => {
  makeFolder(host)
  own(folder)
  own(host)
  const { pid, start } = self()
  const path = join(host, `${ID}.${pid}.${start}.${pid}.claim`)
  writeFileSync(path, '', { mode: mode ?? 0o600 })
  if (mode !== undefined) own(path)
  return path
}

/** Says for each of several clients, in a process of its own, how its methods end. */
const CLIENTS = `
  import { ClientProcessManager } from '${library('index.js')}'
  const told = (call) => call.then((value) => ({ value }), (error) => ({ name: error.name, code: error.code, message: error.message }))
  const all = []
  for (const options of JSON.parse(process.argv[1])) {
    const manager = new ClientProcessManager(options)
    all.push({ ensured: await told(manager.ensureServerRunning()), status: await told(manager.status()) })
  }
  console.log(JSON.stringify(all))`

t.test('to a client that is not root: named and not touched is', async (t) => {
  const cases = OTHERS.filter(({ whoever }) => isRoot || whoever).map(({ name, make, message }) => {
    const here = place(t)
    own(here.folder)
    const path = make(pathsOf(here.pidFile, hostName))
    return { name, message, here, path, before: pictureOf(path) }
  })
  const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : {}
  const { stdout, stderr } = await runModule(t, CLIENTS, [JSON.stringify(cases.map(({ here }) => here.options('healthy')))], { ...identity, cwd: '/' })
  t.equal(stderr, '')
  const all = JSON.parse(stdout) as { ensured: { name: string; code: string; message: string }; status: { code?: string; name?: string } }[]
  for (const [index, { name, message, here, path, before }] of cases.entries()) {
    const { ensured, status } = all[index]!
    t.match(ensured, { name: 'OneServerError', code: 'STATE_UNUSABLE', message }, name)
    t.ok(ensured.message.includes(path), ensured.message)
    t.ok(status.code === undefined || status.name === 'OneServerError', 'and who asks is told, too')
    t.same(pictureOf(path), before, 'it is as it was')
    t.same(here.alive(), [])
    if (!isRoot) chmodSync(path, 0o700)
  }
})

t.test("another user's empty lock is not taken away, where it could be", { skip: !isRoot && 'only root can make a file of another user' }, async (t) => {
  const here = place(t)
  const { lock } = pathsOf(here.pidFile, hostName)
  mkdirSync(lock)
  chownSync(lock, NOBODY, NOBODY)
  const before = pictureOf(lock)
  t.match(await failureOf(here.manager('healthy').ensureServerRunning()), { name: 'OneServerError', code: 'STATE_UNUSABLE', message: lock })
  t.same(pictureOf(lock), before)
  t.same([here.starts(), here.alive()], [[], []])
})
