#!/bin/bash
# Starts one worker of a training, in a pod of an indexed Job.
#
#     bash worker.sh WORKERS OPTION...
#
# OPTIONs are those of `aae-tf train`. The Job gives JOB_COMPLETION_INDEX; JOB and SERVICE are the
# names by which pods find each other: JOB-INDEX.SERVICE.
set -euo pipefail

workers=$1
shift
addresses=""
for ((index = 0; index < workers; index++)); do
  host="$JOB-$index.$SERVICE"
  # A pod has a name only from when it was given a node; until then there is nobody to meet.
  if ! getent hosts "$host" >/dev/null; then
    echo "Waiting for $host to have an address"
    until getent hosts "$host" >/dev/null; do
      sleep 1
    done
  fi
  addresses+="${addresses:+, }\"$host:2222\""
done
export TF_CONFIG="{\"cluster\": {\"worker\": [$addresses]}, \"task\": {\"type\": \"worker\", \"index\": $JOB_COMPLETION_INDEX}}"
# In place of the shell, so that it is told when the pod has to go.
exec aae-tf train --strategy multi-worker "$@"
