"""Pebble Bank: a small FastAPI application that is careless on purpose.

It is written the way quick tutorials write things. Do not deploy it and do not copy from it. It exists so that
Bartizan can be tried, and tested, in front of something that needs it. What is wrong with it:

* the session cookie is set without ``HttpOnly``, ``Secure`` or ``SameSite``, and its value is the user's name;
* CORS allows every origin, with credentials, every method and every header;
* ``POST /transfer`` moves money for whoever's cookie comes along, wherever the form was;
* ``/comments`` writes what people typed into the page as it is;
* nothing stops other sites from framing the pages or opening the WebSocket;
* ``debug=True`` shows the traceback of an unhandled error to the client;
* ``/admin`` has no login at all: "the proxy takes care of that".

Run it with ``uvicorn app:app`` from this directory; see README.md.
"""

import asyncio
import hashlib
import json
import secrets
from pathlib import Path

from fastapi import Cookie, FastAPI, Form, Header, HTTPException, Request, WebSocket, WebSocketDisconnect
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

HERE = Path(__file__).parent

app = FastAPI(title="Pebble Bank", version="0.1.0", debug=True)

app.add_middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)

# The whole database.
passwords = {"alice": "wonderland", "bob": "builder"}
balances = {"alice": 100, "bob": 100, "mallory": 0}
comments: list[str] = ["First!"]
notes: list[str] = []
webhooks: list[dict] = []
admin_visits: list[dict] = []
listeners: set[asyncio.Queue] = set()


def page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{title} - Pebble Bank</title>
  <link rel="stylesheet" href="/static/site.css">
  <script src="/static/site.js" defer></script>
</head>
<body>
  <h1>{title}</h1>
  {body}
  <nav><a href="/">Home</a> <a href="/comments">Comments</a> <a href="/app/">App</a> <a href="/docs">API</a></nav>
</body>
</html>"""
    )


# ---------------------------------------------------------------------------------------------- pages and forms


@app.get("/", response_class=HTMLResponse)
def home(session: str | None = Cookie(default=None)):
    if session not in passwords:
        return page(
            "Sign in",
            """<form id="login" action="/login" method="post">
    <input name="username" placeholder="Name"> <input name="password" type="password" placeholder="Password">
    <button>Sign in</button>
  </form>""",
        )
    return page(
        f"Hello {session}",
        f"""<p>Your balance is <b id="balance">{balances[session]}</b> pebbles.</p>
  <form id="transfer" action="/transfer" method="post">
    <input name="to" placeholder="To"> <input name="amount" type="number" placeholder="Amount">
    <button>Send</button>
  </form>""",
    )


@app.post("/login")
def login(username: str = Form(), password: str = Form()):
    if passwords.get(username) != password:
        raise HTTPException(status_code=401, detail="Wrong name or password")
    response = RedirectResponse("/", status_code=303)
    # samesite=None is how Starlette spells "do not write the attribute".
    response.set_cookie("session", username, samesite=None)
    # The front end reads this one from document.cookie and sends it back in a header.
    response.set_cookie("csrftoken", secrets.token_urlsafe(16), samesite=None)
    return response


@app.post("/logout")
def logout():
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie("session")
    return response


@app.post("/transfer")
def transfer(to: str = Form(), amount: int = Form(), session: str | None = Cookie(default=None)):
    if session not in passwords:
        raise HTTPException(status_code=401, detail="Not signed in")
    balances[session] -= amount
    balances[to] = balances.get(to, 0) + amount
    return RedirectResponse("/", status_code=303)


@app.get("/comments", response_class=HTMLResponse)
def show_comments():
    items = "\n".join(f"<li>{comment}</li>" for comment in comments)
    return page(
        "Comments",
        f"""<ul id="comments">{items}</ul>
  <form id="comment" action="/comments" method="post">
    <input name="text" placeholder="What do you think?"> <button>Post</button>
  </form>""",
    )


@app.post("/comments")
async def add_comment(text: str = Form()):
    comments.append(text)
    for listener in listeners:
        listener.put_nowait(text)
    return RedirectResponse("/comments", status_code=303)


# ----------------------------------------------------------------------------------------- the API of the front end


class Note(BaseModel):
    text: str


@app.get("/api/account")
def account(session: str | None = Cookie(default=None)):
    if session not in passwords:
        raise HTTPException(status_code=401, detail="Not signed in")
    return {"name": session, "balance": balances[session]}


@app.get("/api/balances")
def all_balances():
    """For the dashboard in the hall. Everybody in the building may see it."""
    return balances


@app.get("/api/notes")
def list_notes():
    return notes


@app.post("/api/notes", status_code=201)
def add_note(
    note: Note,
    csrftoken: str | None = Cookie(default=None),
    x_csrf_token: str | None = Header(default=None),
):
    if csrftoken is None or csrftoken != x_csrf_token:
        raise HTTPException(status_code=403, detail="CSRF token missing or wrong")
    notes.append(note.text)
    return note


@app.get("/api/events")
async def events(request: Request):
    """New comments as they come, as server-sent events."""
    queue: asyncio.Queue = asyncio.Queue()
    listeners.add(queue)

    async def stream():
        try:
            yield "event: hello\ndata: {}\n\n"
            while not await request.is_disconnected():
                try:
                    text = await asyncio.wait_for(queue.get(), timeout=0.5)
                except asyncio.TimeoutError:
                    continue
                yield f"event: comment\ndata: {json.dumps(text)}\n\n"
        finally:
            listeners.discard(queue)

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.websocket("/ws")
async def chat(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(f"welcome {websocket.cookies.get('session', 'stranger')}")
    try:
        while True:
            await websocket.send_text(f"you said: {await websocket.receive_text()}")
    except WebSocketDisconnect:
        pass


# ------------------------------------------------------------------------------------------------ other machines


@app.post("/webhooks/payment")
async def payment(request: Request):
    webhooks.append(await request.json())
    return {"received": len(webhooks)}


@app.post("/upload")
async def upload(request: Request):
    """Counts and hashes what comes in; keeps nothing."""
    size, digest = 0, hashlib.sha256()
    async for chunk in request.stream():
        size += len(chunk)
        digest.update(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


@app.get("/crash")
def crash():
    api_key = "pebble-live-4242"
    return {"answer": len(api_key) / 0}


@app.get("/healthz")
def healthz():
    return {"status": "ok"}


# ----------------------------------------------------------------------------------------------------- admin

EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@app.api_route("/admin", methods=EVERY_METHOD, include_in_schema=False)
@app.api_route("/admin/{rest:path}", methods=EVERY_METHOD, include_in_schema=False)
def admin(request: Request, rest: str = ""):
    admin_visits.append({"method": request.method, "path": request.url.path, "query": request.url.query})
    return {"admin": rest, "users": list(passwords)}


@app.get("/visits")
def visits():
    """Who was in /admin, in order."""
    return admin_visits


# Last, so that the routes above win.
app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
app.mount("/app", StaticFiles(directory=HERE / "frontend" / "dist", html=True), name="frontend")
