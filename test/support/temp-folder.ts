/**
 * A folder for one test. Its name is short, because the lock and the PID file derive from it; its path
 * is the real one, because a child process reports its own working directory that way.
 */
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { until } from './until.js'

/** A new, empty folder, removed when the test ends. */
export const tempFolder = (t: Pick<Test, 'teardown'>): string => {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'os-'))
  // A watchdog that ends last may still write, so what it writes is removed as well.
  const isRemoved = (): boolean => {
    try {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
      return false
    }
  }
  t.teardown(() => isRemoved() || until(isRemoved, `${folder} to be left alone`))
  return folder
}

/** Waits until no server, lease or watchdog has a file in a folder of states: until then their processes may write there. */
export const untilUnused = async (folder: string): Promise<void> => {
  const inUse = (): boolean => {
    try {
      return readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((name) => /\.(claim|lease|watch|tmp|locking)$/.test(name))
    } catch {
      // A folder in it has gone while it was listed; or the whole, which nothing uses then.
      return existsSync(folder)
    }
  }
  await until(() => !inUse(), 'the servers and their watchdogs to end')
}
