#!/bin/sh
# Makes a picture over Forge, the REST API of an Imgen server. Any POSIX shell; needs curl 7.55 or later, jq, and sha256sum or shasum.
#
#     IMGEN_URL=https://imgen.example IMGEN_KEY=imgf_… sh generate.sh [--tier T] [--ratio R] [--model M] [--seed N] [--sync]
#         [--from-job ID] [--out DIR] PROMPT
#
# Progress goes to stderr; the picture is one line of JSON on stdout. Exit codes: 0 saved, 1 error, 2 the job failed,
# 3 the picture was blocked by review, 4 gave up waiting. Without IMGEN_KEY the caller is anonymous.
set -u

POLL_S=${IMGEN_POLL_S:-3}
POLLS=120
TRIES=25           # of the request while the server is busy; it forgets a request that its process lost after a minute
LOST_TRIES=3       # of the request without an answer
LONGEST_WAIT_S=300 # a longer Retry-After (a spent quota, for example) ends the script
DOWNLOAD_TRIES=3
TIMEOUT_S=30
SYNC_TIMEOUT_S=90 # the server waits 55 s for the picture

say() { printf '%s\n' "$1" | sed 's/^/imgen: /' >&2; } # a server's text may have several lines
stop() { say "$2"; exit "$1"; }

command -v jq >/dev/null 2>&1 || stop 1 "needs jq"
if command -v sha256sum >/dev/null 2>&1; then
    digest_of() { sha256sum <"$1"; }
elif command -v shasum >/dev/null 2>&1; then
    digest_of() { shasum -a 256 <"$1"; }
else
    stop 1 "needs sha256sum or shasum"
fi

# ------------------------------------------------------------------ HTTP

# Requests $IMGEN_URL$2 with the headers in $work/$1 and curl's further options → sets $status (000: no answer); the answer is in
# $work/answer, its headers in $work/replied. Follows no redirect. The key is in a file, because every user of the machine can see arguments.
call() {
    headers=$work/$1
    path=$2
    shift 2
    : >"$work/answer"
    status=$(curl -sS -m "$timeout_s" -H @"$headers" "$@" -D "$work/replied" -o "$work/answer" -w '%{http_code}' \
        "$IMGEN_URL$path" 2>"$work/problem") || status=000
}

answer() { jq -r --arg name "$1" '.[$name] | values' <"$work/answer" 2>/dev/null; }

error_text() {
    text=$(jq -r '.error | objects | "\(.code): \(.message)"' <"$work/answer" 2>/dev/null)
    printf '%s' "${text:-HTTP $status}"
}

# Sets $wait_s from the Retry-After of a busy server; ends the script if it is too long.
pause_s() {
    retry_after=$(sed -n 's/^[Rr]etry-[Aa]fter:[[:space:]]*\([0-9]\{1,9\}\)[[:space:]]*$/\1/p' "$work/replied")
    wait_s=$POLL_S
    poll_whole_s=${POLL_S%%.*}
    if [ "${retry_after:-0}" -gt "$LONGEST_WAIT_S" ]; then
        stop 1 "$(error_text), try again in $retry_after s"
    elif [ "${retry_after:-0}" -gt "${poll_whole_s:-0}" ]; then
        wait_s=$retry_after
    fi
    say "$(error_text), waiting $wait_s s"
}

# ------------------------------------------------------------------ the arguments

folder=.
prompt=
body='{}'
add() { body=$(printf '%s' "$body" | jq -c --arg value "$2" ".$1 = \$value"); }
while [ "$#" -gt 0 ]; do
    case $1 in
        --tier | --ratio | --model | --seed | --from-job | --out)
            { [ "$#" -gt 1 ] && [ -n "$2" ]; } || stop 1 "$1 needs a value"
            case $1 in
                --tier) add quality_tier "$2" ;;
                --ratio) add aspect_ratio "$2" ;;
                --model) add model "$2" ;;
                --from-job) add input_job_id "$2" ;;
                --out) folder=$2 ;;
                --seed)
                    case $2 in *[!0-9]* | 0?* | ???????????*) stop 1 "--seed needs a whole number" ;; esac
                    body=$(printf '%s' "$body" | jq -c --argjson value "$2" '.seed = $value')
                    ;;
            esac
            shift 2
            ;;
        --sync)
            body=$(printf '%s' "$body" | jq -c '.sync = true')
            shift
            ;;
        --*) stop 1 "unknown option $1" ;;
        *)
            prompt="$prompt${prompt:+ }$1"
            shift
            ;;
    esac
done

