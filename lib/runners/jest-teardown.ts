/** The file that Jest runs as the global teardown: it takes that, too, by the name of a file. */
import { globalTeardown } from './jest.js'

export default globalTeardown
