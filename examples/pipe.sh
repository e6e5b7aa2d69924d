#!/usr/bin/env bash
# The finals of a recording, one a line: examples/pipe.sh FILE [flags of asr_service.py]
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
file=$1
shift
"${PYTHON:-python3}" "$here/asr_service.py" --input "$file" "$@" |
  jq --unbuffered -r 'select(.type == "voice.asr_text.final") | .text'
