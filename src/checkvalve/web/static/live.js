// Renews a page in place, as often as it asks for. What has the focus keeps it, what is marked stays marked, nothing jumps.
// Without this file the page stands still and says of when it is.
"use strict";

const main = document.getElementById("content");

function say() {
  for (const line of main.querySelectorAll("[data-live]")) line.hidden = false;
}

function same(element) {
  if (!element || element === document.body || !main.contains(element)) return null;
  if (element.id) return `#${CSS.escape(element.id)}`;
  const link = element.getAttribute("href");
  return link ? `[href="${CSS.escape(link)}"]` : null;
}

async function renew() {
  if (document.hidden || !getSelection().isCollapsed) return;
  const answer = await fetch(location.href, { redirect: "manual", headers: { accept: "text/html" } });
  if (answer.type === "opaqueredirect") return location.reload(); // the session is over: the page says so itself
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = fresh.getElementById("content");
  const focused = same(document.activeElement);
  main.dataset.renew = found.dataset.renew || "";
  main.replaceChildren(...found.childNodes);
  document.querySelector(".foot").replaceChildren(...fresh.querySelector(".foot").childNodes);
  say();
  if (focused) main.querySelector(focused)?.focus({ preventScroll: true });
}

async function go() {
  const seconds = Number(main.dataset.renew);
  if (!seconds) return;
  setTimeout(async () => {
    try { await renew(); } catch { /* core is away: the page says of when it is, and the next time may work */ }
    go();
  }, seconds * 1000);
}

say();
go();
