#!/bin/bash
# Exits with 0 if every model has a version that is AVAILABLE, otherwise with 1 and a line.
#
#     bash available.sh REST_PORT MODELS_CONFIG
#     bash available.sh --wait MODELS_CONFIG
#
# The models are those that the file names, a ModelServerConfig. With --wait, it waits until every
# base_path of it holds a version, for as long as that takes: a server that starts before would not
# look for new versions of any model while one base_path is missing.
#
# The state is in the body: TensorFlow Serving answers 200 also for a model that is LOADING or at its
# END, so that a probe of the status code alone is not enough. The image has no curl for sure; it has
# bash, which its own entry point is written in, and bash of Ubuntu opens /dev/tcp by itself.

# Prints the texts of a field of the file, one a line. Comments begin with #.
values() {
  local line pattern="(^|[[:space:]{,])$1:[[:space:]]*[\"']([^\"']*)[\"'](.*)"
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line%%#*}
    while [[ $line =~ $pattern ]]; do
      printf '%s\n' "${BASH_REMATCH[2]}"
      line=${BASH_REMATCH[3]}
    done
  done <"$2"
}

if (($# != 2)); then
  echo "usage: available.sh REST_PORT|--wait MODELS_CONFIG" >&2
  exit 1
fi

mapfile -t models < <(values name "$2")
if ((${#models[@]} == 0)); then
  echo "There is no model in $2." >&2
  exit 1
fi

if [[ $1 == --wait ]]; then
  mapfile -t folders < <(values base_path "$2")
  for folder in "${folders[@]}"; do
    until compgen -G "$folder/[0-9]*" >/dev/null; do
      echo "Waiting for a version in $folder."
      sleep 2
    done
  done
  exit 0
fi

state='"state":[[:space:]]*"AVAILABLE"'
for model in "${models[@]}"; do
  if ! exec 3<>"/dev/tcp/127.0.0.1/$1"; then
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
