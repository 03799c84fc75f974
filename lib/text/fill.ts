/**
 * How a server, and a command beside it, learn where a server is: by `{port}` and `{host}` in their words, and by variables. The port may
 * be chosen by one-server, so no caller can write it down before.
 */

/**
 * `{port}` and `{host}` in a word of a command or in a value of `env`. A name in braces that is none of these stays as it is, since
 * programs have braces of their own.
 */
export const fill = (text: string, { host, port }: { readonly host: string; readonly port: number }): string =>
  text.replaceAll('{port}', String(port)).replaceAll('{host}', host)

/** All other characters of a name: a shell has none of them in the name of a variable. */
const OTHERS = /[^A-Z0-9]/g

/**
 * The variable by which a command, or a server that needs another one, finds a server by its name: `api-v2` is in ONE_SERVER_URL_API_V2.
 * So two names of servers may be one variable (config/needs.ts refuses them).
 */
export const variableOf = (name: string): string => `ONE_SERVER_URL_${name.toUpperCase().replace(OTHERS, '_')}`
