// Pushes for this browser: asks for leave when the owner presses the button, never before. Words come from the page.

const place = document.querySelector("[data-push]")
const state = place && place.querySelector("[data-push-state]")

function keyBytes (text) {
  const padded = (text + "=".repeat((4 - text.length % 4) % 4)).replace(/-/g, "+").replace(/_/g, "/")
  return Uint8Array.from(atob(padded), sign => sign.charCodeAt(0))
}

function show (name) {
  place.querySelectorAll("[data-push-when]").forEach(node => { node.hidden = !node.dataset.pushWhen.split(" ").includes(name) })
  state.textContent = place.dataset[`say${name[0].toUpperCase()}${name.slice(1)}`] || ""
}

function send (url, values) {
  const body = new URLSearchParams(values)
  body.set("csrfmiddlewaretoken", place.querySelector("[name=csrfmiddlewaretoken]").value)
  return fetch(url, { method: "POST", body, credentials: "same-origin" })
}

async function look () {
  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) return show("unable")
  if (Notification.permission === "denied") return show("blocked")
  const worker = await navigator.serviceWorker.ready
  const subscription = await worker.pushManager.getSubscription()
  show(subscription && place.dataset.pushKnown.split(" ").includes(await fingerprint(subscription.endpoint)) ? "on" : "off")
}

// A subscription may have been forgotten by us, or be somebody else's who used this browser.
async function fingerprint (endpoint) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint))
  return Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, "0")).join("")
}

async function subscribe () {
  if (await Notification.requestPermission() !== "granted") return show("blocked")
  const worker = await navigator.serviceWorker.ready
  const options = { userVisibleOnly: true, applicationServerKey: keyBytes(place.dataset.pushKey) }
  const { endpoint, keys } = (await worker.pushManager.subscribe(options)).toJSON()
  const answer = await send(place.dataset.pushSubscribe, { endpoint, p256dh: keys.p256dh, auth: keys.auth })
  if (answer.ok) window.location.reload()
  else show("failed")
}

async function unsubscribe () {
  const worker = await navigator.serviceWorker.ready
  const subscription = await worker.pushManager.getSubscription()
  if (subscription) {
    await send(place.dataset.pushUnsubscribe, { endpoint: subscription.endpoint })
    await subscription.unsubscribe()
  }
  window.location.reload()
}

if (place) {
  look().catch(() => show("failed"))
  place.addEventListener("click", event => {
    if (event.target.closest("[data-push-on]")) subscribe().catch(() => show("failed"))
    if (event.target.closest("[data-push-off]")) unsubscribe().catch(() => show("failed"))
  })
}
