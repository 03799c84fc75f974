/**
 * A folder for one test. Its name is short, because the lock and the PID file derive from it; its path
 * is the real one, because a child process reports its own working directory that way.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** A new, empty folder, removed when the test ends. */
export const tempFolder = (t: Pick<Test, 'teardown'>): string => {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'os-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}
