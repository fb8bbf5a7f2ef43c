// SPDX-License-Identifier: Apache-2.0
// The keys of the console, and copying of commands. All else is done by the server and htmx.
(() => {
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const move = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((r) => r.contains(document.activeElement));
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    next.querySelector("[data-open]")?.focus();
  };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
    if (e.key === "/") { e.preventDefault(); document.querySelector('[data-key="/"]').focus(); }
    if (e.key === "j") move(1);
    if (e.key === "k") move(-1);
    if (e.key === "?") document.getElementById("keys").showModal();
  });
  const offer = (root) => {
    for (const pre of root.querySelectorAll("pre[data-copy]:not([data-offered])")) {
      pre.dataset.offered = "";
      const button = document.createElement("button");
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = "Copied";
      });
      pre.before(button);
    }
  };
  offer(document);
  document.addEventListener("htmx:load", (e) => offer(e.target));
})();
