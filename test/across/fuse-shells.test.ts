/** The fuse in each shell that may be /bin/sh somewhere. A shell that is not installed here is skipped by name. */
import { spawnSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isAlive, onLinux, processesIn } from '../support/processes.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'
import { newLaunchId, startFused, zombiesOf } from './fused.js'

/** By what each shell is started. */
const SHELLS: Readonly<Record<string, string>> = {
  dash: 'dash', bash: 'bash', ksh: 'ksh', mksh: 'mksh', yash: 'yash --posix', zsh: 'zsh --emulate sh', busybox: 'busybox sh',
}

for (const [name, words] of Object.entries(SHELLS)) {
  const isThere = spawnSync(words.split(' ')[0]!, ['-c', ':'], { stdio: 'ignore' }).error === undefined
  t.test(`in ${name}`, { skip: onLinux.skip || (isThere ? false : `${name} is not installed`) }, async (t) => {
    const shell = join(tempFolder(t), 'sh')
    // Under its own name bash takes a socket as stdin for a login over the network, and reads what the user has set up.
    if (name === 'bash') symlinkSync('/bin/bash', shell)
    else writeFileSync(shell, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 })
    const launch = newLaunchId()
    const fused = await startFused(t, launch, shell)
    const server = await fused.runs('sleep', ['600'], { env: { ONE_SERVER_LAUNCH_ID: launch }, detached: true })
    t.equal(await fused.ask('many 20'), 'armed')
    process.kill(-fused.pid, 'SIGTERM')
    // ksh has a sleep of its own, so there is no process of that name.
    await until(() => processesIn(fused.pid).length === 4 && zombiesOf(fused.pid) <= 4, 'one timer to be left, and the last zombies')
    t.equal(await fused.ask('arm 600'), 'armed')
    fused.child.kill('SIGSTOP')
    await until(() => processesIn(fused.pid).length === 0, 'all of the group to end')
    await until(() => !isAlive(server), 'the server that has left the group to end')
  })
}
