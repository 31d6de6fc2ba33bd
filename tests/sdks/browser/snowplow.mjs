// @snowplow/browser-tracker: POST with Base64, or GET without (`mode=get`). What failed is sent again with a later event:
// the driver calls `window.flush()`.

import {
  flushBuffer,
  newTracker,
  setUserId,
  trackPageView,
  trackSelfDescribingEvent,
  trackStructEvent,
} from '@snowplow/browser-tracker'
import { endpoint, given, mode, run, seed } from './page.mjs'

const namespace = `browser-${mode}`
let current
newTracker(namespace, endpoint, {
  appId: 'tests',
  eventMethod: mode,
  encodeBase64: mode === 'post',
  keepalive: true,
  // Each page of the tests has its own endpoint, and they share the store.
  plugins: [{ afterTrack: ({ eid }) => given({ ...current, method: mode, id: eid, userId: `u-${seed}`, namespace }) }],
})
setUserId(`u-${seed}`)

const methods = {
  page_view: ({ title, ...rest }) => trackPageView({ title, ...rest }),
  struct: (call) => trackStructEvent(call),
  self_describing: ({ schema, data, ...rest }) => trackSelfDescribingEvent({ event: { schema, data }, ...rest }),
}

const make = ({ contexts, timestamp, url, referrer, ...call }) => {
  // The page's own address and referrer are what it sends.
  current = { ...call, contexts, timestamp }
  methods[call.type]({ ...call, context: contexts, timestamp: timestamp && { type: 'ttm', value: timestamp } })
}

window.flush = () => flushBuffer()
run(make, () => {
  for (let index = 0; index < 3; index += 1) make({ type: 'struct', category: 'page', action: 'left', value: index })
})
