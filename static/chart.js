// Draws plans (battery, power and price over one time axis) and settlements (what a car did beside what it would have
// done) as SVG, with events shaded and one crosshair.
// Data come from a <script type="application/json">; colours from the style sheet, so dark mode needs no redraw.
// The crosshair follows pointer and arrow keys, and what it points at is written below and read aloud.

const NS = "http://www.w3.org/2000/svg"
const MARGIN = { left: 40, right: 10, top: 18, bottom: 22 } // above: what the upright lines mean
const GAP = 24 // between panels; each panel's title stands in it

function el (name, attributes, parent, text) {
  const node = document.createElementNS(NS, name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  if (text !== undefined) node.textContent = text
  parent?.append(node)
  return node
}

function span (values, atLeast) {
  const known = values.filter(value => value !== null)
  return Math.max(atLeast, ...known.map(Math.abs))
}

function niceCeil (value) {
  const unit = 10 ** Math.floor(Math.log10(value))
  return [1, 1.2, 1.5, 2, 3, 4, 5, 6, 8, 10].map(factor => factor * unit).find(limit => limit >= value - 1e-9)
}

const come = new Map() // data by id, as they came with parts of the page

class Chart {
  constructor (figure) {
    this.host = figure.querySelector(".chart-host")
    this.readout = figure.querySelector(".readout")
    this.data = JSON.parse(come.get(figure.dataset.chart) ?? document.getElementById(figure.dataset.chart).textContent)
    this.slotMs = this.data.slotMinutes * 60000
    this.start = Date.parse(this.data.startsAt)
    this.count = (this.data.power ?? this.data.net ?? this.data.lines[0].values).length
    this.end = this.start + this.count * this.slotMs
    const zone = { timeZone: this.data.zone }
    this.time = new Intl.DateTimeFormat(this.data.locale, { ...zone, hour: "numeric", minute: "2-digit" })
    this.hour = new Intl.DateTimeFormat(this.data.locale, { ...zone, hour: "numeric" })
    this.plain = new Intl.DateTimeFormat("en-GB", { ...zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
    this.number = new Intl.NumberFormat(this.data.locale, { maximumFractionDigits: 1 })
    this.percent = new Intl.NumberFormat(this.data.locale, { style: "percent" })
    this.words = figure.dataset
    this.at = null
    this.listen()
    new ResizeObserver(() => this.draw()).observe(this.host)
  }

  // The page says the words, in the reader's language: data-word-now is "now"; {time} stands for a value.
  say (word, values = {}) {
    return (this.words[word] ?? "").replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all)
  }

  stretch (from) {
    return this.say("wordStretch", { from: this.time.format(from), to: this.time.format(from + this.slotMs) })
  }

  listen () {
    this.host.addEventListener("pointermove", event => this.point(this.slotAt(event)))
    this.host.addEventListener("pointerdown", event => this.point(this.slotAt(event)))
    this.host.addEventListener("pointerleave", () => { if (document.activeElement !== this.host) this.point(null) })
    this.host.addEventListener("keydown", event => {
      const first = this.at ?? this.nowSlot() - 1
      const moves = { ArrowRight: first + 1, ArrowLeft: first - 1, PageDown: first + 4, PageUp: first - 4, Home: 0, End: this.count - 1 }
      if (event.key === "Escape") this.point(null)
      else if (event.key in moves) this.point(moves[event.key])
      else return
      event.preventDefault()
    })
  }

  nowSlot () {
    const now = Date.parse(this.data.now ?? this.data.startsAt)
    return Math.max(0, Math.min(this.count - 1, Math.floor((now - this.start) / this.slotMs)))
  }

  slotAt (event) {
    const box = this.host.getBoundingClientRect()
    return Math.floor((event.clientX - box.left - MARGIN.left) / this.inner * this.count)
  }

  x (at) {
    return MARGIN.left + (at - this.start) / (this.end - this.start) * this.inner
  }

  draw () {
    const { width, height } = this.host.getBoundingClientRect()
    if (!width) return
    this.width = width
    this.inner = width - MARGIN.left - MARGIN.right
    this.height = height
    const svg = el("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" })
    this.paint(svg)
    this.cross = el("line", { class: "cross", y1: MARGIN.top, y2: height - MARGIN.bottom, visibility: "hidden" }, svg)
    this.host.replaceChildren(svg)
    this.point(this.at)
  }

  axis (svg) {
    const hours = (this.end - this.start) / 3600000
    const every = hours <= 5 ? 1 : this.inner < 380 ? 6 : this.inner < 640 ? 4 : 3
    for (let slot = 0; slot < this.count; slot++) {
      const at = this.start + slot * this.slotMs
      const [hour, minute] = this.plain.format(at).split(":").map(Number)
      if (minute || hour % every) continue
      const x = this.x(at)
      el("line", { class: "grid-line", x1: x, x2: x, y1: MARGIN.top, y2: this.height - MARGIN.bottom }, svg)
      const anchor = x < MARGIN.left + 14 ? "start" : "middle"
      if (x < this.width - 20) el("text", { class: "axis", x, y: this.height - 6, "text-anchor": anchor }, svg, this.hour.format(at))
    }
  }

  panel (svg, { y, height, title, ticks, toY, label }) {
    el("text", { class: "axis axis-title", x: MARGIN.left, y: y - 8 }, svg, title)
    for (const tick of ticks) {
      el("line", { class: tick === 0 ? "zero-line" : "grid-line", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: toY(tick), y2: toY(tick) }, svg)
      el("text", { class: "axis", x: MARGIN.left - 6, y: toY(tick) + 4, "text-anchor": "end" }, svg, label(tick))
    }
  }

  point (slot) {
    if (slot === null || Number.isNaN(slot)) {
      this.at = null
      this.cross?.setAttribute("visibility", "hidden")
      if (this.readout.dataset.hint) this.readout.textContent = this.readout.dataset.hint
      return
    }
    this.readout.dataset.hint ??= this.readout.textContent
    this.at = Math.max(0, Math.min(this.count - 1, slot))
    const x = this.x(this.start + (this.at + 0.5) * this.slotMs)
    this.cross?.setAttribute("x1", x)
    this.cross?.setAttribute("x2", x)
    this.cross?.setAttribute("visibility", "visible")
    this.readout.textContent = this.describe(this.at)
  }
}

class PlanChart extends Chart {
  paint (svg) {
    const room = this.height - MARGIN.top - MARGIN.bottom - 3 * GAP
    const [battery, power, price] = [0.34, 0.4, 0.26].map(share => share * room)
    let y = MARGIN.top + GAP
    this.bands(svg)
    this.axis(svg)
    this.battery(svg, y, battery)
    y += battery + GAP
    this.power(svg, y, power)
    y += power + GAP
    this.price(svg, y, price)
    this.marks(svg)
  }

  bands (svg) {
    const tall = this.height - MARGIN.top - MARGIN.bottom
    const shade = (from, to, name) => {
      const [a, b] = [Math.max(from, this.start), Math.min(to, this.end)]
      if (b > a) el("rect", { class: name, x: this.x(a), y: MARGIN.top, width: this.x(b) - this.x(a), height: tall }, svg)
    }
    this.data.plugged.forEach((plugged, slot) => {
      if (!plugged) shade(this.start + slot * this.slotMs, this.start + (slot + 1) * this.slotMs + 1, "away-band")
    })
    for (const event of this.data.events) shade(Date.parse(event.startsAt), Date.parse(event.endsAt), "event-band")
  }

  battery (svg, y, height) {
    const toY = soc => y + height - soc / 100 * height
    this.panel(svg, { y, height, title: this.say("wordBattery"), ticks: [0, 50, 100], toY, label: tick => tick })
    const points = this.data.soc.map((soc, slot) => `${this.x(this.start + slot * this.slotMs).toFixed(1)},${toY(soc).toFixed(1)}`)
    el("polyline", { class: "line-soc", points: points.join(" ") }, svg)
    if (this.data.target) {
      const at = this.data.departureAt ? Math.min(this.x(Date.parse(this.data.departureAt)), this.width - MARGIN.right) : this.width - MARGIN.right
      el("circle", { class: "target-dot", cx: at, cy: toY(this.data.target), r: 4.5 }, svg)
    }
  }

  power (svg, y, height) {
    const up = niceCeil(span(this.data.power.filter(kw => kw > 0), 1))
    const discharge = this.data.power.filter(kw => kw < 0)
    const down = discharge.length ? niceCeil(span(discharge, 1)) : 0
    const toY = kw => y + (up - kw) / (up + down) * height
    this.panel(svg, { y, height, title: this.say("wordPower"), ticks: down ? [up, 0, -down] : [up, 0], toY, label: tick => this.number.format(tick) })
    const wide = Math.max(1, this.inner / this.count - (this.inner / this.count > 5 ? 1.5 : 0.4))
    this.data.power.forEach((kw, slot) => {
      if (Math.abs(kw) < 0.01) return
      const [top, bottom] = kw > 0 ? [toY(kw), toY(0)] : [toY(0), toY(kw)]
      el("rect", { class: kw > 0 ? "bar-charge" : "bar-discharge", x: this.x(this.start + slot * this.slotMs), y: top, width: wide, height: Math.max(1, bottom - top) }, svg)
    })
  }

  price (svg, y, height) {
    const prices = this.data.price
    const known = prices.filter(price => price !== null)
    if (!known.length) return
    const high = niceCeil(Math.max(1, ...known))
    const low = Math.min(0, ...known) < 0 ? -niceCeil(Math.abs(Math.min(...known))) : 0
    const toY = price => y + (high - price) / (high - low) * height
    this.panel(svg, { y, height, title: this.data.priceTitle, ticks: low ? [high, 0, low] : [high, 0], toY, label: tick => this.number.format(tick) })
    let path = ""
    prices.forEach((price, slot) => {
      if (price === null) return
      const [a, b] = [this.x(this.start + slot * this.slotMs), this.x(this.start + (slot + 1) * this.slotMs)]
      path += `${slot && prices[slot - 1] !== null ? "L" : "M"}${a.toFixed(1)} ${toY(price).toFixed(1)}H${b.toFixed(1)}`
    })
    el("path", { class: "line-price", d: path }, svg)
  }

  marks (svg) {
    const mark = (at, name, text) => {
      if (at < this.start || at > this.end) return
      const x = this.x(at)
      el("line", { class: name, x1: x, x2: x, y1: MARGIN.top, y2: this.height - MARGIN.bottom }, svg)
      const late = x > this.width - 90
      el("text", { class: "axis mark", x: late ? this.width - MARGIN.right : x, y: MARGIN.top - 6, "text-anchor": late ? "end" : "start" }, svg, text)
    }
    mark(Date.parse(this.data.now), "line-now", this.say("wordNow"))
    if (this.data.departureAt) mark(Date.parse(this.data.departureAt), "line-departure", this.say("wordLeaves", { time: this.time.format(Date.parse(this.data.departureAt)) }))
  }

  describe (slot) {
    const from = this.start + slot * this.slotMs
    const kw = this.data.power[slot]
    const event = this.data.events.find(one => Date.parse(one.startsAt) < from + this.slotMs && Date.parse(one.endsAt) > from)
    const parts = [
      this.stretch(from),
      Math.abs(kw) < 0.01
        ? this.data.reasons[slot]
        : this.say("wordAtPower", { reason: this.data.reasons[slot], power: this.number.format(Math.abs(kw)) }),
      this.say("wordBatteryIs", { percent: this.percent.format(this.data.soc[slot + 1] / 100) })
    ]
    if (this.data.price[slot] !== null) parts.push(this.say("wordPriceIs", { price: this.number.format(this.data.price[slot]) }))
    if (event) parts.push(event.label)
    return parts.join(" · ")
  }
}

class SettlementChart extends Chart {
  paint (svg) {
    const known = [...this.data.baseline, ...this.data.net].filter(kw => kw !== null)
    const up = niceCeil(span(known.filter(kw => kw > 0), 1))
    const back = known.filter(kw => kw < 0)
    const down = back.length ? niceCeil(span(back, 1)) : 0
    const y = MARGIN.top + GAP
    const height = this.height - y - MARGIN.bottom
    const toY = kw => y + (up - kw) / (up + down) * height
    this.axis(svg)
    this.panel(svg, { y, height, title: this.say("wordPower"), ticks: down ? [up, 0, -down] : [up, 0], toY, label: tick => this.number.format(tick) })
    const wide = this.inner / this.count
    this.data.net.forEach((kw, slot) => {
      if (kw === null || Math.abs(kw) < 0.01) return
      const [top, bottom] = kw > 0 ? [toY(kw), toY(0)] : [toY(0), toY(kw)]
      el("rect", { class: kw > 0 ? "bar-charge" : "bar-discharge", x: this.x(this.start + slot * this.slotMs) + 2, y: top, width: wide - 4, height: Math.max(1, bottom - top) }, svg)
    })
    let path = ""
    this.data.baseline.forEach((kw, slot) => {
      path += `${slot ? "L" : "M"}${this.x(this.start + slot * this.slotMs).toFixed(1)} ${toY(kw).toFixed(1)}h${wide.toFixed(1)}`
    })
    el("path", { class: "line-baseline", d: path }, svg)
  }

  describe (slot) {
    const from = this.start + slot * this.slotMs
    const net = this.data.net[slot]
    return [
      this.stretch(from),
      this.say("wordWithout", { power: this.number.format(this.data.baseline[slot]) }),
      net === null ? this.say("wordUnknown") : this.say("wordDid", { power: this.number.format(net) })
    ].join(" · ")
  }
}

// Several powers over one time axis, each a line of its own look: `lines` has name and values in kW, null = not known.
class LinesChart extends Chart {
  paint (svg) {
    const known = this.data.lines.flatMap(line => line.values).filter(kw => kw !== null)
    const up = niceCeil(span(known.filter(kw => kw > 0), 1))
    const back = known.filter(kw => kw < 0)
    const down = back.length ? niceCeil(span(back, 1)) : 0
    const y = MARGIN.top + GAP
    const height = this.height - y - MARGIN.bottom
    const toY = kw => y + (up - kw) / (up + down) * height
    this.axis(svg)
    this.panel(svg, { y, height, title: this.say("wordPower"), ticks: down ? [up, 0, -down] : [up, up / 2, 0], toY, label: tick => this.number.format(tick) })
    for (const line of this.data.lines) {
      let path = ""
      line.values.forEach((kw, slot) => {
        if (kw === null) return
        const [a, b] = [this.x(this.start + slot * this.slotMs), this.x(this.start + (slot + 1) * this.slotMs)]
        const goesOn = slot && line.values[slot - 1] !== null
        path += `${goesOn ? "L" : "M"}${a.toFixed(1)} ${toY(kw).toFixed(1)}H${b.toFixed(1)}`
      })
      if (path) el("path", { class: `line-${line.name}`, d: path }, svg)
    }
  }

  describe (slot) {
    const said = this.data.lines.filter(line => line.values[slot] !== null).map(line => {
      const word = `word${line.name[0].toUpperCase()}${line.name.slice(1)}`
      return this.say(word, { power: this.number.format(line.values[slot]) })
    })
    return [this.stretch(this.start + slot * this.slotMs), ...said].join(" · ")
  }
}

function drawAll (root) {
  for (const figure of root.querySelectorAll("figure[data-chart]")) {
    if (!figure.dataset.drawn) {
      figure.dataset.drawn = "yes"
      if (figure.dataset.kind === "settlement") new SettlementChart(figure)
      else if (figure.dataset.kind === "lines") new LinesChart(figure)
      else new PlanChart(figure)
    }
  }
}

// Parts that are looked at again come without their data: htmx is told to drop every script, also one that runs nothing.
document.addEventListener("htmx:beforeSwap", event => {
  const part = new DOMParser().parseFromString(event.detail.serverResponse ?? "", "text/html")
  for (const data of part.querySelectorAll('script[type="application/json"]')) come.set(data.id, data.textContent)
})

drawAll(document)
document.addEventListener("htmx:afterSettle", event => drawAll(event.target.parentNode ?? document))
