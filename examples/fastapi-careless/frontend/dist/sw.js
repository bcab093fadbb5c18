// Keeps the shell of the app for when the network is away.
const SHELL = ["/app/", "/app/assets/index-Bq3vT81x.js", "/app/assets/api-CkP27aQe.js", "/app/assets/index-D0c9Zk2m.css"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open("shell-1").then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET" || !new URL(event.request.url).pathname.startsWith("/app/")) return;
  event.respondWith(fetch(event.request).catch(() => caches.match(event.request)));
});
