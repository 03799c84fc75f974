/** The JSON Schema of a config file, for editors: made from the table of keys by the build, never loaded at run time. */
import { KEYS, type Key } from './keys.js'
import { NAME } from '../options.js'

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
  // What editors of the VS Code family go by; to others they say nothing.
  allowComments: true,
  allowTrailingCommas: true,
  definitions: {
    server: {
      type: 'object',
      properties: Object.fromEntries(Object.entries<Key>(KEYS).map(([name, { text, schema: type }]) => [name, { description: text, ...type }])),
      additionalProperties: false,
      not: { required: ['command', 'serverScript'] },
    },
  },
})
