#!/usr/bin/env python3
"""Recognises a picture, or many at once, with nothing but Python's standard library:

    examples/predict.py picture.png [http://127.0.0.1:8080]

DIGITD_API_KEY is sent along where the server asks for keys. For tensors there is the Open Inference Protocol: `infer`
sends images of 28x28 floats as it has them, in binary, and gets ten probabilities for each.
"""

import array
import json
import os
import sys
import urllib.error
import urllib.request

PIXELS = 28 * 28


def ask(url, path, body, headers):
    """Sends a POST; returns the headers and the body of the answer."""
    key = os.environ.get("DIGITD_API_KEY")
    if key:
        headers = {**headers, "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url + path, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.headers, response.read()


def predict(url, png):
    """The answer for the bytes of a PNG, as a dictionary."""
    _, body = ask(url, "/api/v1/predict", png, {"Content-Type": "image/png"})
    return json.loads(body)


def infer(url, images, model="digits"):
    """`images`: lists of 784 numbers from 0 (paper) to 1 (ink), at most 256. Returns a list of ten probabilities for each."""
    pixels = array.array("f", [value for image in images for value in image])
    if sys.byteorder == "big":
        pixels.byteswap()
    head = json.dumps({
        "inputs": [{
            "name": "image", "datatype": "FP32", "shape": [len(images), 1, 28, 28],
            "parameters": {"binary_data_size": len(pixels) * 4},
        }],
        "parameters": {"binary_data_output": True},
    }).encode()
    headers, body = ask(url, f"/v2/models/{model}/infer", head + pixels.tobytes(), {
        "Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head)),
    })
    answer = array.array("f", body[int(headers["Inference-Header-Content-Length"]):])
    if sys.byteorder == "big":
        answer.byteswap()
    return [answer[i:i + 10].tolist() for i in range(0, len(answer), 10)]


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: predict.py picture.png [http://127.0.0.1:8080]")
    url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8080"
    try:
        with open(sys.argv[1], "rb") as file:
            print(json.dumps(predict(url, file.read())))
    except urllib.error.HTTPError as error:
        sys.exit(json.load(error)["detail"])


if __name__ == "__main__":
    main()
