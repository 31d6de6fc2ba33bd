// Drives `cloudevents` for JavaScript: each event in binary and in structured mode, and all in a batch.
// The SDK makes messages and leaves sending them to the application: this one sends again what was not taken.

import { setTimeout as sleep } from 'node:timers/promises'
import { calls, endpoint, given, run, sdk, seed } from './drive.mjs'

const { CloudEvent, HTTP, Mode, emitterFor } = sdk('cloudevents')
const SOURCE = '/tests/cloudevents-js'

const events = (mode) =>
  calls('events.json').map(({ id, data, ...attributes }, index) => {
    const event = {
      id: `${id}-${mode}`,
      type: 'sdk_event',
      source: SOURCE,
      time: `2026-11-22T20:07:${10 + index}.123Z`,
      datacontenttype: 'application/json',
      ...attributes,
      data,
    }
    given({ mode, ...event })
    return new CloudEvent(event)
  })

// Sends a message until it is taken.
const post = async ({ headers, body }) => {
  for (;;) {
    const reply = await fetch(`${endpoint}/v1/events`, { method: 'POST', headers, body }).catch(() => undefined)
    if (reply?.status === 200) return reply.json()
    if (reply && ![429, 503].includes(reply.status)) {
      throw new Error(`${reply.status}: ${await reply.text()}`)
    }
    await sleep(1000 * (reply?.headers.get('retry-after') ?? 0.05))
  }
}

run(async () => {
  for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
    const emit = emitterFor(post, { binding: HTTP, mode })
    for (const event of events(mode)) await emit(event)
  }
  await post({ headers: { 'content-type': 'application/cloudevents-batch+json' }, body: JSON.stringify(events('batch')) })
  // An id that the SDK makes.
  const event = new CloudEvent({ type: 'sdk_event', source: SOURCE, data: { text: `made ${seed}` } })
  given({ mode: 'made', id: event.id, type: event.type, source: event.source, time: event.time, data: event.data })
  await emitterFor(post, { binding: HTTP, mode: Mode.STRUCTURED })(event)
})
