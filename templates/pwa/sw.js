// The service worker. Fresh data first: pages always come from the network. Kept are only files whose address holds
// their fingerprint, and one page that says there is no network. Nothing that belongs to a person is ever kept.

const CONFIG = {{ config|safe }}
const CACHE = `chargescape-${CONFIG.version}`
const FINGERPRINT = /\.[0-9a-f]{12}\.\w+$/
const MOST_KEPT = 60

self.addEventListener("install", event => {
  // The first begins at once. A later one (other words, another release) waits until the pages of the one before are
  // closed: taking over in the middle of a navigation leaves that page hanging in Chromium.
  event.waitUntil(keep().then(() => self.registration.active ? undefined : self.skipWaiting()))
})

async function keep () {
  const cache = await caches.open(CACHE)
  // Without cookies: what is kept must be the same for everybody.
  await cache.addAll(CONFIG.kept.map(url => new Request(url, { cache: "reload", credentials: "omit" })))
}

self.addEventListener("activate", event => {
  event.waitUntil(dropOld().then(() => self.clients.claim()))
})

async function dropOld () {
  const names = await caches.keys()
  await Promise.all(names.filter(name => name.startsWith("chargescape-") && name !== CACHE).map(name => caches.delete(name)))
}

self.addEventListener("fetch", event => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== "GET" || url.origin !== self.location.origin) return
  if (url.pathname.startsWith(CONFIG.static)) event.respondWith(fromCacheFirst(request, url))
  else if (request.mode === "navigate") event.respondWith(fetch(request).catch(offline))
})

async function fromCacheFirst (request, url) {
  const cache = await caches.open(CACHE)
  const isFingerprinted = FINGERPRINT.test(url.pathname)
  if (isFingerprinted) {
    const kept = await cache.match(request)
    if (kept) return kept
  }
  try {
    const answer = await fetch(request)
    if (isFingerprinted && answer.ok) await keepOne(cache, request, answer.clone())
    return answer
  } catch (error) {
    const kept = await cache.match(request)
    if (kept) return kept
    throw error
  }
}

async function keepOne (cache, request, answer) {
  if ((await cache.keys()).length < MOST_KEPT) await cache.put(request, answer)
}

async function offline () {
  const cache = await caches.open(CACHE)
  return (await cache.match(CONFIG.offline)) || Response.error()
}

self.addEventListener("push", event => {
  event.waitUntil(tell(event.data))
})

async function tell (data) {
  const message = data ? data.json() : {}
  await self.registration.showNotification(message.title || "ChargeScape", {
    body: message.body || "",
    tag: message.tag,
    lang: message.lang,
    icon: CONFIG.icon,
    badge: CONFIG.badge,
    data: { url: message.url || CONFIG.home, actions: (message.actions || []).map(one => one.url) },
    actions: (message.actions || []).map((one, index) => ({ action: String(index), title: one.title }))
  })
}

self.addEventListener("notificationclick", event => {
  event.notification.close()
  const { url, actions } = event.notification.data
  event.waitUntil(show(event.action === "" ? url : actions[Number(event.action)] || url))
})

// Only pages of ours are opened, in a window that is already there where one is.
async function show (target) {
  const url = new URL(target, self.location.origin)
  if (url.origin !== self.location.origin) return
  const windows = await self.clients.matchAll({ type: "window" })
  const open = windows.find(one => one.url === url.href)
  if (open) await open.focus()
  else await self.clients.openWindow(url.href)
}
