#!/bin/sh
# Recognises a picture with curl:
#   examples/predict.sh picture.png [http://127.0.0.1:8080]
# DIGITD_API_KEY is sent along where the server asks for keys.
set -eu

url=${2:-http://127.0.0.1:8080}
set -- "$1" -H "X-Request-Id: example-$$" ${DIGITD_API_KEY:+-H "Authorization: Bearer $DIGITD_API_KEY"}
picture=$1
shift

# A busy server says 429 or 503 and is asked again; any other failure prints what it says.
curl --silent --show-error --fail-with-body --retry 3 --max-time 30 "$@" \
    -F "image=@$picture" "$url/api/v1/predict"
echo
