/** One place on disk for one server, however its PID file is spelt; and a symbolic link in its place leads nowhere. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { defaultPidFile, pathsOf, resolvePidFile, stateDir } from '../lib/paths.js'
import { realpath } from '../lib/system/files.js'
import { linux } from '../lib/system/platform/linux.js'
import { windows } from '../lib/system/platform/windows.js'
import { tempFolder } from './support/temp-folder.js'

t.test('all names derive from the PID file', async (t) => {
  t.same(pathsOf('/a/s.pid', 'host'), { pidFile: '/a/s.pid', lock: '/a/s.pid.lock', folder: '/a/s.pid.d', host: '/a/s.pid.d/host' })
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

t.test('the default PID file lies in HOME, else USERPROFILE, else here', async (t) => {
  t.equal(defaultPidFile({ HOME: '/home/a', USERPROFILE: '/users/b' }), '/home/a/.omega-session-server.pid')
  t.equal(defaultPidFile({ HOME: '', USERPROFILE: '/users/b' }), '/users/b/.omega-session-server.pid')
  t.equal(defaultPidFile({}), '.omega-session-server.pid', 'in the working folder')
})

t.test('the folder of names depends on neither the session nor the temporary folder', async (t) => {
  const session = { XDG_RUNTIME_DIR: '/run/user/1', TMPDIR: '/tmp/x', HOME: '/home/a' }
  t.equal(stateDir(session, linux), '/home/a/.local/state/one-server')
  t.equal(stateDir({ ...session, XDG_STATE_HOME: '/state' }, linux), '/state/one-server')
  t.equal(stateDir({ ...session, XDG_STATE_HOME: '/state', ONE_SERVER_STATE_DIR: '/mine' }, linux), '/mine')
  t.equal(stateDir({ ...session, XDG_STATE_HOME: '/state', LOCALAPPDATA: '/local' }, windows(() => '')), join('/local', 'one-server'))
  t.equal(stateDir({ ...session, XDG_STATE_HOME: '/state', LOCALAPPDATA: '' }, windows(() => '')), join('/state', 'one-server'))
  t.equal(stateDir({ ...session, LOCALAPPDATA: '/local' }, linux), '/home/a/.local/state/one-server', 'LOCALAPPDATA means something on Windows alone')
})
