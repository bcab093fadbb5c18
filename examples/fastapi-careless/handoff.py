"""Pebble Bank with sessions: ``app.py`` as it is, and beside its careless login one by hand-off.

Bartizan keeps the sessions. This application checks the password, and says who it was in a header of its answer; it
sets no cookie, keeps no session and never sees the session's id. Who asks comes with each request in
``Bartizan-Assertion``, signed for a minute.

Run it with ``uvicorn handoff:app`` from this directory, behind ``bartizan serve --policy handoff.toml``;
``docs/sessions.md`` goes through it.
"""

import os
from html import escape
from typing import Annotated
from urllib.parse import quote

import jwt
from fastapi import Depends, Form, Header, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse

from app import app, page, passwords

# Where the gateway is reached. It is what the assertions name as their issuer, and where their keys are published.
GATEWAY = os.environ.get("BARTIZAN_URL", "http://localhost:8080")

keys = jwt.PyJWKClient(f"{GATEWAY}/.well-known/jwks.json")


# Five lines. What tells of a failure keeps passwords from being guessed.
@app.post("/session/login")
def sign_in(bartizan_handoff: str = Header(), username: str = Form(), password: str = Form()):
    if passwords.get(username) != password:
        raise HTTPException(401, "Wrong name or password", {"Bartizan-Login-Failed": f"{bartizan_handoff} {quote(username)}"})
    return RedirectResponse("/session/welcome", 303, {"Bartizan-Login": f"{bartizan_handoff} {quote(username)}"})


@app.post("/session/logout")
def sign_out(bartizan_handoff: str = Header()):
    return RedirectResponse("/session", 303, {"Bartizan-Logout": f"{bartizan_handoff} current"})


def signed_in(bartizan_assertion: str = Header(default="")) -> dict:
    """The claims of whoever asks, and 401 for everybody else."""
    try:
        token = jwt.decode_complete(
            bartizan_assertion,
            keys.get_signing_key_from_jwt(bartizan_assertion),
            algorithms=["EdDSA"],
            audience="bartizan-upstream",
            issuer=GATEWAY,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise HTTPException(status_code=401, detail="Not signed in") from error
    if token["header"].get("typ") != "bartizan-assertion+jwt":
        raise HTTPException(status_code=401, detail="Not signed in")
    return token["payload"]


SignedIn = Annotated[dict, Depends(signed_in)]


@app.get("/session/me")
def me(claims: SignedIn):
    return {"name": claims["sub"], "scope": claims.get("scope", "")}


@app.get("/session", response_class=HTMLResponse)
def sign_in_page():
    return page(
        "Sign in",
        """<form id="login" action="/session/login" method="post">
    <input name="username" placeholder="Name"> <input name="password" type="password" placeholder="Password">
    <button>Sign in</button>
  </form>""",
    )


@app.get("/session/welcome", response_class=HTMLResponse)
def welcome(claims: SignedIn):
    """Where the form leads, and where another site sends people back to."""
    return page(
        "Welcome",
        f"""<p>You are signed in as <b id="name">{escape(claims["sub"])}</b>.</p>
  <form id="logout" action="/session/logout" method="post"><button>Sign out</button></form>""",
    )
