/**
 * Which copy of the library this is: where it lies, and which of its two builds serves the process. A process can load one
 * copy twice, as an ES module and as CommonJS. Two builds that knew nothing of each other would start two launches at once,
 * and an error of one would be no `OneServerError` of the other; so the build that comes second hands out what the first one has.
 *
 * Other copies stay apart, even of the same version: each loads its cold files from its own folder, and an extension that is
 * removed takes its folder with it. A build that is loaded again stays apart, too (a test runner resets its modules, a
 * development server reloads a bundle): its files may have changed.
 */

/**
 * Where the library lies, `session-server.js` beside it. A CommonJS bundle has no `import.meta`; an ES module has no `__dirname` of its
 * own, and below `node --eval` sees that of the program, which is the working folder.
 */
export const libraryFolder: string = import.meta.dirname ?? __dirname

/** Where the builds find each other. */
const BUILDS = Symbol.for('one-server')

export type Format = 'esm' | 'cjs'

/** Returns what this build is to export: `own`, or what the other build of this copy exports if it was loaded first. */
export const firstBuild = <Exports>(format: Format, version: string, own: Exports): Exports => {
  const builds: Map<string, Exports> = ((globalThis as { [BUILDS]?: Map<string, Exports> })[BUILDS] ??= new Map())
  const keyOf = (which: Format): string => `${which} ${version} ${libraryFolder}`
  const other = builds.get(keyOf(format === 'esm' ? 'cjs' : 'esm'))
  if (other === undefined) builds.set(keyOf(format), own)
  return other ?? own
}
