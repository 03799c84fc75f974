/**
 * A client that hands its lease over is killed or frozen on the way: `run` before and after it becomes its command, and `hold --pid`. `npm run
 * soak` has each call of the whole client, in each order with others.
 */
import t from 'tap'
import { withExecve } from '../support/execve.js'
import { killLeases } from '../support/kill-leases.js'

t.test('run that becomes its command is killed, and nobody comes', withExecve, async (t) => {
  await killLeases(t, { victim: 'command', action: 'SIGKILL', others: 'wait', thawed: 'soon', every: 3, part: 'handing over' })
})

t.test('it is frozen, and thawed when the lease of another has ended', withExecve, async (t) => {
  await killLeases(t, { victim: 'command', action: 'SIGSTOP', others: 'leave', thawed: 'soon', every: 4, part: 'handing over' })
})

t.test('hold --pid is killed beside the next lease', async (t) => {
  await killLeases(t, { victim: 'hold-pid', action: 'SIGKILL', others: 'come', thawed: 'soon', every: 4, part: 'handing over' })
})
