/**
 * What Node has compiled of the command line is executed, so the folder in which it lies is a door. The kind: a folder that somebody else
 * made, may write to or may enter, or to which somebody else decides the way. None of them is used, and nothing is made in them.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import * as module from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { compiledFolder } from '../../lib/cli/compiled.js'
import { run } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))
const onPosix = { skip: process.getuid === undefined ? 'Windows shows no owners' : false }
const asRoot = { skip: process.getuid?.() === 0 ? false : 'only root can be two users' }
const STRANGER = 12_345

/** A home with this folder below it, made with these modes, in the way. */
const homeWith = (folder: string, ...modes: readonly (readonly [path: string, mode: number])[]): string => {
  for (const [path, mode] of modes) {
    mkdirSync(join(folder, path), { recursive: true })
    chmodSync(join(folder, path), mode)
  }
  return folder
}

t.test('what is compiled lies in the cache of this user, in a folder that nobody else may enter', onPosix, async (t) => {
  const home = tempFolder(t)
  t.equal(compiledFolder({ HOME: home }, false), undefined, 'a command that only looks makes none')
  t.same(readdirSync(home), [])
  t.equal(compiledFolder({ HOME: home }, true), join(home, '.cache/one-server'))
  t.equal(statSync(join(home, '.cache/one-server')).mode & 0o777, 0o700)
  t.equal(compiledFolder({ HOME: home }, false), join(home, '.cache/one-server'), 'and then each command uses it')
  const other = tempFolder(t)
  t.equal(compiledFolder({ HOME: home, XDG_CACHE_HOME: other }, true), join(other, 'one-server'))
  t.equal(compiledFolder({ HOME: home, XDG_CACHE_HOME: 'relative' }, true), join(home, '.cache/one-server'))
  symlinkSync(other, join(home, 'link'))
  t.equal(compiledFolder({ XDG_CACHE_HOME: join(home, 'link') }, true), join(other, 'one-server'), 'Node gets the real path')
})

t.test('where nothing can be kept, nothing is kept and nothing is said: no home, no folder, a file or a link in the place', onPosix, async (t) => {
  const home = tempFolder(t)
  t.equal(compiledFolder({}, true), undefined)
  t.equal(compiledFolder({ HOME: 'relative' }, true), undefined)
  t.equal(compiledFolder({ HOME: join(home, 'nowhere') }, true), undefined)
  writeFileSync(join(home, 'file'), '', { mode: 0o600 })
  t.equal(compiledFolder({ HOME: join(home, 'file') }, true), undefined)
  mkdirSync(join(home, 'own'), { mode: 0o700 })
  symlinkSync('own', join(home, 'one-server'))
  t.equal(compiledFolder({ XDG_CACHE_HOME: home }, true), undefined, 'a link')
  writeFileSync(join(home, 'own/one-server'), '', { mode: 0o600 })
  t.equal(compiledFolder({ XDG_CACHE_HOME: join(home, 'own') }, true), undefined, 'a file')
})

t.test('a folder that others may write to or enter, or to which others decide the way', onPosix, async (t) => {
  for (const mode of [0o755, 0o770, 0o701, 0o722]) {
    t.equal(compiledFolder({ HOME: homeWith(tempFolder(t), ['.cache/one-server', mode]) }, true), undefined, `the folder has ${mode.toString(8)}`)
  }
  for (const mode of [0o775, 0o757, 0o777]) {
    const home = homeWith(tempFolder(t), ['.cache', mode])
    t.equal(compiledFolder({ HOME: home }, true), undefined, `.cache has ${mode.toString(8)}`)
    t.notOk(existsSync(join(home, '.cache/one-server')), 'nothing was made in it')
    t.equal(compiledFolder({ HOME: homeWith(home, ['.cache/one-server', 0o700]) }, false), undefined, 'nor is one used that is there')
  }
  t.ok(compiledFolder({ HOME: homeWith(tempFolder(t), ['.cache', 0o1777], ['.cache/one-server', 0o700]) }, false), 'as in /tmp, nobody can replace it')
})

t.test('a folder of another user, or in the home of another user', asRoot, async (t) => {
  const foreign = homeWith(tempFolder(t), ['.cache/one-server', 0o700])
  chownSync(join(foreign, '.cache/one-server'), STRANGER, STRANGER)
  t.equal(compiledFolder({ HOME: foreign }, true), undefined)
  const kept = tempFolder(t)
  chownSync(kept, STRANGER, STRANGER)
  t.equal(compiledFolder({ HOME: kept }, true), undefined, 'sudo with HOME kept')
  t.same(readdirSync(kept), [], 'leaves nothing of root there')
})

const canKeep = { skip: 'enableCompileCache' in module ? onPosix.skip : 'this Node keeps nothing' }

t.test('the first call keeps, the second one keeps nothing more, and one below a foreign folder keeps nothing', canKeep, async (t) => {
  const home = tempFolder(t)
  const folder = join(home, '.cache/one-server')
  const kept = (): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted().map((name) => `${name} ${statSync(join(folder, name)).mtimeMs}`)
  const list = (env: NodeJS.ProcessEnv) => run(t, process.execPath, [CLI, 'list'], { env: { PATH: process.env['PATH'], HOME: home, ...env } })
  t.equal((await list({})).code, 0)
  t.notOk(existsSync(dirname(folder)), 'a command that only looks makes no folder')
  t.ok(compiledFolder({ HOME: home }, true))
  t.equal((await list({})).code, 0)
  const first = kept()
  t.ok(first.length > 1, first.join())
  t.equal((await list({})).code, 0)
  t.same(kept(), first)
  for (const env of [{ NODE_DISABLE_COMPILE_CACHE: '1' }, { NODE_V8_COVERAGE: join(home, 'coverage') }]) {
    const other = tempFolder(t)
    t.ok(compiledFolder({ HOME: other }, true))
    t.equal((await list({ HOME: other, ...env })).code, 0)
    t.same(readdirSync(join(other, '.cache/one-server')), [], Object.keys(env).join())
  }
  chmodSync(folder, 0o750)
  const seen = await list({})
  t.equal(seen.code, 0)
  t.equal(seen.stderr, '', 'nothing is said')
})
