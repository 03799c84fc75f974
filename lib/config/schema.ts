/** The JSON Schema of a config file, for editors: the build makes it from the table of options, and nothing loads it at run time. */
import { NAME } from '../options/parse.js'
import { defaultOf, OPTIONS, type Row } from '../options/table.js'
import { KEYS } from './keys.js'

/** A sentence, with the default that holds for the key. */
const describe = (row: Row): string => {
  const words = row.inFile?.text ?? row.text
  const standard = row.inFile?.otherwise ?? defaultOf(row)
  return `${words[0]?.toUpperCase()}${words.slice(1)}.${standard === undefined ? '' : ` Default: ${standard}.`}`
}

/** The one key that is no option of a server: it is about others. */
const NEEDS = {
  description: 'Names of servers in this file that are started before this one, and leased with it.',
  type: 'array', items: { type: 'string', pattern: NAME.source },
}

const properties = (): object => Object.fromEntries([...KEYS].map(([key, option]) => {
  const row: Row = OPTIONS[option]
  return [key, { description: describe(row), ...row.schema }] as [string, object]
}).concat([['needs', NEEDS]]))

export const schema = (): object => ({
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'one-server.config.json',
  description: 'Servers by name, of which any number of clients share one each.',
  type: 'object',
  properties: {
    $schema: { type: 'string' },
    servers: {
      description: 'Each server by its name.', type: 'object',
      propertyNames: { pattern: NAME.source }, additionalProperties: { $ref: '#/definitions/server' },
    },
  },
  required: ['servers'],
  additionalProperties: false,
  // Editors of the VS Code family know these two; to others they say nothing.
  allowComments: true,
  allowTrailingCommas: true,
  definitions: {
    server: { type: 'object', properties: properties(), additionalProperties: false, not: { required: ['command', 'serverScript'] } },
  },
})
