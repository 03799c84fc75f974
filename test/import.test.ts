/**
 * What importing the package does, seen from a process of its own: it loads nothing heavy and leaves
 * the process as it was; even a call that needed the lock leaves no listener for signals behind; and the two builds of
 * one copy are one.
 */
import { cpSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { bareEnv, fixture, library, runModule } from './support/child.js'
import { tempFolder } from './support/temp-folder.js'

const INDEX = library('index.js')

/** What a process has for signals and exits, and what proper-lockfile's dependencies change. */
const STATE = `const state = () => JSON.stringify({
  signals: process.eventNames().filter((name) => typeof name === 'string').map((name) => [name, process.listenerCount(name)]),
  emit: String(process.emit).slice(0, 200), exit: String(process.reallyExit).slice(0, 200),
})`

/** The modules that a process has loaded: Node's own, and files of either kind. */
const loadedBy = async (t: Test, text: string): Promise<{ builtins: string[]; files: string[] }> => {
  const { code, stdout, stderr } = await runModule(t, `
    import { createRequire, register } from 'node:module'
    // Of register() itself, since Node 26; the hooks that come in its place are not in Node 20.
    process.noDeprecation = true
    const files = []
    const { port1, port2 } = new MessageChannel()
    port1.on('message', (url) => files.push(url)).unref()
    register('data:text/javascript,' + encodeURIComponent(\`
      let port
      export const initialize = (data) => { port = data.port }
      export const load = (url, context, next) => { port.postMessage(url); return next(url, context) }
    \`), { data: { port: port2 }, transferList: [port2] })
    const before = new Set(process.moduleLoadList)
    ${text}
    const builtins = process.moduleLoadList.filter((name) => !before.has(name)).map((name) => name.replace(/^NativeModule /, ''))
    // The hooks' thread tells in order, so that what it says last has been preceded by all the rest.
    await import('data:text/javascript,/*end*/')
    while (!files.at(-1)?.endsWith('/*end*/')) await new Promise((resolve) => { setImmediate(resolve) })
    files.push(...Object.keys(createRequire('/').cache))
    console.log(JSON.stringify({ builtins, files }))`)
  t.match({ code, stderr }, { code: 0, stderr: '' })
  return JSON.parse(stdout)
}

const HEAVY = /node_modules\/(wait-on|proper-lockfile|graceful-fs|signal-exit|get-port|axios|joi|rxjs|lodash|yocto-spinner)\//

t.test('importing the package loads none of its dependencies, and of Node no child_process and no crypto', async (t) => {
  const { builtins, files } = await loadedBy(t, `await import('${INDEX}')`)
  t.ok(files.includes(INDEX), 'the library was seen to load')
  t.same(files.filter((file) => file.includes('/node_modules/')), [])
  t.same(builtins.filter((name) => /^(child_process|crypto|internal\/crypto\/|internal\/child_process|https|tls|_tls)/.test(name)), [])
  // The control: what a launch needs would be seen as well.
  const control = await loadedBy(t, `
    const { createRequire: from } = await import('node:module')
    from('${fileURLToPath(INDEX)}')('proper-lockfile')
    await import(from('${fileURLToPath(INDEX)}').resolve('get-port'))
    await import('node:child_process')`)
  t.ok(control.files.some((file) => /proper-lockfile/.test(file)))
  t.ok(control.files.some((file) => /get-port/.test(file)))
  t.ok(control.files.some((file) => HEAVY.test(file)))
  t.ok(control.builtins.includes('child_process'))
})

t.test('importing the package adds no listener and changes nothing of the process', async (t) => {
  const { stdout } = await runModule(t, `${STATE}
    const before = state()
    await import('${INDEX}')
    console.log(before === state() ? 'same' : before + state())`)
  t.equal(stdout, 'same\n')
})

/** A file as it is installed. */
const installed = (name: string): string => fileURLToPath(new URL(`../../dist/${name}`, import.meta.url))

const LOADERS = { import: (file: string) => `await import('${file}')`, require: (file: string) => `createRequire('/')('${file}')` }

t.test('import and require give the same, in either order', async (t) => {
  for (const order of [['import', 'require'], ['require', 'import']] as const) {
    const [first, second] = order.map((how) => LOADERS[how](installed(how === 'import' ? 'index.js' : 'index.cjs')))
    const { stdout, stderr } = await runModule(t, `
      import { createRequire } from 'node:module'
      const [first, second] = [${first}, ${second}]
      const names = Object.keys(first).sort()
      console.log(names.join(), names.every((name) => first[name] === second[name]), names.every((name) => first[name].name === name))`)
    const same = 'ClientProcessManager,OneServerError,defineConfig,fromConfig,internals true true\n'
    t.same({ stdout, stderr }, { stdout: same, stderr: '' }, order.join(', then '))
  }
})

t.test('a call of one build joins that of the other', async (t) => {
  const folder = tempFolder(t)
  const options = JSON.stringify({ pidFile: `${folder}/s.pid`, serverScript: fixture('healthy.mjs'), port: 'auto', host: '127.0.0.1' })
  const { stdout, stderr } = await runModule(t, `
    import { createRequire } from 'node:module'
    const [imported, required] = [${LOADERS.import(installed('index.js'))}, ${LOADERS.require(installed('index.cjs'))}]
    const events = []
    const one = new imported.ClientProcessManager(${options})
    const other = new required.ClientProcessManager({ ...${options}, onEvent: ({ type }) => { events.push(type) } })
    const servers = await Promise.all([one, other].map((manager) => manager.ensureServerRunning()))
    console.log(servers.map(({ started }) => started).join(), events.join(), await one.stopServer())`, [], { env: { ...bareEnv(), HOME: folder } })
  t.same({ stdout, stderr }, { stdout: 'true,false waiting,reused true\n', stderr: '' })
})

t.test('another copy of the package, and a build that is loaded again, stand for themselves', async (t) => {
  const folder = tempFolder(t)
  cpSync(installed('index.cjs'), `${folder}/index.cjs`)
  const { stdout, stderr } = await runModule(t, `
    import { createRequire } from 'node:module'
    const own = await import('${installed('index.js')}')
    const others = [${LOADERS.require(`${folder}/index.cjs`)}, await import('${installed('index.js')}?again')]
    console.log(others.map(({ OneServerError }) => OneServerError === own.OneServerError).join())`)
  t.same({ stdout, stderr }, { stdout: 'false,false\n', stderr: '' })
})

t.test('a cold start that took the lock gives every listener back, and a warm one loads nothing heavy', async (t) => {
  const folder = tempFolder(t)
  const options = JSON.stringify({ pidFile: `${folder}/s.pid`, serverScript: fixture('healthy.mjs'), port: 'auto', host: '127.0.0.1' })
  const env = { ...bareEnv(), HOME: folder }
  const { code, stdout, stderr } = await runModule(t, `${STATE}
    process.on('SIGTERM', function ofTheHost() {})
    const before = state()
    const { ClientProcessManager } = await import('${INDEX}')
    const manager = new ClientProcessManager(${options})
    const { started } = await manager.ensureServerRunning()
    const { createRequire } = await import('node:module')
    const locked = Object.keys(createRequire('/').cache).some((file) => file.includes('proper-lockfile'))
    console.log(started, before === state() ? 'same' : before + state(), locked)`, [], { env })
  t.same({ code, stdout, stderr }, { code: 0, stdout: 'true same true\n', stderr: '' })

  const { builtins, files } = await loadedBy(t, `
    const { ClientProcessManager } = await import('${INDEX}')
    const { started } = await new ClientProcessManager(${options}).ensureServerRunning()
    if (started) throw new Error('it was started again')`)
  t.same(files.filter((file) => file.includes('/node_modules/')), [])
  t.same(builtins.filter((name) => /^(child_process|crypto)$/.test(name)), [])

  const { stdout: stopped } = await runModule(t, `
    const { ClientProcessManager } = await import('${INDEX}')
    console.log(await new ClientProcessManager(${options}).stopServer())`, [], { env })
  t.equal(stopped, 'true\n')
})

t.test('listeners of a host that uses proper-lockfile itself are left to it', async (t) => {
  const folder = tempFolder(t)
  const { stdout, stderr } = await runModule(t, `${STATE}
    const { createRequire } = await import('node:module')
    createRequire('${fileURLToPath(INDEX)}')('proper-lockfile')
    const before = state()
    const { nodeSystem } = await import('${library('node-system.js')}')
    const { pathsOf } = await import('${library('paths.js')}')
    const paths = pathsOf('${folder}/s.pid', 'h')
    await nodeSystem.makeFolder(paths.host)
    const held = await nodeSystem.fileLock(paths).try()
    await held.release()
    console.log(process.listenerCount('SIGTERM') > 0, before === state() ? 'same' : before + state())`)
  t.same({ stdout, stderr }, { stdout: 'true same\n', stderr: '' })
})
