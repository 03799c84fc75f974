/** A child has the descriptors that it is given and no others, also where descriptors are short. */
import { closeSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { ClientProcessManager, type ClientProcessManagerOptions } from '../../lib/index.js'
import { bareEnv, fixture, library, run, start } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'

/** Runs a text that has `manager`, under a limit of open files. */
const limited = async (t: Test, limit: number, text: string, given: Record<number, number> = {}): Promise<{ folder: string; said: { name: string; code: string; message: string; hint: string }[] }> => {
  const folder = tempFolder(t)
  const options = { pidFile: join(folder, 's.pid'), port: 'auto', idleTimeout: 0, startupTimeout: 30_000, serverScript: fixture('healthy.mjs') }
  const module = `
    import { closeSync, openSync, readdirSync } from 'node:fs'
    const { ClientProcessManager } = await import(${JSON.stringify(library('index.js'))})
    const manager = new ClientProcessManager(${JSON.stringify(options)})
    const said = []
    const tell = (error) => { said.push({ name: error.constructor.name, code: error.code, message: error.message, hint: error.hint }) }
    const attempt = () => manager.acquire().catch(tell)
    ${text}
    console.log(JSON.stringify(said))`
  const stdio: ('ignore' | 'pipe' | number)[] = ['ignore', 'pipe', 2]
  for (const [fd, file] of Object.entries(given)) {
    while (stdio.length < Number(fd)) stdio.push('ignore')
    stdio[Number(fd)] = file
  }
  const child = start(t, '/bin/sh', ['-c', `ulimit -n ${limit}; exec "$0" "$@"`, process.execPath, '--input-type=module', '--eval', module], { stdio })
  let stdout = ''
  for await (const data of child.stdout!) stdout += String(data)
  return { folder, said: JSON.parse(stdout) }
}

t.test('a client that is short of descriptors gets an error that says so, wherever the last one was needed', { skip: process.platform === 'linux' ? false : 'only Linux tells' }, async (t) => {
  const { said } = await limited(t, 300, `
    const first = await attempt()
    const before = await attempt()
    const none = []
    try { for (;;) none.push(openSync('/dev/null', 'r')) } catch {}
    await before.release().catch(tell)
    for (const file of none) closeSync(file)
    for (const what of ['held', 'stopped']) {
      if (what === 'stopped') await first.release().then(() => manager.stopServer())
      for (let left = 0; left <= 12; left++) {
        const files = []
        try { for (;;) files.push(openSync('/dev/null', 'r')) } catch {}
        for (let one = 0; one < left; one++) closeSync(files.pop())
        const lease = await attempt()
        for (const file of files) closeSync(file)
        await lease?.release()
        if (what === 'stopped') await manager.stopServer()
      }
    }
    await manager.stopServer()`)
  t.ok(said.length > 4, 'it was short')
  for (const { name, message, hint } of said) t.match({ name, message, hint }, { name: 'OneServerError', hint: /open files/ }, message)
})

t.test('a descriptor that was given and is not below the limit is named, and nothing is left', { skip: process.platform === 'linux' ? false : 'only Linux tells' }, async (t) => {
  const given = openSync(join(tempFolder(t), 'given'), 'w')
  t.teardown(() => closeSync(given))
  const { folder, said } = await limited(t, 300, 'await attempt()', { 400: given })
  t.match(said, [{ name: 'OneServerError', message: /given descriptor 400, which is not below its limit of open files \(ulimit -n\)/, hint: /ulimit -n/ }])
  t.same(readdirSync(folder).filter((name) => name.includes('log')), [])
})

for (const [loader, load] of [['import', 'await import'], ['require', "createRequire('/')"]] as const) {
  t.test(`errors of others: at any small ulimit -n nothing but OneServerError leaves the package (${loader})`, async (t) => {
    const folder = tempFolder(t)
    const index = new URL(`../../../dist/index.${loader === 'import' ? 'js' : 'cjs'}`, import.meta.url)
    const options = { pidFile: join(folder, 's.pid'), port: 'auto', startupTimeout: 60_000, serverScript: fixture('healthy.mjs') }
    const module = `
      import { createRequire } from 'node:module'
      import { writeSync } from 'node:fs'
      const library = await (async () => ${load}(${JSON.stringify(loader === 'import' ? index.href : fileURLToPath(index))}))().catch(() => process.exit(9))
      const said = []
      const manager = new library.ClientProcessManager(${JSON.stringify(options)})
      process.on('uncaughtException', (error) => { said.push(['uncaught', error.constructor.name, error.message]) })
      const calls = ['status', 'isServerRunning', 'acquire', 'ensureServerRunning', 'startServer', 'stopServer']
      for (const call of calls) {
        try {
          const result = await manager[call]()
          await result?.release?.()
        } catch (error) { said.push([call, error instanceof library.OneServerError ? 'OneServerError' : error.stack, error.message]) }
      }
      await library.fromConfig('api').catch((error) => said.push(['fromConfig', error.constructor.name, error.message]))
      writeSync(1, JSON.stringify(said))
      process.exit()`
    // A file of the package that is loaded only now needs one, and so does each step after it.
    const full = module.replace('const said = []', `const said = []
      import { closeSync, openSync } from 'node:fs'
      const files = []
      try { for (;;) files.push(openSync('/dev/null', 'r')) } catch {}
      for (let left = 0; left < Number(process.env.LEFT); left++) closeSync(files.pop())`)
    for (let left = 0; left <= 6; left++) {
      const limited = ['-c', 'ulimit -n 60; exec "$0" "$@"', process.execPath, '--input-type=module', '--eval', full]
      const { stdout, stderr } = await run(t, '/bin/sh', limited, { cwd: folder, env: { ...bareEnv(), LEFT: String(left) } })
      t.same((JSON.parse(stdout || '[["", "nothing said"]]') as string[][]).filter(([, name]) => name !== 'OneServerError'), [], `${left} left ${stderr}`)
    }
    let [loaded, short] = [0, 0]
    for (let limit = 17; limit <= 44; limit += limit < 30 ? 1 : 4) {
      const { code, stdout, stderr } = await run(t, '/bin/sh', ['-c', `ulimit -n ${limit}; exec "$0" "$@"`, process.execPath, '--input-type=module', '--eval', module], { cwd: folder })
      // Node itself, or the first file of the package, needs more.
      if (code === 9 || (code !== 0 && stdout === '')) continue
      loaded++
      t.equal(code, 0, stderr)
      const said = JSON.parse(stdout) as string[][]
      if (said.some(([, , message]) => /EMFILE/.test(message!))) short++
      t.same(said.filter(([, name]) => name !== 'OneServerError'), [], `ulimit -n ${limit}`)
    }
    t.ok(loaded > 5 && short > 1, `${loaded} limits, ${short} too small`)
    await new ClientProcessManager(options as ClientProcessManagerOptions).stopServer()
  })
}
