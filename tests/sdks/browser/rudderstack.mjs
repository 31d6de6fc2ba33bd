// @rudderstack/analytics-js, the bundled entry: one request an event, batches (`mode=batch`), or beacons (`mode=beacon`).

import { RudderAnalytics } from '@rudderstack/analytics-js/bundled'
import { endpoint, given, key, last, mode, run } from './page.mjs'

const analytics = new RudderAnalytics()
analytics.load(key, endpoint, {
  configUrl: endpoint,
  logLevel: 'ERROR',
  useBeacon: mode === 'beacon',
  beaconQueueOptions: { flushQueueInterval: 500 },
  queueOptions: { minRetryDelay: 100, batch: { enabled: mode === 'batch', maxItems: 5, flushInterval: 500 } },
})

// The options' other members become part of the context; a message's id is the SDK's own.
const options = ({ timestamp, anonymousId, context }) => ({ originalTimestamp: timestamp, anonymousId, ...context })

const methods = {
  identify: (call, done) => analytics.identify(call.userId, call.traits, options(call), done),
  track: (call, done) => analytics.track(call.event, call.properties, options(call), done),
  page: (call, done) => analytics.page(call.category, call.name, call.properties, options(call), done),
  group: (call, done) => analytics.group(call.groupId, call.traits, options(call), done),
  alias: (call, done) => analytics.alias(call.userId, call.previousId, options(call), done),
}

// It leaves members out that are null.
const withoutNulls = (value) => {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (value === null || typeof value !== 'object') return value
  const members = Object.entries(value).filter(([, member]) => member !== null)
  return Object.fromEntries(members.map(([name, member]) => [name, withoutNulls(member)]))
}

const note = (call) => (message) => {
  const { messageId, userId, anonymousId, originalTimestamp } = message
  given(withoutNulls({ ...call, messageId, userId, anonymousId, timestamp: originalTimestamp }))
}

const make = (call) =>
  new Promise((resolve) => {
    // It has no screens.
    if (!methods[call.type]) return resolve()
    methods[call.type](structuredClone(call), (message) => {
      note(call)(message)
      resolve()
    })
  })

run(make, () => {
  for (const call of last()) methods[call.type](structuredClone(call), note(call))
})
