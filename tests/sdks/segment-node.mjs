// Drives `@segment/analytics-node`.

import { batches, calls, endpoint, given, run, sdk, writeKey } from './drive.mjs'

const { Analytics } = sdk('@segment/analytics-node')

run(async () => {
  const analytics = new Analytics({ writeKey, host: endpoint })
  const failures = []
  analytics.on('error', (error) => failures.push(error))
  const send = (call) =>
    new Promise((resolve) => {
      // SDKs may write into what they are given.
      const { type, timestamp, ...params } = structuredClone(call)
      // The callback comes when the event is delivered, or given up.
      analytics[type]({ ...params, ...(timestamp && { timestamp: new Date(timestamp) }) }, (error, context) => {
        if (error) failures.push(error)
        given({ ...call, messageId: context?.event.messageId })
        resolve()
      })
    })
  const sent = [...calls('calls.json'), ...batches()].map(send)
  await analytics.closeAndFlush({ timeout: 55_000 })
  await Promise.all(sent)
  if (failures.length) throw failures[0]
})
