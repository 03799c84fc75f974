/** The verdict on one process: dead is only what is shown to be dead. */
import t from 'tap'
import { judge } from '../../lib/system/system.js'

t.test('unknown is neither dead nor alive, and alive is PID and start time', async (t) => {
  const process = { pid: 7, start: '100' }
  t.equal(judge(process, { state: 'gone' }), 'dead')
  t.equal(judge(process, { state: 'zombie', start: '100', isThread: false }), 'dead')
  t.equal(judge(process, { state: 'hidden' }), 'unknown')
  t.equal(judge(process, { state: 'running', start: '100', isThread: false }), 'alive')
  t.equal(judge(process, { state: 'stopped', start: '100', isThread: false }), 'alive')
  t.equal(judge(process, { state: 'running', start: '101', isThread: false }), 'dead', 'another process has the number now')
})
