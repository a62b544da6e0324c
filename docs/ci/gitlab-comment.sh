#!/bin/sh
# Puts a comment of `posture preview` on the merge request of a GitLab pipeline, over the one that is there.
set -eu
file=$1
marker='<!-- consul-posture preview -->'
[ -n "${POSTURE_COMMENT_TOKEN:-}" ] && [ -s "$file" ] || exit 0
notes="$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes"
# The token goes by a file that only this user reads, for a process list shows arguments to everybody.
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
printf 'PRIVATE-TOKEN: %s\n' "$POSTURE_COMMENT_TOKEN" > "$headers"
ours=$(curl -fsS -H "@$headers" "$notes?per_page=100" |
  jq -r --arg marker "$marker" '[.[] | select(.body | startswith($marker))][0].id // empty')
if [ -n "$ours" ]; then
  curl -fsS -o /dev/null -H "@$headers" -X PUT --data-urlencode "body@$file" "$notes/$ours"
else
  curl -fsS -o /dev/null -H "@$headers" -X POST --data-urlencode "body@$file" "$notes"
fi
