// What the pages of all SDKs share. The address says where events go, under which key, and how:
//
//     /page.html?sdk=segment&endpoint=http://127.0.0.1:8080&key=KEY&seed=SEED&mode=MODE

const query = new URLSearchParams(location.search)
export const [endpoint, key, seed, mode, sdk] = ['endpoint', 'key', 'seed', 'mode', 'sdk'].map((name) => query.get(name))

// Notes what was given to the SDK, for the driver to read. The browser's own name is what SDKs send, whatever they are told.
export const given = (call) =>
  window.given.push(JSON.parse(JSON.stringify(call, (name, value) => (name === 'userAgent' ? undefined : value))))

// The calls to make.
const calls = async () => (await (await fetch(`/calls?sdk=${sdk}&seed=${seed}`)).json())

// Some calls more, which come while the page is being left.
export const last = () =>
  Array.from({ length: 3 }, (_, index) => ({
    type: 'track',
    messageId: `${seed}-last-${index}`,
    event: 'Page Left',
    properties: { index },
  }))

// Makes all calls with `make`; the driver calls `window.leave()` just before it leaves the page.
export const run = async (make, leave) => {
  window.leave = leave
  for (const call of await calls()) await make(call)
  window.made = true
}
