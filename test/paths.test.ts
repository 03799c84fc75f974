/** One place on disk for one server, however its PID file is spelt; and a symbolic link in its place leads nowhere. */
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { defaultPidFile, pathsOf, resolvePidFile, stateDir } from '../lib/paths.js'
import { realpath } from '../lib/system/files.js'
import { linux } from '../lib/system/platform/linux.js'
import { windows } from '../lib/system/platform/windows.js'
import { library, runModule } from './support/child.js'
import { tempFolder } from './support/temp-folder.js'

t.test('all names derive from the PID file', async (t) => {
  t.same(pathsOf('/a/s.pid', 'host'), { pidFile: '/a/s.pid', lock: '/a/s.pid.lock', folder: '/a/s.pid.d', host: '/a/s.pid.d/host', hostName: 'host' })
})

t.test('two spellings of one folder are one PID file', async (t) => {
  const folder = tempFolder(t)
  mkdirSync(join(folder, 'real'))
  symlinkSync('real', join(folder, 'link'))
  const real = join(folder, 'real', 's.pid')
  t.equal(resolvePidFile(real, realpath), real)
  t.equal(resolvePidFile(join(folder, 'link', 's.pid'), realpath), real)
  t.equal(resolvePidFile(join(folder, 'link', 'not', 'yet', 's.pid'), realpath), join(folder, 'real', 'not', 'yet', 's.pid'), 'as far as it exists')
})

t.test('a symbolic link in the place of the PID file is not followed', async (t) => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'elsewhere'), '')
  symlinkSync('elsewhere', join(folder, 's.pid'))
  t.equal(resolvePidFile(join(folder, 's.pid'), realpath), join(folder, 's.pid'))
})

t.test('a PID file of which nothing can be resolved keeps its name', async (t) => {
  t.equal(resolvePidFile('/a/b/s.pid', () => undefined), '/a/b/s.pid')
})

t.test('without HOME the user database says where the home is, and never the working folder', async (t) => {
  const home = userInfo().homedir
  for (const env of [{}, { HOME: '' }, { HOME: '.' }, { HOME: 'rel/home', USERPROFILE: '..' }, { XDG_STATE_HOME: 'rel' }, { HOME: home, XDG_STATE_HOME: './state' }]) {
    t.equal(defaultPidFile(env), join(home, '.omega-session-server.pid'), JSON.stringify(env))
    t.equal(stateDir(env, linux), join(home, '.local/state/one-server'), JSON.stringify(env))
  }
})

t.test('a user without HOME and without a home in the database is told so, and nothing is written here', { skip: process.getuid?.() !== 0 && 'only root can be another user' }, async (t) => {
  const folder = tempFolder(t)
  chmodSync(folder, 0o777)
  const program = `
    import { ClientProcessManager } from '${library('index.js')}'
    const told = []
    for (const options of [{}, { name: 'x' }]) {
      try { await new ClientProcessManager(options).status() } catch ({ code, message, hint }) { told.push([code, message, hint]) }
    }
    const { state } = await new ClientProcessManager({ pidFile: './here.pid' }).status()
    console.log(JSON.stringify({ told, state }))`
  const { stdout, stderr } = await runModule(t, program, [], { uid: 54321, gid: 54321, cwd: folder, env: { PATH: process.env['PATH'] } })
  t.equal(stderr, '')
  const { told, state } = JSON.parse(stdout) as { told: string[][]; state: string }
  t.equal(state, 'stopped', 'whoever names the file needs no home')
  t.equal(told.length, 2)
  for (const [code, message, hint] of told) {
    t.equal(code, 'STATE_UNUSABLE')
    t.match(message, /^HOME: is not set/)
    t.match(hint, /ONE_SERVER_STATE_DIR/)
  }
  t.same(readdirSync(folder), [])
})

t.test('the default PID file lies in HOME, else USERPROFILE', async (t) => {
  t.equal(defaultPidFile({ HOME: '/home/a', USERPROFILE: '/users/b' }), '/home/a/.omega-session-server.pid')
  t.equal(defaultPidFile({ HOME: '', USERPROFILE: '/users/b' }), '/users/b/.omega-session-server.pid')
})

t.test('the folder of names depends on neither the session nor the temporary folder', async (t) => {
  const session = { XDG_RUNTIME_DIR: '/run/user/1', TMPDIR: '/tmp/x', HOME: '/home/a' }
  t.equal(stateDir(session, linux), '/home/a/.local/state/one-server')
  t.equal(stateDir({ ...session, XDG_STATE_HOME: '/state' }, linux), '/state/one-server')
  t.equal(stateDir({ ...session, XDG_STATE_HOME: '/state', ONE_SERVER_STATE_DIR: '/mine' }, linux), '/mine')
  t.equal(stateDir({ ...session, XDG_STATE_HOME: '/state', LOCALAPPDATA: '/local' }, windows(async () => '')), join('/local', 'one-server'))
  t.equal(stateDir({ ...session, XDG_STATE_HOME: '/state', LOCALAPPDATA: '' }, windows(async () => '')), join('/state', 'one-server'))
  t.equal(stateDir({ ...session, LOCALAPPDATA: '/local' }, linux), '/home/a/.local/state/one-server', 'LOCALAPPDATA means something on Windows alone')
})
