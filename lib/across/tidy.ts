/**
 * What is left of a steward that ends by itself, since no host uses its server. It is the leader of its launch, so it cannot see its own
 * death, and a claim goes only after that. So it leaves a process behind that sees it, and cleans up as the next call would. That process is
 * none of the launch: it has no id, no descriptor and no group of it. Where it dies, the next call does its work.
 */
import { spawn } from 'node:child_process'
import { contextOf } from '../context.js'
import { Deadline } from '../deadline.js'
import { nodeSystem } from '../node-system.js'
import { settingsFrom } from '../options/settings.js'
import { cleanUp } from '../protocol/clean-up.js'
import { survey } from '../protocol/survey.js'
import { withLock } from '../state/lock.js'
import { judge, type ProcessId } from '../system/system.js'
import { CODE } from './settings.js'

/** The steward has nothing left to do, and ends right after this. */
export const leaveTidier = ({ pid, start }: ProcessId, pidFile: string): void => {
  const { PATH, HOME, [CODE]: code } = process.env
  // Inside Electron, Node is the editor unless this is set.
  const env = { PATH, HOME, [CODE]: code, ELECTRON_RUN_AS_NODE: '1' }
  const words = ['-e', `eval(process.env.${CODE})`, 'tidy', pidFile, String(pid), start]
  spawn(process.execPath, words, { env, cwd: '/', detached: true, stdio: 'ignore' }).on('error', () => {}).unref()
}

/** Looks for the end of a steward, and the ms between two. */
const LOOKS = 500
const PAUSE = 20

export const tidy = async (pidFile: string, steward: ProcessId): Promise<void> => {
  const context = { ...(await contextOf(settingsFrom({ pidFile }), nodeSystem)), inside: undefined }
  const { system, paths } = context
  for (let looks = 0; looks < LOOKS && judge(steward, await system.look(steward.pid)) !== 'dead'; looks++) await system.sleep(PAUSE)
  await withLock(system, paths, new Deadline(system, LOOKS * PAUSE), async () => cleanUp(context, await survey(context)))
}
