/** The names in the host's folder: what is written is what is read, anything else is nobody's, and what is newer stops the reader. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { claimPath, endingPath, endingsOf, listClaims, markPath, marksOf, parseListing, tempPath, waitPath } from '../../lib/state/directory.js'
import { nodeSystem as system } from '../../lib/node-system.js'
import { pathsOf } from '../../lib/paths.js'
import { aContext } from '../support/a-context.js'

const ID = '0123456789abcdef'
const OTHER = 'fedcba9876543210'
const PATHS = pathsOf('/s.pid', 'h')

t.test('a claim says in its name all that is needed to judge it', async (t) => {
  const name = basename(claimPath(PATHS, ID, { pid: 4321, start: '987654', group: 4320 }))
  t.equal(name, `${ID}.4321.987654.4320.claim`)
  t.same(parseListing(PATHS, [name]), {
    launches: [{ id: ID, leader: { pid: 4321, start: '987654', group: 4320 }, ready: false, unattended: false, pinned: false, ended: false }], leases: [], outcomes: [], orphans: [], traces: [],
  })
})

t.test('the marks of a launch are read from beside its claim', async (t) => {
  const claim = `${ID}.7.5.7.claim`
  const named = (mark: 'gate' | 'ready' | 'unattended' | 'ended' | 'outcome') => basename(markPath(PATHS, ID, mark))
  t.match(parseListing(PATHS, [claim, named('ready')]).launches, [{ ready: true, unattended: false, ended: false }])
  t.match(parseListing(PATHS, [named('unattended'), claim, named('ended')]).launches, [{ ready: false, unattended: true, ended: true }])
  t.match(parseListing(PATHS, [claim, `${OTHER}.ready`]).launches, [{ ready: false }], "another launch's are not its own")
  t.same(parseListing(PATHS, [claim, named('outcome')]).outcomes, [ID])
})

t.test('marks without a claim are orphans, an outcome is not: it outlives its claim', async (t) => {
  const names = ['gate', 'ready', 'unattended', 'ended', `${OTHER}.ending`].map((mark) => `${ID}.${mark}`)
  t.same(parseListing(PATHS, [...names, `${ID}.outcome`]), { launches: [], leases: [], outcomes: [ID], orphans: names, traces: [] })
  t.same(parseListing(PATHS, [...names, `${ID}.7.5.7.claim`]).orphans, [])
})

t.test('what a process leaves while it writes or waits bears its name', async (t) => {
  const temp = basename(await tempPath(system, PATHS))
  t.not(temp, basename(await tempPath(system, PATHS)), 'each is another')
  const locking = `${OTHER}.8.9.locking`
  t.same(parseListing(PATHS, [temp, locking]).traces, [{ name: temp, process: await system.self() }, { name: locking, process: { pid: 8, start: '9' } }])
})

t.test('a wait says in its name who waits for which launch, and until when', async (t) => {
  const name = basename(waitPath(PATHS, OTHER, ID, { pid: 8, start: '9' }, 12_345.9))
  t.equal(name, `${OTHER}.${ID}.8.9.12345.wait`)
  const trace = { name, process: { pid: 8, start: '9' }, waits: { launchId: ID, until: 12_345 } }
  t.match(parseListing(PATHS, [name, `${ID}.7.5.7.claim`]), { traces: [trace], orphans: [], leases: [] })
  t.same(parseListing(PATHS, [name]).orphans, [name], 'without its launch it is a leftover')
  t.same(marksOf(ID, [name]), [name], 'and goes with its launch')
  t.same(marksOf(OTHER, [name]), [])
  t.throws(() => parseListing(PATHS, [`${name}2`]), { code: 'STATE_NEWER' })
  for (const other of [`${OTHER}.8.9.12345.wait`, `${OTHER}.${ID}.8.9.wait`, `${OTHER}.${ID}.8.9.1e9.wait`]) t.same(parseListing(PATHS, [other]).traces, [], other)
})

t.test('names that are not ours are nothing', async (t) => {
  const names = [
    'readme', '.claim', `${ID}.claim`, `${ID}.7.claim`, `${ID}.0.5.claim`, `${ID}.07.5.claim`, `${ID}.7.x.claim`, `${ID}.7.5.7.claim.bak`, `x${ID}.7.5.7.claim`,
    `${ID.slice(1)}.7.5.7.claim`, `${ID.toUpperCase()}.7.5.7.claim`, `${ID}.ready.bak`, `${ID}.unknown`, `${ID}.x.ending`, `${ID}.7.5.tmp.bak`,
  ]
  t.same(parseListing(PATHS, names), { launches: [], leases: [], outcomes: [], orphans: [], traces: [] })
})

t.test('a name of a newer format stops the reader', async (t) => {
  for (const name of [`${ID}.7.5.7.claim2`, `${ID}.ready3`, `${ID}.outcome12`, `x.lease2`]) {
    t.throws(() => parseListing(PATHS, [`${ID}.7.5.7.claim`, name]), { code: 'STATE_NEWER', message: new RegExp(`^/s\\.pid\\.d/h/${name} `) }, name)
  }
})

t.test('the marks of one launch are told without its outcome and without those of others', async (t) => {
  const own = [`${ID}.gate`, `${ID}.ready`, `${ID}.pin`, basename(endingPath(PATHS, ID, OTHER, 'ending')), basename(endingPath(PATHS, ID, OTHER, 'idle')), `${OTHER}.${ID}.7.5.lease`, `${OTHER}.${ID}.8.5.watch`, `${ID}.ended`]
  const names = [...own, `${ID}.outcome`, `${ID}.7.5.7.claim`, `${OTHER}.ready`, `${OTHER}.${ID}.ending`, `${ID}.7.5.tmp`, `${ID}.${OTHER}.7.5.lease`]
  t.same(marksOf(ID, names), own)
  t.same(endingsOf(ID, names, 'ending'), [`${ID}.${OTHER}.ending`])
  t.same(endingsOf(ID, names, 'idle'), [`${ID}.${OTHER}.idle`])
})

t.test('claims are listed from disk, and believed only where nobody else can write', async (t) => {
  const { paths } = await aContext(t)
  writeFileSync(claimPath(paths, ID, { pid: 7, start: '5', group: 7 }), '')
  mkdirSync(join(paths.folder, 'another-host'))
  writeFileSync(join(paths.folder, 'another-host', `${OTHER}.7.5.7.claim`), '')
  t.match((await listClaims({ system, paths })).launches, [{ id: ID }], "another host's are not judged")
  for (const folder of [paths.host, paths.folder]) {
    chmodSync(folder, 0o777)
    await t.rejects(listClaims({ system, paths }), { code: 'STATE_UNUSABLE', message: `${folder}: may be written to by other users` })
    chmodSync(folder, 0o700)
  }
  t.same((await listClaims({ system, paths: pathsOf('/nowhere/s.pid', 'h') })).launches, [], 'no folder holds no claims')
})
