#!/bin/sh
# Copies versions of models into a volume: each under a name that servers ignore, then renamed, so
# that a version appears whole or not at all. One that is there stays as it is.
#
#     sh fill.sh SOURCE TARGET
#
# The decoder comes first: wherever there is a version of the encoder there is the decoder's.
set -eu

for model in decoder encoder autoencoder; do
  for version in "$1/$model"/[0-9]*/; do
    [ -f "$version/saved_model.pb" ] || continue
    number=$(basename "$version")
    folder=$2/$model
    if [ -e "$folder/$number" ]; then
      echo "$model/$number is there."
      continue
    fi
    mkdir -p "$folder"
    # One that was killed leaves it behind.
    rm -rf "$folder/tmp-fill-$number"
    cp -R "$version" "$folder/tmp-fill-$number"
    sync
    mv "$folder/tmp-fill-$number" "$folder/$number"
    echo "$model/$number is published."
  done
done
