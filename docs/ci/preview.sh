#!/bin/sh
# What a branch means, on any machine: sh docs/ci/preview.sh [BASE]
# Ends with 1 where a policy refuses, with 2 where a stack can't be previewed; the comment is in comment.md either way.
set -eu
base=${1:-origin/main}
make .venv/installed
.venv/bin/posture tools --install
# Not kind: the preview of a stack on a cluster needs a kubeconfig.
.venv/bin/posture preview --base "$(git merge-base "$base" HEAD)" --out comment.md --fail-on policy \
  --stack baseline --stack deny-all --stack dev --stack layered-allow --stack rate-limited
