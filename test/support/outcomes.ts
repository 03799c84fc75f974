/** Outcomes that lie in a state folder: each is kept for as long as a client of its launch may wait, and goes with the next call. */
import { readFileSync, statSync } from 'node:fs'

/** ms that each is kept at least, and by which the clock of a file is coarse. */
const [LEAST, GRAIN] = [5000, 20]

/** Whether a client that looked at this wall-clock ms had to leave the outcome where it is. */
export const mayStay = (path: string, at: number): boolean => {
  try {
    const { kept } = JSON.parse(readFileSync(path, 'utf8')) as { kept: number }
    return statSync(path).mtimeMs + Math.max(LEAST, kept) > at - GRAIN
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
