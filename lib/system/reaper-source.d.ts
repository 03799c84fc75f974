/** The text of `lib/reaper.ts`, bundled. Written by `lib/bundle.mjs` when the package is built. */
export declare const reaperSource: string
