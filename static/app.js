// Small conveniences; every page works without them, except passkeys, which no browser offers without a script.

document.documentElement.classList.add("js")

// The sandbox's clock runs faster than ours: tick it on between page loads.
function runSandboxClock (node) {
  const start = Date.parse(node.dataset.simClock)
  const rate = Number(node.dataset.simRate)
  const loaded = Date.now()
  const format = new Intl.DateTimeFormat(document.documentElement.lang || "en", {
    weekday: "short", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", timeZone: node.dataset.simZone
  })
  const show = () => { node.textContent = format.format(new Date(start + (Date.now() - loaded) * rate)) }
  show()
  setInterval(show, 1000)
}

// Plus and minus beside a number: the input keeps its own minimum, maximum and step.
function step (button) {
  const input = document.getElementById(button.dataset.stepFor)
  const size = Number(button.dataset.stepSize || 5)
  if (button.dataset.step === "up") input.stepUp(size)
  else input.stepDown(size)
  input.dispatchEvent(new Event("input", { bubbles: true }))
}

function fillZone (input) {
  if (!input.value) input.value = Intl.DateTimeFormat().resolvedOptions().timeZone || ""
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-sim-clock]").forEach(runSandboxClock)
  document.querySelectorAll("[data-fill-zone]").forEach(fillZone)
})

document.addEventListener("click", event => {
  const stepper = event.target.closest("[data-step-for]")
  if (stepper) step(stepper)
  const pause = event.target.closest("[data-live-toggle]")
  if (pause) {
    const paused = document.body.toggleAttribute("data-live-paused")
    pause.textContent = paused ? pause.dataset.goOn : pause.dataset.pause
  }
})

// A question before what cannot be undone.
document.addEventListener("submit", event => {
  const question = event.target.dataset.confirm
  if (question && !window.confirm(question)) event.preventDefault()
})

// Live parts wait while they are paused or hidden, and never take away what somebody is reading with the keyboard.
document.addEventListener("htmx:beforeRequest", event => {
  const isLive = event.target.hasAttribute("data-live")
  if (isLive && (document.hidden || document.body.hasAttribute("data-live-paused"))) event.preventDefault()
})
document.addEventListener("htmx:beforeSwap", event => {
  const part = event.detail.target
  if (part.hasAttribute("data-live") && (part.contains(document.activeElement) || part.querySelector("details[open]"))) {
    event.detail.shouldSwap = false
  }
  if (event.detail.xhr.responseURL.includes("/account/login/")) window.location.reload()  // the session ended
})

// Passkeys: say calmly what happened where the browser or the owner said no.
document.addEventListener("allauth.error", event => {
  const place = document.getElementById("passkey-trouble") || document.getElementById("messages")
  if (!place) return
  event.preventDefault()
  const words = document.getElementById("messages").dataset
  const note = document.createElement("p")
  note.className = "note note-warning"
  note.textContent = event.detail.exception?.name === "NotAllowedError"
    ? words.passkeyCancelled
    : words.passkeyUnusable
  place.replaceChildren(note)
})

// A slider with named stops: the list below shows which one it stands at, and the name is read aloud.
document.addEventListener("input", event => {
  const form = event.target.closest("[data-stops]")
  if (!form) return
  form.querySelectorAll("[data-stop]").forEach(stop => {
    const isChosen = stop.dataset.stop === event.target.value
    stop.classList.toggle("is-chosen", isChosen)
    if (isChosen) event.target.setAttribute("aria-valuetext", stop.querySelector("strong").textContent)
  })
})
