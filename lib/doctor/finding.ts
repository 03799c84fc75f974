/**
 * What is said of one thing. `note` is what explains something or heals at the next call; `problem` is what
 * somebody has to do something about, and it alone makes the exit code 1.
 *
 * All of it may end up in a public bug report, so neither `text` nor `data` has a value that could be secret:
 * of headers and variables the names, of a URL no user, password or query, of an output not a line.
 */
export type Level = 'ok' | 'note' | 'problem'

export interface Finding {
  readonly topic: string
  readonly level: Level
  readonly text: string
  /** What can be done about it. */
  readonly advice?: string
  /** The same for a program. */
  readonly data?: object
}

export const finding = (topic: string, level: Level, text: string, { advice, data }: Pick<Finding, 'advice' | 'data'> = {}): Finding =>
  ({ topic, level, text, ...(advice === undefined ? {} : { advice }), ...(data === undefined ? {} : { data }) })

/** What went wrong while it was looked at. An error of ours has a hint. */
export const failed = (topic: string, error: unknown): Finding => {
  const { message, hint } = error as { message?: string; hint?: string }
  return finding(topic, 'problem', (message ?? String(error)).split('\n', 1)[0]!, { advice: hint ?? 'This could not be looked at. If nothing explains it, please report it with this output.' })
}

/** Runs one look; whatever stands in its way is a finding, too. */
export const examined = async (topic: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> => {
  try {
    return await look()
  } catch (error) {
    return [failed(topic, error)]
  }
}
