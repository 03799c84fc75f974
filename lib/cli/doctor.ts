/**
 * `doctor`: all that shows of one server and its surroundings, in words with advice, or as one document for a bug report. It
 * changes nothing. The exit code tells whether something is wrong; what the next call repairs by itself is not.
 */
import { examine } from '../doctor/examine.js'
import type { Finding, Level } from '../doctor/finding.js'
import type { Request } from './arguments.js'
import type { Io, Output } from './output.js'
import { version } from './version.js'
import { onOneLine } from '../text/terminal-text.js'
import { wrap } from '../text/wrap.js'

const COLOURS = { ok: 'dim', note: 'yellow', problem: 'red' } as const

const LEVEL = 9
const TOPIC = 13
const MARGIN = ' '.repeat(LEVEL + TOPIC)

const lines = ({ topic, level, text, advice }: Finding, output: Output): string => {
  const first = wrap(onOneLine(text), output.width, `${level.padEnd(LEVEL)}${topic.padEnd(TOPIC)}`, MARGIN)
  const told = `${output.paint(COLOURS[level], first.slice(0, level.length))}${first.slice(level.length)}\n`
  return advice === undefined || level === 'ok' ? told : `${told}${wrap(onOneLine(advice), output.width, `${MARGIN}→ `, `${MARGIN}  `)}\n`
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

export const run = async ({ settings }: Request, output: Output, _: AbortSignal, { env }: Io): Promise<number> => {
  const findings = await examine(settings, { version: version(), env })
  const count = (level: Level): number => findings.filter((finding) => finding.level === level).length
  const summary = { problem: count('problem'), note: count('note'), ok: count('ok') }
  if (output.json) {
    const told = findings.map(({ topic, level, text, advice, data }) => ({ topic, level, text, advice, data }))
    await output.document({ pidFile: settings.pidFile, summary, findings: told })
  } else {
    const verdict = summary.problem === 0 ? 'nothing is wrong' : 'something is wrong'
    const counts = `${counted(summary.problem, 'problem')}, ${counted(summary.note, 'note')}, ${summary.ok} ok`
    await output.result(`${findings.map((finding) => lines(finding, output)).join('')}\n${verdict}: ${counts}\n`)
  }
  return summary.problem === 0 ? 0 : 1
}
