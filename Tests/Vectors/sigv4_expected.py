#!/usr/bin/env python3
"""Writes requests and the signatures that botocore, AWS's own client, gives them.

    pip install botocore==1.43.106 && python3 Tests/Vectors/sigv4_expected.py [SEED] \
        > Tests/Vectors/sigv4-expected.json

The output for seed 0 is committed; `make test-full` asks for another seed where botocore is there.
"""

import base64
import datetime
import json
import random
import sys
from urllib.parse import quote

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

COUNT = 200
rng = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
ALPHABET = "abcXYZ019-._~ /+=&%$@:;,!*'()[]#?äß€漢😀"


def text(low, high, alphabet=ALPHABET):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high)))


def path():
    segments = [rng.choice(["", ".", "..", text(1, 8), text(1, 8, "abc-_.~")])
                for _ in range(rng.randint(0, 5))]
    return "/" + "/".join(segments)


def header_value():
    return text(1, 20, "abc XYZ\t019=/;,").strip() or "v"


def one():
    service = rng.choice(["s3", "s3", "lambda", "cloudformation", "execute-api"])
    region = rng.choice(["us-east-1", "eu-central-1", "ap-southeast-2"])
    host = rng.choice(["127.0.0.1:9000", "bucket.s3.amazonaws.com", "[::1]:4566",
                       f"{service}.{region}.amazonaws.com"])
    scheme = rng.choice(["http", "https"])
    method = rng.choice(["GET", "PUT", "POST", "DELETE", "HEAD"])
    query = [[text(1, 6), text(0, 8)] for _ in range(rng.choice([0, 0, 1, 2, 5]))]
    if len(query) > 1 and rng.random() < 0.3:
        query[1][0] = query[0][0]
    headers = []
    for _ in range(rng.randint(0, 4)):
        name = rng.choice(["X-Amz-Meta-", "x-amz-", "X-Custom-"]) + text(1, 8, "abcDEF-")
        if name.lower() not in [n.lower() for n, _ in headers]:
            headers.append([name, header_value()])
    if rng.random() < 0.3:
        headers.append(["User-Agent", "swift-mpi"])
    if rng.random() < 0.3:
        headers.append(["Content-Type", "application/json"])
    body = rng.randbytes(rng.choice([0, 0, 1, 60, 300]))
    token = base64.b64encode(rng.randbytes(90)).decode() if rng.random() < 0.5 else None
    access, secret = "AKIA" + text(16, 16, "ABCXYZ0123"), text(40, 40, "abcXYZ019/+")
    moment = rng.randint(946684800, 4102444800)
    unsigned = service == "s3" and scheme == "https" and rng.random() < 0.5

    target = path()
    url = f"{scheme}://{host}" + quote(target, safe="/-_.~")
    if query:
        url += "?" + "&".join(quote(n, safe="-_.~") + "=" + quote(v, safe="-_.~")
                              for n, v in query)
    request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
    if unsigned:
        class Config:
            s3 = {"payload_signing_enabled": False}
        request.context["client_config"] = Config
    now = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
    botocore.auth.get_current_datetime = lambda *a, **k: now
    signer = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    signer(Credentials(access, secret, token), service, region).add_auth(request)
    return {
        "service": service, "region": region, "endpoint": f"{scheme}://{host}",
        "method": method, "path": target, "query": query, "headers": headers,
        "body": base64.b64encode(body).decode(), "accessKeyID": access,
        "secretAccessKey": secret, "sessionToken": token, "moment": moment,
        "unsignedPayload": unsigned,
        "authorization": request.headers["Authorization"],
    }


print("[\n" + ",\n".join(json.dumps(one()) for _ in range(COUNT)) + "\n]")
