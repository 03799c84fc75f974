/** The steward as one text, which the build makes (lib/bundle.mjs). */
export const stewardSource: string
