// The app in the browser: registers the service worker, and offers to install where the browser would let us.

const about = document.querySelector("[data-worker]")
if (about && "serviceWorker" in navigator) {
  // Every page works without it: a browser that forbids it is left alone.
  navigator.serviceWorker.register(about.dataset.worker, { scope: "/" }).catch(() => {})
}

const isInstalled = window.matchMedia("(display-mode: standalone)").matches || navigator.standalone === true
const isApplePhone = /iPhone|iPad|iPod/.test(navigator.userAgent)
let offer = null

function showHint (name) {
  document.querySelectorAll(`[data-install="${name}"]`).forEach(node => { node.hidden = isInstalled })
}

window.addEventListener("beforeinstallprompt", event => {
  event.preventDefault()
  offer = event
  showHint("offer")
})

document.addEventListener("DOMContentLoaded", () => { if (isApplePhone) showHint("apple") })

document.addEventListener("click", async event => {
  const button = event.target.closest("[data-install-now]")
  if (!button || !offer) return
  await offer.prompt()
  offer = null
  button.closest("[data-install]").hidden = true
})
