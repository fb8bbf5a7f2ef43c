// SPDX-License-Identifier: Apache-2.0
// Keys, copying of commands, the live stream, and the cursor of the timeline. All else is done by the server and htmx.
(() => {
  const $ = (id) => document.getElementById(id);
  const content = () => $("content");

  // Keys.
  const rows = () => [...content().querySelectorAll("[data-row]")];
  const move = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((r) => r.contains(document.activeElement));
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
    all[next].querySelector("[data-open]")?.focus();
  };
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape" && e.target.id === "search") { content().focus(); return; }
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) || $("keys").open) return;
    if (e.key === "/") { e.preventDefault(); $("search").focus(); $("search").select(); }
    if (e.key === "j") move(1);
    if (e.key === "k") move(-1);
    if (e.key === "g") location.href = "/";
    if (e.key === "?") $("keys").showModal();
  });
  document.addEventListener("click", async (e) => {
    if (e.target.closest("[data-keys]")) $("keys").showModal();
    const button = e.target.closest("button.copy");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.nextElementSibling.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.nextElementSibling);
      button.textContent = "Marked: press Ctrl+C";
    }
  });

  // The timeline: one cursor for what happened, what was used, and the evidence beside it.
  const plotted = new WeakMap();
  const units = {
    bytes: (v) => (v >= 2 ** 30 ? (v / 2 ** 30).toFixed(1) + "Gi" : v >= 2 ** 20 ? (v / 2 ** 20).toFixed(0) + "Mi" : (v / 1024).toFixed(0) + "Ki"),
    processors: (v) => String(+v.toPrecision(3)), percent: (v) => String(+v.toPrecision(3)) + "%",
  };
  const probe = (name) => { // light-dark() as a colour that a canvas takes
    const el = document.createElement("span");
    el.className = name;
    document.body.append(el);
    const colour = getComputedStyle(el).color;
    el.remove();
    return colour;
  };
  const plot = (holder, figure, point) => {
    const data = JSON.parse(holder.dataset.plot);
    const plots = [];
    const strokes = ["ink-1", "ink-2", "ink-3", "ink-4"].map(probe);
    const grid = { stroke: probe("ink-line"), width: 1 }, blind = probe("ink-blind");
    for (const chart of new Set(data.Curves.map((c) => c.Chart))) {
      const curves = data.Curves.filter((c) => c.Chart === chart);
      const unit = curves[0].Unit;
      const times = [...new Set([data.From, data.To, ...curves.flatMap((c) => c.Points.map((p) => p[0]))])].sort((a, b) => a - b);
      const series = [{ label: "UTC", value: (_, v) => (v == null ? "" : new Date(v * 1000).toISOString().slice(11, 19) + "Z") }];
      const values = [times];
      curves.forEach((c, i) => {
        const at = new Map(c.Points);
        values.push(times.map((t) => at.get(t) ?? null));
        series.push({ label: c.Name, stroke: strokes[i % strokes.length], width: 2, spanGaps: true, points: { show: true, size: 5 }, value: (_, v) => (v == null ? "" : units[unit](v)) });
        if (!c.Limit) return;
        values.push(times.map(() => c.Limit));
        series.push({ label: "limit", stroke: strokes[i % strokes.length], width: 1, dash: [4, 4], points: { show: false }, value: (_, v) => units[unit](v) });
      });
      const u = new uPlot({
        width: holder.clientWidth, height: 150, padding: [8, 0, 0, 0], tzDate: (t) => uPlot.tzDate(new Date(t * 1000), "Etc/UTC"),
        scales: { x: { range: () => [data.From, data.To] }, y: { range: (_, __, max) => [0, max * 1.1 || 1] } },
        axes: [{ stroke: probe("ink-4"), grid, ticks: grid, size: 24, space: 70, values: (_, all) => all.map((v) => new Date(v * 1000).toISOString().slice(11, 19)) }, { stroke: probe("ink-4"), grid, ticks: grid, size: 56, ...(unit === "bytes" ? { incrs: [...Array(50).keys()].map((n) => 2 ** n) } : {}), values: (_, all) => all.map((v) => units[unit](v)) }],
        series, cursor: { y: false, drag: { x: false, y: false } },
        hooks: { drawClear: [(u) => { // when something was not seen
          u.ctx.fillStyle = blind;
          for (const [from, to] of data.Gaps ?? []) {
            const left = u.valToPos(from, "x", true);
            u.ctx.fillRect(left, u.bbox.top, Math.max(u.valToPos(to, "x", true) - left, 1), u.bbox.height);
          }
        }], setCursor: [(u) => { if (u.cursor.event) point(u.cursor.left < 0 ? null : u.cursor.left / u.over.clientWidth, u); }] },
      }, values, holder);
      u.root.setAttribute("role", "img");
      u.root.setAttribute("aria-label", "What was used, in " + chart);
      plots.push(u);
    }
    new ResizeObserver(() => plots.forEach((u) => u.setSize({ width: holder.clientWidth, height: 150 }))).observe(holder);
    return plots;
  };
  const timeline = (figure) => {
    if (plotted.has(figure)) return;
    const from = Date.parse(figure.dataset.from), to = Date.parse(figure.dataset.to);
    const holder = figure.querySelector("[data-plot]");
    const out = figure.querySelector(".readout");
    const hair = document.createElement("div");
    hair.className = "hair";
    hair.hidden = true;
    figure.append(hair);
    const marks = [...figure.querySelectorAll("g[data-at]")].map((g) => ({ at: Date.parse(g.dataset.at), until: Date.parse(g.dataset.until ?? g.dataset.at), text: g.querySelector("title").textContent }));
    let plots = [];
    const left = () => parseFloat(getComputedStyle(figure).getPropertyValue("--left")) || 0;
    const point = (part, source) => {
      hair.hidden = part == null || part < 0 || part > 1;
      if (hair.hidden) { out.textContent = ""; return; }
      const wide = figure.clientWidth - left();
      hair.style.left = left() + part * wide + "px";
      const at = from + part * (to - from);
      const off = (m) => Math.max(m.at - at, at - m.until, 0);
      const near = marks.filter((m) => off(m) <= (to - from) * 6 / wide).sort((a, b) => off(a) - off(b)).slice(0, 3);
      out.textContent = [new Date(at).toISOString().slice(11, 19) + "Z", ...near.map((m) => m.text)].join(" · ");
      for (const u of plots) if (u !== source) u.setCursor({ left: part * u.over.clientWidth, top: 10 }, false);
    };
    figure.addEventListener("pointermove", (e) => {
      if (e.target.closest(".u-over")) return;
      const box = figure.getBoundingClientRect();
      point((e.clientX - box.left - left()) / (box.width - left()));
    });
    figure.addEventListener("pointerleave", () => point(null));
    if (holder && window.uPlot) plots = plot(holder, figure, point);
    plotted.set(figure, (at) => point(at == null ? null : (at - from) / (to - from)));
  };
  const show = (e) => { // evidence that is pointed at is shown on the timeline
    const el = e.target.closest?.("[data-at]");
    const figure = content()?.querySelector("figure.timeline");
    if (!figure || !plotted.has(figure) || figure.contains(e.target)) return;
    plotted.get(figure)(el ? Date.parse(el.dataset.at) : null);
  };
  document.addEventListener("pointerover", show);

  // What a page gets when it is shown, and when htmx has shown it anew.
  const dress = (root) => {
    for (const pre of root.querySelectorAll("pre[data-copy]")) {
      if (pre.previousElementSibling?.matches("button.copy")) continue;
      const button = document.createElement("button");
      button.className = "copy";
      button.type = "button";
      button.textContent = "Copy";
      pre.before(button);
    }
    for (const log of root.querySelectorAll("pre.log")) {
      if (log.dataset.seen || !log.clientHeight) continue; // what is closed is shown its error when it is opened
      const mark = log.querySelector("mark.error");
      if (mark) log.scrollTop = mark.offsetTop - log.offsetTop - 40;
      log.dataset.seen = "1";
    }
    root.querySelectorAll("figure.timeline").forEach(timeline);
  };

  // Nobody loses what they were reading: what was open, marked and focused stays so.
  let before = null;
  const nameOf = (log) => log.closest("[data-keep]")?.dataset.keep;
  document.addEventListener("toggle", (e) => { if (e.target.open) dress(e.target); }, true);
  document.addEventListener("htmx:beforeSwap", (e) => {
    if (e.detail.target.id !== "content") return;
    if (!getSelection().isCollapsed && content().contains(getSelection().anchorNode)) { e.detail.shouldSwap = false; return; }
    if (content().contains(document.activeElement) && /^(INPUT|SELECT)$/.test(document.activeElement.tagName)) { e.detail.shouldSwap = false; return; }
    before = {
      href: content().contains(document.activeElement) ? document.activeElement.getAttribute("href") : null,
      open: new Map([...content().querySelectorAll("details[data-keep]")].map((d) => [d.dataset.keep, d.open])),
      logs: new Map([...content().querySelectorAll("pre.log")].map((p) => [nameOf(p), p.scrollTop])),
    };
  });
  document.addEventListener("htmx:afterSwap", (e) => {
    if (e.detail.target.id !== "content") { dress(e.detail.target); return; }
    if (!before || !content()) return;
    for (const d of content().querySelectorAll("details[data-keep]")) if (before.open.has(d.dataset.keep)) d.open = before.open.get(d.dataset.keep);
    dress(content());
    content().querySelectorAll("pre.log").forEach((p) => { if (before.logs.has(nameOf(p))) p.scrollTop = before.logs.get(nameOf(p)); });
    if (before.href) content().querySelector(`a[href="${CSS.escape(before.href)}"]`)?.focus({ preventScroll: true });
    before = null;
  });

  // The live stream. It ends with the tab's being seen, as a browser has only six connections to a server.
  const live = content()?.hasAttribute("hx-get") ? { source: null, again: 1000, late: false } : null;
  const say = (text) => { if ($("live").textContent !== text) $("live").textContent = text; };
  const refresh = () => { if (content()?.hasAttribute("hx-get")) htmx.trigger(content(), "change-seen"); };
  const listen = () => {
    if (!live || live.source || document.hidden) return;
    const source = live.source = new EventSource("/live");
    source.addEventListener("hello", () => { say("live"); live.again = 1000; if (live.late) { live.late = false; refresh(); } });
    source.addEventListener("change", refresh);
    source.onerror = () => {
      say("reconnecting");
      live.late = true;
      if (source.readyState !== EventSource.CLOSED) return;
      live.source = null; // the server refused: it may have begun anew
      setTimeout(listen, live.again);
      live.again = Math.min(live.again * 2, 30000);
    };
  };
  document.addEventListener("visibilitychange", () => {
    if (!live) return;
    if (document.hidden) { live.source?.close(); live.source = null; live.late = true; } else listen();
  });
  addEventListener("pagehide", () => live?.source?.close());
  setInterval(() => { if (!document.hidden) refresh(); }, 60000);
  dress(document);
  listen();
})();