IMGEN_URL=${IMGEN_URL:-}
IMGEN_URL=${IMGEN_URL%/}
[ -n "$IMGEN_URL" ] || stop 1 "set IMGEN_URL, and IMGEN_KEY unless the server takes anonymous callers"
mkdir -p -- "$folder" || stop 1 "cannot use $folder"
umask_before=$(umask)
umask 077
work=$(mktemp -d) || stop 1 "cannot make a temporary folder"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
: >"$work/headers"
[ -z "${IMGEN_KEY:-}" ] || printf 'X-API-Key: %s\n' "$IMGEN_KEY" >"$work/headers"
umask "$umask_before"

# ------------------------------------------------------------------ the request: again under the same key if the answer is lost
# or the server is busy (409: an earlier try is still being answered); that makes no second job

printf '%s' "$body" | jq -c --arg prompt "$prompt" '.prompt = $prompt' >"$work/body" || stop 1 "cannot write the request"
once=$(od -An -N16 -tx1 /dev/urandom | sed 's/ //g')
[ -n "$once" ] || stop 1 "cannot make a random key"
{ cat "$work/headers" && printf 'Content-Type: application/json\nIdempotency-Key: %s\n' "$once"; } >"$work/once" ||
    stop 1 "cannot write the request"
timeout_s=$TIMEOUT_S
case $body in *'"sync":true'*) timeout_s=$SYNC_TIMEOUT_S ;; esac
attempt=0
lost=0
while :; do
    attempt=$((attempt + 1))
    call once /v2/generate --data-binary @"$work/body"
    if [ "$status" = 000 ]; then
        lost=$((lost + 1))
        if [ "$lost" -eq "$LOST_TRIES" ] || [ "$attempt" -eq "$TRIES" ]; then
            stop 1 "cannot reach $IMGEN_URL: $(cat "$work/problem")"
        fi
        say "no answer ($(cat "$work/problem")), asking again"
        sleep "$POLL_S"
        continue
    fi
    job_id=$(answer job_id)
    state=$(answer state)
    case $status:$job_id:$state in
        201:?*:?* | 202:?*:?*) break ;;
        409:* | 429:* | 503:*) [ "$attempt" -lt "$TRIES" ] || stop 1 "$(error_text)" ;;
        *) stop 1 "$(error_text)" ;;
    esac
    pause_s
    sleep "$wait_s"
done
timeout_s=$TIMEOUT_S
case $job_id in *[!0-9A-Za-z_-]*) stop 1 "the answer has no plain job_id" ;; esac

# ------------------------------------------------------------------ poll: one request at a time, POLLS at most

shown=
wait_s=$POLL_S
polls=0
until [ "$state" = completed ] || [ "$state" = failed ]; do
    [ "$polls" -lt "$POLLS" ] || stop 4 "gave up after $POLLS polls; $job_id may still end"
    sleep "$wait_s"
    wait_s=$POLL_S
    polls=$((polls + 1))
    call headers "/v2/jobs/$job_id"
    state=$(answer state)
    case $status:$state in
        000:*) say "no answer ($(cat "$work/problem")), asking again" ;;
        429:* | 503:*) pause_s ;;
        5??:* | 200:) say "$(error_text), asking again" ;;
        200:*)
            case $state in completed | failed | "$shown") continue ;; esac
            say "$job_id $state"
            shown=$state
            ;;
        *) stop 1 "$(error_text)" ;;
    esac
    [ "$status" = 200 ] || state=
done

# ------------------------------------------------------------------ the picture, under its digest

if [ "$state" = failed ]; then
    text=$(answer error)
    case $text in
        'Content blocked'*) stop 3 "$text" ;;
        *) stop 2 "${text:-failed}" ;;
    esac
fi
asset_url=$(answer asset_url)
digest=${asset_url#/v2/assets/}
case $digest in *[!0-9a-f]*) digest= ;; esac
{ [ "${#digest}" -eq 64 ] && [ "$asset_url" = "/v2/assets/$digest" ]; } || stop 1 "refused to save '$asset_url'"
cp "$work/answer" "$work/job" || stop 1 "cannot keep the answer"
file=${folder%/}/$digest.png
attempt=0
while :; do
    attempt=$((attempt + 1))
    call headers "$asset_url" # with the key, because assets may be private
    if [ "$status" = 200 ]; then
        found=$(digest_of "$work/answer")
        [ "${found%% *}" != "$digest" ] || break
        printf 'the bytes have another digest' >"$work/problem"
    fi
    [ "$attempt" -lt "$DOWNLOAD_TRIES" ] || stop 1 "cannot save $asset_url: HTTP $status $(cat "$work/problem")"
    sleep "$POLL_S"
done
cp "$work/answer" "$file" || stop 1 "cannot save $file"
jq -c --arg file "$file" '{job_id, file: $file, asset_url, seed, model, quality_tier}' <"$work/job"
