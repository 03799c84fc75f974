/**
 * File systems that are no Linux disk: FAT and exFAT have no hard links, no FIFOs and no modes, and FAT counts time in steps of two
 * seconds. Network shares and folders of the host in a container refuse a link by one code or another. The promises hold there, too.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bareEnv } from '../support/child.js'
import { allEnded, client, place, resultOf, together, type Place } from '../support/clients.js'
import { gone, holder } from '../support/holders.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'

/** What a user does with a server: a crowd starts it, leases end it, a crash is recovered from, and a stop leaves nothing. */
const story = async (t: Test, here: Place): Promise<void> => {
  const leased = here.options('healthy', { idleTimeout: 0 })
  const [one, other] = [holder(t, here, leased), holder(t, here, leased)]
  t.equal((await one.held).url, (await other.held).url)
  await one.release()
  await other.kill()
  await gone(here)
  await until(() => here.left().length === 0, `nothing to be left of the leases, and not ${here.left().join(', ')}`)
  const crowd = (await allEnded(await together(t, here, 6, here.options('healthy')))).map(resultOf)
  t.equal(new Set(crowd.map(({ info }) => info.url)).size, 1)
  t.equal(here.starts().length, 2, 'one start for the leases, and one for the crowd')
  await here.kill(crowd[0]!.info.pid!)
  t.not(resultOf(await client(t, here, here.options('healthy')).ended).info.pid, crowd[0]!.info.pid)
  await client(t, here, here.options('healthy'), { method: 'stopServer' }).ended
  here.oneAtATime(t)
  here.nothingLeft(t)
}

const onDisk = (here: Place, env: Record<string, string>): Place =>
  ({ ...here, env: { ...here.env, NODE_OPTIONS: `--import ${new URL('../../../fixtures/as-fat.mjs', import.meta.url).href}`, ...env } })

for (const code of ['EPERM', 'ENOTSUP', 'EISDIR', 'ENOSYS', 'EACCES']) {
  t.test(`where link(2) fails with ${code}, files get their names by rename`, (t) => story(t, onDisk(place(t), { LINK_FAILS: code })))
}

t.test('on FAT: no links, no modes, and times in steps of two seconds', (t) => story(t, onDisk(place(t), { FAT: '600' })))

t.test('on FAT a lock that is held through its refreshes goes with its holder, and is nobody else\'s meanwhile', async (t) => {
  const here = onDisk(place(t), { FAT: '600' })
  const options = here.options('ignores-sigterm', { stopTimeout: 4500 })
  resultOf(await client(t, here, options).ended)
  const stop = await client(t, here, options, { method: 'stopServer' }).ended
  t.equal(stop.error, undefined)
  here.nothingLeft(t)
})

t.test('a FAT that others may read is refused by name, since a PID file may hold secrets', async (t) => {
  const here = onDisk(place(t), { FAT: '644' })
  const { error } = await client(t, here, here.options('healthy')).ended
  t.match(error, { code: 'STATE_UNUSABLE', message: /fchmod/ })
  t.equal(here.starts().length, 0)
})

const isRoot = process.getuid?.() === 0
const has = (...programs: string[]): boolean => programs.every((name) => spawnSync('sh', ['-c', `command -v ${name}`], { env: bareEnv() }).status === 0)

/** A folder on a file system of its own. */
const mounted = (t: Test, make: readonly string[], mount: (image: string, folder: string) => void): string => {
  const root = tempFolder(t)
  const [image, folder] = [join(root, 'image'), join(root, 'disk')]
  writeFileSync(image, '')
  truncateSync(image, 32 * 2 ** 20)
  mkdirSync(folder)
  execFileSync(make[0]!, [...make.slice(1), image], { stdio: 'ignore' })
  mount(image, folder)
  t.teardown(() => until(() => spawnSync('umount', [folder]).status === 0, 'the disk to be unmounted'))
  return folder
}

const needs = (...programs: string[]) =>
  isRoot && has(...programs, 'umount') ? {} : { skip: `needs root, ${programs.join(' and ')}` }

t.test('on a real exFAT, through FUSE', needs('mkfs.exfat', 'mount.exfat-fuse', 'losetup'), async (t) => {
  const folder = mounted(t, ['mkfs.exfat'], (image, at) => {
    const device = execFileSync('losetup', ['-f', '--show', image], { encoding: 'utf8' }).trim()
    t.teardown(() => { execFileSync('losetup', ['-d', device]) })
    execFileSync('mount.exfat-fuse', ['-o', 'umask=077', device, at], { stdio: 'ignore' })
  })
  await story(t, place(t, folder))
})
