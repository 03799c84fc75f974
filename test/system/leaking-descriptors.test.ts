/** Which descriptors a child would be given without having been meant to have them. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bareEnv, library } from '../child.js'
import { tempFolder } from '../temp-folder.js'

t.test('what a process was given shows, what Node opened itself does not', { skip: process.platform === 'linux' ? false : 'only Linux tells' }, async (t) => {
  const given = openSync(join(tempFolder(t), 'given'), 'w')
  t.teardown(() => closeSync(given))
  const text = `
    import { openSync } from 'node:fs'
    const { leakingDescriptors } = await import(${JSON.stringify(library('system/leaking-descriptors.js'))})
    const own = openSync('/dev/null')
    console.log(JSON.stringify([leakingDescriptors(3).includes(39), leakingDescriptors(3).includes(own), leakingDescriptors(40).includes(39)]))`
  // Node marks the first few itself when it starts.
  const stdio: (number | 'ignore' | 'pipe')[] = Array.from({ length: 39 }, () => 'ignore')
  stdio[1] = stdio[2] = 'pipe'
  stdio[39] = given
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', text], { env: bareEnv(), stdio, encoding: 'utf8' })
  t.equal(stderr, '')
  t.same(JSON.parse(stdout), [true, false, false], 'the one that it was given, not the one that it opened, and none below the least')
})
