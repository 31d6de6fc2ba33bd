// Drives `@snowplow/node-tracker`: POST with Base64, and GET without.

import { setTimeout as sleep } from 'node:timers/promises'
import { calls, endpoint, given, run, sdk, seed } from './drive.mjs'

const { newTracker, buildPageView, buildSelfDescribingEvent, buildStructEvent } = sdk('@snowplow/node-tracker')

const build = {
  page_view: ({ url, title, referrer }) => buildPageView({ pageUrl: url, pageTitle: title, referrer }),
  struct: (call) => buildStructEvent(call),
  self_describing: ({ schema, data }) => buildSelfDescribingEvent({ event: { schema, data } }),
}

const send = async (method) => {
  let delivered = 0
  const failures = []
  const tracker = newTracker(
    { namespace: `node-${method}`, appId: 'tests', encodeBase64: method === 'post' },
    {
      endpoint,
      eventMethod: method,
      bufferSize: 5,
      onRequestSuccess: (events) => (delivered += events.length),
      onRequestFailure: (failure) => failure.willRetry || failures.push(failure),
    },
  )
  tracker.setUserId(`u-${seed}`)
  let tracked = 0
  const track = (call) => {
    const timestamp = call.timestamp && { type: 'ttm', value: call.timestamp }
    const payload = tracker.track(build[call.type](call), call.contexts, timestamp)
    given({ ...call, method, id: payload.eid, userId: `u-${seed}`, namespace: `node-${method}` })
    tracked += 1
  }
  for (const call of calls('snowplow.json')) track(call)
  for (let index = 0; index < 40; index += 1) track({ type: 'struct', category: 'many', action: 'one', value: index })
  // What failed is sent again by a later flush.
  while (delivered < tracked) {
    await tracker.flush()
    if (failures.length) throw new Error(JSON.stringify(failures[0]))
    await sleep(50)
  }
}

run(async () => {
  await send('post')
  await send('get')
})
