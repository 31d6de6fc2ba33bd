// What every driver in JavaScript shares: the SDKs' packages, the calls to make, and an end in bounded time.
//
//     node tests/sdks/NAME.mjs ENDPOINT WRITEKEY SEED
//
// prints what it gave to the SDK, one JSON object a call, and exits with 0 once the SDK says that all is delivered.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const DEADLINE_MS = 60_000
const here = dirname(fileURLToPath(import.meta.url))
const target = process.env.CARGO_TARGET_DIR ?? join(here, '../../target')

// Where scripts/setup.sh has put the packages.
export const sdks = resolve(process.env.HEADGATE_SDKS ?? join(target, 'sdks'))
export const sdk = createRequire(join(sdks, 'package.json'))

export const [endpoint, writeKey, seed] = process.argv.slice(2)
if (!seed) {
  console.error('usage: node NAME.mjs ENDPOINT WRITEKEY SEED')
  process.exit(64)
}

// The calls of a file here; ids are other ones for another seed.
export const calls = (name) => JSON.parse(readFileSync(join(here, name), 'utf8').replaceAll('{seed}', seed))

// Some hundred calls more, which no SDK sends in one request.
export const batches = () =>
  Array.from({ length: 250 }, (_, index) => ({
    type: 'track',
    messageId: `${seed}-many-${index}`,
    userId: `u-${index % 7}`,
    event: 'One of Many',
    properties: { index, text: 'x'.repeat(index) },
    timestamp: new Date(Date.UTC(2026, 10, 22, 20, 8, 0, index)).toISOString(),
  }))

// Notes what was given to the SDK.
export const given = (call) => console.log(JSON.stringify(call))

// Runs a driver; what it throws, or a minute that is over, is a failure.
export const run = (main) => {
  setTimeout(() => {
    console.error(`not delivered within ${DEADLINE_MS} ms`)
    process.exit(3)
  }, DEADLINE_MS).unref()
  main().catch((error) => {
    console.error(error)
    process.exit(1)
  })
}
