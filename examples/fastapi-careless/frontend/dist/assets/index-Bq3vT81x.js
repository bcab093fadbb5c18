import { cookie, post } from "./api-CkP27aQe.js";

const root = document.getElementById("root");
root.innerHTML = `<h1>Pebble Bank</h1>
<p>Account: <output id="account">…</output></p>
<p>Token cookie: <output id="token">…</output></p>
<p>Service worker: <output id="worker">…</output></p>
<p>Feed: <output id="feed">…</output></p>
<p>Chat: <output id="chat">…</output></p>
<form id="note"><input name="text" /><button>Note it</button> <output id="noted"></output></form>`;

const show = (id, text) => { document.getElementById(id).textContent = text; };

fetch("/api/account")
  .then((response) => response.json())
  .then((account) => show("account", account.name ? `${account.name}: ${account.balance}` : account.detail))
  .catch((error) => show("account", `failed: ${error}`));

show("token", cookie("csrftoken") ? "readable" : "none");

navigator.serviceWorker.register("/app/sw.js")
  .then(() => navigator.serviceWorker.ready)
  .then((registration) => show("worker", `active ${new URL(registration.scope).pathname}`))
  .catch((error) => show("worker", `failed: ${error}`));

const feed = new EventSource("/api/events");
feed.addEventListener("hello", () => show("feed", "open"));
feed.addEventListener("comment", (event) => show("feed", JSON.parse(event.data)));

const chat = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
chat.addEventListener("open", () => chat.send("hello"));
chat.addEventListener("message", (event) => show("chat", event.data));
chat.addEventListener("error", () => show("chat", "failed"));

document.getElementById("note").addEventListener("submit", async (event) => {
  event.preventDefault();
  const response = await post("/api/notes", { text: event.target.elements.text.value });
  show("noted", response.status);
});
