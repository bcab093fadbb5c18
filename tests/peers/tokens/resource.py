"""An API that verifies Bartizan's tokens by itself, with PyJWT and the keys that Bartizan publishes.

``BARTIZAN_URL`` is where Bartizan is reached, ``issuer`` and ``audience`` are those of its policy.
"""

import os
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

app = FastAPI()
keys = jwt.PyJWKClient(f"{os.environ['BARTIZAN_URL']}/.well-known/jwks.json", lifespan=1)


def who(bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> dict:
    token = bearer.credentials
    try:
        decoded = jwt.decode_complete(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=["EdDSA", "ES256", "RS256"],
            audience="api",
            issuer="https://issuer.example.com",
            options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
        )
    except jwt.PyJWTError as error:
        raise HTTPException(status_code=401, detail=str(error)) from error
    if decoded["header"].get("typ") != "at+jwt":
        raise HTTPException(status_code=401, detail="not an access token")
    return decoded


@app.get("/healthz")
def health():
    return "ok"


@app.get("/who")
def answer(token: Annotated[dict, Depends(who)]):
    return {"subject": token["payload"]["sub"], "algorithm": token["header"]["alg"]}
