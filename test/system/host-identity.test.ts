/** Where a PID means something: the same for each process of one place, another in another namespace. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { hostIdentity } from '../../lib/system/host-identity.js'
import { bareEnv, library, run } from '../support/child.js'

const TELL = `const { hostIdentity } = await import('${library('system/host-identity.js')}')
try { console.log(hostIdentity()) } catch (error) { console.log(error.code, error.message) }`
const NODE = [process.execPath, '--input-type=module', '--eval', TELL]

/** Namespaces are Linux's, and a container may not be allowed to make new ones. */
const needs = (...flags: string[]) =>
  spawnSync('unshare', [...flags, 'true'], { env: bareEnv() }).status === 0 ? {} : { skip: `unshare ${flags.join(' ')} is not permitted here` }

t.test('it can be the name of a folder, and is the same at each question', async (t) => {
  t.match(hostIdentity(), /^[0-9a-z-]{5,60}$/)
  t.equal(hostIdentity(), hostIdentity())
})

t.test('another process here is told the same', async (t) => {
  t.match(await run(t, NODE[0]!, NODE.slice(1)), { stdout: `${hostIdentity()}\n`, stderr: '' })
})

for (const [what, flags] of [['PID', ['--pid', '--fork', '--mount-proc']], ['network', ['--net']]] as const) {
  t.test(`another ${what} namespace is another place`, needs('-Ur', ...flags), async (t) => {
    const { stdout } = await run(t, 'unshare', ['-Ur', ...flags, ...NODE])
    t.match(stdout, /^[0-9a-z-]+\n$/)
    t.not(stdout.trim(), hostIdentity())
    t.equal(stdout.split('-')[0], hostIdentity().split('-')[0], 'of the same boot')
  })
}

t.test('with the /proc of another PID namespace nothing is made up', needs('-Ur', '--pid', '--fork'), async (t) => {
  const { stdout } = await run(t, 'unshare', ['-Ur', '--pid', '--fork', ...NODE])
  t.match(stdout, /^STATE_UNUSABLE \/proc: belongs to another PID namespace|^STATE_UNUSABLE \/proc\/self: cannot be read/)
})
