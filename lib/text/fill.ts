/**
 * `{port}` and `{host}` in a word of a command or in a value of `env`: one-server may choose the port, so no caller knows it before. A
 * name in braces that is none of these stays as it is, since programs have braces of their own.
 */
export const fill = (text: string, { host, port }: { readonly host: string; readonly port: number }): string =>
  text.replaceAll('{port}', String(port)).replaceAll('{host}', host)
