/** A Mac, or a BSD, on which the questions are refused or mean something else: a start works, or says at once what is in its way. */
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../support/child.js'
import { client, fixture, place, resultOf } from '../support/clients.js'
import { noMac, onMac } from '../support/mac.js'

const GATE = '/bin/sh'

/** How a sandbox, a policy or a broken tool answers; `gates`: how many the client has tried. */
const REFUSALS = {
  'may not be run': { text: '', mode: 0o644, message: /^\/bin\/ps: cannot be run: permission denied \(EACCES\)$/, gates: 0 },
  'is not there': { text: undefined, mode: 0, message: /^\/bin\/ps: cannot be run: it does not exist \(ENOENT\)$/, gates: 0 },
  'fails without a word': { text: '#!/bin/sh\nexit 1\n', mode: 0o755, message: /^\/bin\/ps: does not show this process$/, gates: 0 },
  'says something else': { text: '#!/bin/sh\necho "usage: ps"\n', mode: 0o755, message: /^\/bin\/ps: does not show this process$/, gates: 0 },
  'shows each process itself alone': {
    text: '#!/bin/sh\nfor word; do test "$word" = "$PPID" && exec ps -p $PPID -o pid= -o pgid= -o stat= -o lstart=; done\nexit 1\n',
    mode: 0o755, message: /^PID \d+: when this child was started cannot be read$/, gates: 1,
  },
}

for (const [how, { text, mode, message, gates }] of Object.entries(REFUSALS)) {
  t.test(`a ps that ${how} ends a start at once, by name`, noMac, async (t) => {
    const mac = onMac(t, place(t))
    if (text === undefined) rmSync(join(mac.env['STAND_INS']!, 'ps'))
    else mac.standIn('ps', text, mode)
    const { error } = await client(t, mac, mac.options('healthy')).ended
    t.match(error, { code: 'STATE_UNUSABLE', message, hint: /sandbox/ })
    t.equal(mac.asked().filter(({ words }) => words.startsWith(GATE)).length, gates, 'and no gate after gate')
    t.equal(mac.starts().length, 0)
    t.same(mac.left().filter((name) => !name.endsWith('.d')), [], 'no claim, no lock and no PID file')
  })
}

/** strace can hold each unlinkat(2), which rm(1) makes and Node does not: so a gate is killed between its mkfifo and its rm. */
const HOLDING = ['-f', '-o', '/dev/null', '-e', 'trace=unlinkat', '-e', 'inject=unlinkat:delay_enter=10000000']
const canHold = noMac.skip === undefined && spawnSync('strace', [...HOLDING, 'true']).status === 0

t.test('a gate that is killed while it makes its stdin leaves nothing', { skip: canHold ? false : 'strace is not here, or not allowed' }, async (t) => {
  const mac = onMac(t, place(t))
  // It answers about the gate when that has made the FIFO.
  const made = `until ls ${mac.pidFile}.d/*/*.stdin >/dev/null 2>&1; do :; done`
  mac.standIn('ps', REFUSALS['shows each process itself alone'].text.replace('exit 1', `${made}; exit 1`))
  const { stdout, stderr } = await run(t, 'strace', [...HOLDING, process.execPath, fixture('client'), JSON.stringify(mac.options('healthy'))], { env: mac.env })
  t.match(stdout, /STATE_UNUSABLE/, stderr)
  t.same(mac.left().filter((name) => !name.endsWith('.d')), [], 'no name of a FIFO')
})

t.test('a sysctl that may not be run ends each call at once, by name', noMac, async (t) => {
  const mac = onMac(t, place(t))
  mac.standIn('sysctl', '', 0o644)
  const { error } = await client(t, mac, mac.options('healthy')).ended
  t.match(error, { code: 'STATE_UNUSABLE', message: /^\/usr\/sbin\/sysctl kern.bootsessionuuid: cannot be read: permission denied/, hint: /\/usr\/sbin\/sysctl/ })
  t.same(mac.left(), [])
})

t.test('a client finds the same processes whatever its PATH, locale, time zone and COMMAND_MODE are', noMac, async (t) => {
  const mac = onMac(t, place(t))
  const { info } = resultOf(await client(t, mac, mac.options('healthy'), { env: { TZ: 'Asia/Tokyo', LC_ALL: 'de_DE.UTF-8' } }).ended)
  const odd: Record<string, string>[] = [{ PATH: '/usr/bin:/bin' }, { PATH: '' }, { TZ: 'America/New_York' }, { COMMAND_MODE: 'legacy' }, { COLUMNS: '20' }]
  for (const env of odd) t.equal(resultOf(await client(t, mac, mac.options('healthy'), { env }).ended).info.pid, info.pid, JSON.stringify(env))
  t.equal(mac.starts().length, 1)
  await client(t, mac, mac.options('healthy'), { method: 'stopServer', env: { PATH: '/usr/bin:/bin' } }).ended
  mac.nothingLeft(t)
})

t.test('a BSD, whose ps has no -E and no lists, and whose host has no name of its boot', noMac, async (t) => {
  const mac = onMac(t, place(t), 'freebsd')
  mac.standIn('sysctl', '', 0o644)
  const { info } = resultOf(await client(t, mac, mac.options('escapes-group')).ended)
  t.equal(resultOf(await client(t, mac, mac.options('escapes-group')).ended).info.pid, info.pid)
  const { error } = await client(t, mac, mac.options('escapes-group'), { method: 'stopServer' }).ended
  t.equal(error, undefined)
  t.same(mac.asked().filter(({ words }) => / -E |,/.test(words)), [], 'neither -E nor a list')
  mac.nothingLeft(t)
})
