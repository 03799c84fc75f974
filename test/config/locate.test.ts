/** The nearest file counts, whatever kind it is, and nobody's that might have been put there by another user. */
import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { locate } from '../../lib/config/locate.js'
import { tempFolder } from '../support/temp-folder.js'

const OWN = 'one-server.config.json'
const PACKAGE = 'package.json'

t.test('upwards, the nearest folder wins, and in one folder the file of its own', async (t) => {
  const top = tempFolder(t)
  const [middle, below] = [join(top, 'a'), join(top, 'a', 'b')]
  mkdirSync(below, { recursive: true })
  t.equal(locate(below), undefined)
  writeFileSync(join(top, OWN), 'top')
  t.match(locate(below), { file: join(top, OWN), folder: top, text: 'top', inPackage: false })
  writeFileSync(join(middle, PACKAGE), '{ "one-server": {} }')
  t.match(locate(below), { file: join(middle, PACKAGE), folder: middle, inPackage: true })
  writeFileSync(join(middle, OWN), 'middle')
  t.match(locate(below), { file: join(middle, OWN), inPackage: false })
  t.match(locate(join(below, 'not', 'there')), { file: join(middle, OWN) })
  t.match(locate(top), { file: join(top, OWN) })
})

t.test('a package.json that has no such key is none', async (t) => {
  const folder = tempFolder(t)
  for (const text of ['{}', '{ "name": "one-server" }', '{ "devDependencies": { "one-server": "1" } }', '["one-server"]', '"one-server"', 'no JSON at all', '']) {
    writeFileSync(join(folder, PACKAGE), text)
    t.equal(locate(folder), undefined, text)
  }
  for (const text of ['\uFEFF{ "one-server": {} }', '{ "one-server": 5 }', '{ "one-server": {}, }']) {
    writeFileSync(join(folder, PACKAGE), text)
    t.match(locate(folder), { text }, 'it is for the reader to refuse')
  }
  rmSync(join(folder, PACKAGE))
  mkdirSync(join(folder, PACKAGE))
  t.equal(locate(folder), undefined)
})

t.test('one of our own that cannot be read is not passed over', async (t) => {
  const folder = tempFolder(t)
  mkdirSync(join(folder, OWN))
  t.throws(() => locate(folder), { code: 'STATE_UNUSABLE', message: `${join(folder, OWN)}: is no plain file, where a config file should be` })
  for (const target of ['gone', OWN]) {
    rmSync(join(folder, OWN), { recursive: true })
    symlinkSync(target, join(folder, OWN))
    t.throws(() => locate(folder), { code: 'STATE_UNUSABLE', message: `${join(folder, OWN)}: is a link that leads to no config file` }, `a link to ${target}`)
  }
  writeFileSync(join(folder, 'gone'), 'is there')
  rmSync(join(folder, OWN))
  symlinkSync('gone', join(folder, OWN))
  t.match(locate(folder), { file: join(folder, OWN), folder, text: 'is there' })
})

t.test("another user's is refused, unless one stands in that user's folder", process.getuid?.() === 0 ? {} : { skip: 'only root can give a file away' }, async (t) => {
  const top = tempFolder(t)
  const below = join(top, 'mine')
  mkdirSync(below)
  for (const [name, text] of [[OWN, '{}'], [PACKAGE, '{ "one-server": {} }']] as const) {
    const file = join(top, name)
    writeFileSync(file, text)
    t.match(locate(below), { file })
    chownSync(file, 12_345, 12_345)
    t.throws(() => locate(below), { code: 'STATE_UNUSABLE', message: `${file}: it belongs to another user (UID 12345), and one-server would run the programs in it` }, name)
    chownSync(below, 12_345, 12_345)
    t.match(locate(below), { file }, 'a checkout in a container, say')
    chownSync(below, 0, 0)
    rmSync(file)
  }
  writeFileSync(join(below, 'elsewhere'), '{}')
  chownSync(join(below, 'elsewhere'), 12_345, 12_345)
  symlinkSync(join(below, 'elsewhere'), join(top, OWN))
  t.throws(() => locate(top), { code: 'STATE_UNUSABLE' }, 'nor by a link')
})

t.test('what would hold whoever reads it is refused before it is opened', { skip: process.platform === 'win32' ? 'there are no FIFOs' : false }, async (t) => {
  const folder = tempFolder(t)
  const file = join(folder, OWN)
  execFileSync('mkfifo', [file])
  t.throws(() => locate(folder), { code: 'STATE_UNUSABLE', message: `${file}: is no plain file, where a config file should be` })
  rmSync(file)
  writeFileSync(file, ' '.repeat(1024 * 1024 + 1))
  t.throws(() => locate(folder), { code: 'STATE_UNUSABLE', message: `${file}: is 1048577 bytes long` })
})
