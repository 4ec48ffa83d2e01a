#!/bin/bash
# Exits with 0 if every model named has a version that is AVAILABLE, otherwise with 1 and a line.
#
#     bash available.sh REST_PORT MODEL...
#
# The state is in the body: TensorFlow Serving answers 200 also for a model that is LOADING or at its
# END, so that a probe of the status code alone is not enough. The image has no curl for sure; it has
# bash, which its own entry point is written in, and bash of Ubuntu opens /dev/tcp by itself.

port=$1
shift
state='"state":[[:space:]]*"AVAILABLE"'

if (($# == 0)); then
  echo "usage: available.sh REST_PORT MODEL..." >&2
  exit 1
fi
for model in "$@"; do
  if ! exec 3<>"/dev/tcp/127.0.0.1/$port"; then
    exit 1
  fi
  # HTTP/1.0: the server closes when it is done and sends no chunks, so the answer ends with the file.
  printf 'GET /v1/models/%s HTTP/1.0\r\nConnection: close\r\n\r\n' "$model" >&3
  answer=""
  IFS= read -r -d '' -t 3 -u 3 answer
  exec 3>&-
  if [[ $answer != HTTP/1.?" 200 "* || ! $answer =~ $state ]]; then
    echo "No version of $model is AVAILABLE." >&2
    exit 1
  fi
done
