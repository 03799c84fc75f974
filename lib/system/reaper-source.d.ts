/** The program of `lib/reaper.ts`, bundled and packed; its text unpacks itself. Written by `lib/bundle.mjs` when the package is built. */
export declare const reaperSource: string
