// Drives `@rudderstack/rudder-sdk-node`.

import { gunzipSync } from 'node:zlib'
import { batches, calls, endpoint, given, run, sdk, writeKey } from './drive.mjs'

const Analytics = sdk('@rudderstack/rudder-sdk-node')

run(async () => {
  const analytics = new Analytics(writeKey, { dataPlaneUrl: endpoint, logLevel: 'error' })
  const send = (call) =>
    new Promise((resolve, reject) => {
      const { type, timestamp, ...params } = structuredClone(call)
      // The callback comes when the event's batch is delivered, or given up; what it is told is the batch as it was sent.
      analytics[type]({ ...params, ...(timestamp && { timestamp: new Date(timestamp) }) }, (error, data) => {
        if (error) return reject(error)
        const { batch } = JSON.parse(gunzipSync(data))
        const sent = call.messageId ? call : batch.find((each) => each.type === type && each.userId === call.userId)
        given({ ...call, messageId: sent.messageId })
        resolve()
      })
    })
  const all = [...calls('calls.json'), ...batches()]
  const sent = all.map(send)
  // A flush sends one batch.
  for (let left = all.length; left > 0; left -= 20) await analytics.flush()
  await analytics.flush()
  await Promise.all(sent)
  process.exit(0)
})
