"""Makes a key of each algorithm and a token with it, once with PyJWT and once with joserfc.

Prints one JSON document a line: which library and algorithm, the public key (of HS256 the secret) as a JWK, the token.
"""

import base64
import json
import secrets
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt

now = int(time.time())


def claims(library, algorithm):
    return {
        "iss": "https://issuer.example.com",
        "aud": "api",
        "sub": f"{library} {algorithm}",
        "iat": now,
        "exp": now + 600,
        "jti": secrets.token_urlsafe(16),
        "scope": "read write",
    }


def show(library, algorithm, key, token):
    print(json.dumps({"library": library, "algorithm": algorithm, "jwk": key, "token": token}))


def by_pyjwt(algorithm):
    private = {
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "HS256": lambda: secrets.token_bytes(32),
    }[algorithm]()
    if algorithm == "HS256":
        key = {"kty": "oct", "k": base64.urlsafe_b64encode(private).decode().rstrip("=")}
    else:
        key = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(private.public_key()))
    key["kid"] = f"pyjwt-{algorithm}"
    headers = {"kid": key["kid"], "typ": "at+jwt"}
    show("PyJWT", algorithm, key, jwt.encode(claims("PyJWT", algorithm), private, algorithm, headers))


def by_joserfc(algorithm):
    kind, size = {"EdDSA": ("OKP", "Ed25519"), "ES256": ("EC", "P-256"), "RS256": ("RSA", 2048), "HS256": ("oct", 256)}[
        algorithm
    ]
    private = joserfc_jwk.generate_key(kind, size, {"kid": f"joserfc-{algorithm}"})
    key = private.as_dict(private=kind == "oct")
    header = {"alg": algorithm, "kid": key["kid"], "typ": "at+jwt"}
    token = joserfc_jwt.encode(header, claims("joserfc", algorithm), private, algorithms=[algorithm])
    show("joserfc", algorithm, key, token)


for algorithm in ["EdDSA", "ES256", "RS256", "HS256"]:
    by_pyjwt(algorithm)
    by_joserfc(algorithm)
