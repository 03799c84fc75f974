/** A launch record in which every field is valid; a test changes what it is about. */
import { FORMAT, type LaunchRecord } from '../../lib/state/launch-record.js'

export const aRecord = (changes: Partial<LaunchRecord> = {}): LaunchRecord => ({
  format: FORMAT, launch: '0123456789abcdef', host: 'here', pid: 4321, start: '987654', group: 4320, keeper: { pid: 4320, start: '987653' }, port: 3000,
  health: { urls: ['http://127.0.0.1:3000/api/health', 'https://[::1]:3000/api/health'], headers: { authorization: 'x' } },
  healthTimeout: 500, healthCheckInterval: 200, launcher: { pid: 4320, start: '987000' },
  deadline: 12_345.678, startupTimeout: 10_000, stopSignal: 'SIGTERM', stopTimeout: 5000, idleTimeout: 30_000,
  logFile: '/tmp/s.log', since: '2025-01-02T03:04:05.678Z', bundled: false, identity: { command: [], cwd: '/', env: {} }, ...changes,
})
