/** The record: what is read back is what was written, and what is not whole or not ours is told apart from it. */
import t from 'tap'
import { FORMAT, parseRecord } from '../../lib/state/launch-record.js'
import { aRecord } from '../support/a-record.js'

const without = (name: string): object => Object.fromEntries(Object.entries(aRecord()).filter(([key]) => key !== name))

t.test('what was written is read back, and what is added is ignored', async (t) => {
  t.same(parseRecord(JSON.stringify(aRecord())), aRecord())
  t.match(parseRecord(JSON.stringify({ ...aRecord(), ofTomorrow: 1 })), aRecord())
  const configured = { name: 'api', folder: '/checkout' }
  t.match(parseRecord(JSON.stringify({ ...aRecord(), configured })), { configured })
})

t.test('a record that was cut short anywhere is known as one', async (t) => {
  const line = JSON.stringify(aRecord())
  const wrong = Array.from(line, (_, length) => line.slice(0, length)).filter((part) => parseRecord(part) !== 'cut-short')
  t.same(wrong, [])
})

t.test('a newer format is never judged, whatever else stands in it', async (t) => {
  t.equal(parseRecord(JSON.stringify({ ...aRecord(), format: FORMAT + 1 })), 'newer')
  t.equal(parseRecord(JSON.stringify({ format: FORMAT + 1 })), 'newer')
})

t.test('what is something else is foreign', async (t) => {
  for (const text of ['hello', '5', '[]', 'null', '"x"', '{}', '{"format":"1"}', '{"format":1}']) t.equal(parseRecord(text), 'foreign', text)
})

/** Not every platform has it, and it need not be there to follow the launch. */
const OPTIONAL = ['keeper']

t.test('a record in which one field is missing is foreign', async (t) => {
  for (const name of Object.keys(aRecord()).filter((one) => !OPTIONAL.includes(one))) t.equal(parseRecord(JSON.stringify(without(name))), 'foreign', name)
})

t.test('a record in which one field is no such thing is foreign', async (t) => {
  const cases: Record<string, readonly unknown[]> = {
    launch: ['', 'xyz', '0123456789ABCDEF', '0123456789abcde', '../6789abcdef0123'],
    host: [5], start: ['', '12x', '-1', 12], logFile: [null], since: [5], identity: [5, null, { command: [1], cwd: '', env: {} }, { command: [], cwd: '', env: { A: 1 } }, { command: [], cwd: '', env: {}, version: 1 }],
    // PID 1, 0 and negative numbers mean something else to kill(2).
    pid: [1, 0, -1, 1.5, '7', 2 ** 60], port: [0, 65_536, 80.5, '80'],
    health: [null, {}, { urls: [], headers: {} }, { urls: ['file:///etc/passwd'], headers: {} }, { urls: ['http://'], headers: {} }, { urls: ['http://h/'], headers: { a: 1 } }, { urls: ['http://h/'] }],
    launcher: [null, 5, { pid: 0, start: '5' }, { pid: 7, start: 'x' }],
    deadline: [-1, 'x', null], startupTimeout: ['5'], healthTimeout: [null], healthCheckInterval: [-1], stopTimeout: [{}],
    stopSignal: ['TERM', '', 15, 'SIG TERM'],
    configured: [null, 5, 'api', {}, { name: 'api' }, { name: 'api', folder: 5 }],
  }
  for (const [name, values] of Object.entries(cases)) {
    for (const value of values) t.equal(parseRecord(JSON.stringify({ ...aRecord(), [name]: value })), 'foreign', `${name}: ${JSON.stringify(value)}`)
  }
})
