// @segment/analytics-next: one request an event, or batches (`mode=batching`).

import { AnalyticsBrowser } from '@segment/analytics-next'
import { endpoint, given, key, last, mode, run } from './page.mjs'

const { host, protocol } = new URL(endpoint)
const batching = { strategy: 'batching', config: { size: 5, timeout: 200 } }
const analytics = AnalyticsBrowser.load(
  // Its settings are asked for there too.
  { writeKey: key, cdnURL: endpoint },
  {
    integrations: {
      'Segment.io': {
        apiHost: `${host}/v1`,
        protocol: protocol.replace(':', ''),
        ...(mode === 'batching' && { deliveryStrategy: batching }),
      },
    },
  },
)

const options = ({ messageId, timestamp, anonymousId, context }) => ({ messageId, timestamp, anonymousId, context })

const methods = {
  identify: (call) => analytics.identify(call.userId, call.traits, options(call)),
  track: (call) => analytics.track(call.event, call.properties, options(call)),
  page: (call) => analytics.page(call.category, call.name, call.properties, options(call)),
  screen: (call) => analytics.screen(call.category, call.name, call.properties, options(call)),
  group: (call) => analytics.group(call.groupId, call.traits, options(call)),
  alias: (call) => analytics.alias(call.userId, call.previousId, options(call)),
}

const make = async (call) => {
  // It writes into what it is given.
  const { event } = await methods[call.type](structuredClone(call))
  const { messageId, userId, anonymousId, timestamp } = event
  // Who it is from is the SDK's to say: the user whom it was told of last.
  given({ ...call, messageId, userId, anonymousId, timestamp })
}

run(make, () => {
  // Without a wait: there is no time left.
  for (const call of last()) {
    given(call)
    methods[call.type](structuredClone(call))
  }
})
