#!/bin/sh
# Requests a picture from an Imgen server, or several (`--option n=4`), waits and saves. Any POSIX shell; needs curl 7.55 or later, and for
# JSON either jq or python3 (`apt-get install curl jq` on a minimal Debian, which has none of them).
#
#     IMGEN_URL=https://imgen.example IMGEN_KEY=imgen_… sh generate.sh [--option name=value]… [--out DIR] PROMPT
#
# Progress goes to stderr; each picture is one line of JSON on stdout. Exit codes: 0 saved, 1 error, 2 the job failed,
# timed out or was cancelled, 3 the picture was blocked by review, 4 gave up waiting. It does not resume a job.
set -u

POLL_S=${IMGEN_POLL_S:-3}
POLLS=120
TRIES=25           # of `generate` while the server is busy; it forgets a request that its process lost after a minute
LOST_TRIES=3       # of `generate` without an answer
LONGEST_WAIT_S=300 # a longer Retry-After (a spent quota, for example) ends the script
DOWNLOAD_TRIES=3
TIMEOUT_S=30
LISTEN_S=360 # time to wait by events, before polls

say() { printf '%s\n' "$1" | sed 's/^/imgen: /' >&2; } # a server's text may have several lines
stop() { say "$2"; exit "$1"; }

# ------------------------------------------------------------------ JSON: five small programs, once per tool
#   json_request PROMPT [name=value]…   the body of `generate`; JSON numbers, true, false and quoted strings keep
#                                       their type, any other value is sent as a string
#   json_question ID < answer           the body of `status`
#   json_state < answer                 such as: IN_PROGRESS progress 0.5 eta 4
#   json_get PATH < answer              one value, such as meta.images.0.url, a list with commas; empty if it is missing or null
#   json_report ID FILE FILE < answer   the line for stdout

if command -v jq >/dev/null 2>&1; then
    json_request() {
        prompt=$1
        request='{}'
        shift
        for option; do
            request=$(printf '%s' "$request" | jq -c --arg name "${option%%=*}" --arg value "${option#*=}" '
                def is_typed:
                    startswith("\"") or test("^(-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?|true|false)$");
                .[$name] = if $value | is_typed then (try ($value | fromjson) catch $value) else $value end')
        done
        printf '%s' "$request" | jq -c --arg prompt "$prompt" '. + {action: "generate", prompt: $prompt}'
    }
    json_question() { jq -c --arg id "$1" '{action: "status", id: $id, prompt, model}'; }
    json_state() {
        jq -r '. as $a | [.status, (("position", "progress", "eta") | select($a[.] != null) | "\(.) \($a[.])")]
            | join(" ")' 2>/dev/null
    }
    json_get() {
        jq -r --arg path "$1" 'getpath($path | split(".") | map(tonumber? // .)) | values
            | if type == "array" then map(tostring) | join(", ") else . end' 2>/dev/null
    }
    json_report() {
        jq -c --arg id "$1" --arg a "$2" --arg b "$3" \
            '.meta | {id: $id, gen_id, files: [$a, $b], seed, fingerprint, watermark_id}'
    }
elif command -v python3 >/dev/null 2>&1; then
    json_request() {
        python3 -c '
import json, re, sys
def typed(value):
    try:
        number = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?"
        return json.loads(value) if re.fullmatch(number + r"|true|false|\".*\"", value, re.S) else value
    except ValueError:
        return value
options = {name: typed(value) for name, _, value in (word.partition("=") for word in sys.argv[2:])}
print(json.dumps({**options, "action": "generate", "prompt": sys.argv[1]}))' "$@"
    }
    json_question() {
        python3 -c '
import json, sys
job = json.load(sys.stdin)
print(json.dumps({"action": "status", "id": sys.argv[1], **{name: job.get(name) for name in ("prompt", "model")}}))' "$1"
    }
    json_state() {
        python3 -c '
import json, sys
a = json.load(sys.stdin)
print(a["status"], *(f"{name} {a[name]}" for name in ("position", "progress", "eta") if a.get(name) is not None))' \
            2>/dev/null
    }
    json_get() {
        python3 -c '
import json, sys
value = json.load(sys.stdin)
for step in sys.argv[1].split("."):
    value = value[int(step) if isinstance(value, list) else step]
if isinstance(value, list):
    value = ", ".join(map(str, value))
if value is not None:
    print(value if isinstance(value, str) else json.dumps(value))' "$1" 2>/dev/null
    }
    json_report() {
        python3 -c '
import json, sys
meta = json.load(sys.stdin)["meta"]
report = {"id": sys.argv[1], "gen_id": meta.get("gen_id"), "files": sys.argv[2:]}
print(json.dumps({**report, **{name: meta.get(name) for name in ("seed", "fingerprint", "watermark_id")}}))' "$@"
    }
else
    stop 1 "needs jq or python3"
fi

# ------------------------------------------------------------------ HTTP

# Posts $work/body with the headers in $work/$1 → sets $status (000: no answer); the answer is in $work/answer, its headers in
# $work/replied. Follows no redirect. The key is passed in a file, because every user of the machine can see arguments.
post() {
    : >"$work/answer"
    status=$(curl -sS -m "$TIMEOUT_S" -H @"$work/$1" --data-binary @"$work/body" -D "$work/replied" \
        -o "$work/answer" -w '%{http_code}' "$IMGEN_URL/api/v2" 2>"$work/problem") || status=000
}

answer() { json_get "$1" <"$work/answer"; }

error_text() {
    text=$(answer error)
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

# Downloads picture number $1 into $folder → sets $saved. Uses only the last part of the server's file name.
save() {
    url=$(answer "meta.images.$1.url")
    name=$(answer "meta.images.$1.filename")
    name=${name##*/}
    name=${name##*\\}
    case $name in
        '' | [!A-Za-z0-9_]* | *[!A-Za-z0-9._-]*) stop 1 "refused to save '$name' from $url" ;;
    esac
    case $url in
        http://* | https://*) ;;
        *) stop 1 "refused to save '$name' from $url" ;;
    esac
    saved=${folder%/}/$name
    attempt=1
    # No Authorization header: the URL is pre-signed, and S3 refuses a request with two signatures.
    until code=$(curl -sS -m "$TIMEOUT_S" -o "$work/picture" -w '%{http_code}' "$url" 2>"$work/problem") &&
        [ "$code" = 200 ]; do
        [ "$attempt" -lt "$DOWNLOAD_TRIES" ] || stop 1 "cannot save $name: HTTP $code $(cat "$work/problem")"
        attempt=$((attempt + 1))
        sleep "$POLL_S"
    done
    cp "$work/picture" "$saved" || stop 1 "cannot save $saved"
}

# ------------------------------------------------------------------ the arguments

folder=.
prompt=
count=$#
while [ "$count" -gt 0 ]; do # options are moved to the end of "$@", so that nothing has to be quoted
    case $1 in
        --option)
            [ "$count" -gt 1 ] || stop 1 "--option needs name=value"
            case $2 in ?*=*) ;; *) stop 1 "--option needs name=value" ;; esac
            set -- "$@" "$2"
            shift 2
            count=$((count - 2))
            ;;
        --out)
            { [ "$count" -gt 1 ] && [ -n "$2" ]; } || stop 1 "--out needs a folder"
            folder=$2
            shift 2
            count=$((count - 2))
            ;;
        --*) stop 1 "unknown option $1" ;;
        *) # one "-" begins a negative term, not an option
            prompt="$prompt${prompt:+ }$1"
            shift
            count=$((count - 1))
            ;;
    esac
done

IMGEN_URL=${IMGEN_URL:-}
IMGEN_URL=${IMGEN_URL%/}
if [ -z "$IMGEN_URL" ] || [ -z "${IMGEN_KEY:-}" ]; then stop 1 "set IMGEN_URL and IMGEN_KEY"; fi
mkdir -p -- "$folder" || stop 1 "cannot use $folder"
umask_before=$(umask)
umask 077
work=$(mktemp -d) || stop 1 "cannot make a temporary folder"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
printf 'Authorization: Bearer %s\nContent-Type: application/json\n' "$IMGEN_KEY" >"$work/headers"
umask "$umask_before"

# ------------------------------------------------------------------ start: again under the same key if the answer is lost
# or the server is busy (409: an earlier try is still being answered); that makes no second job

json_request "$prompt" "$@" >"$work/body" || stop 1 "cannot write the request"
once=$(od -An -N16 -tx1 /dev/urandom | sed 's/ //g')
[ -n "$once" ] || stop 1 "cannot make a random key"
{ cat "$work/headers" && printf 'Idempotency-Key: %s\n' "$once"; } >"$work/once" || stop 1 "cannot write the request"
attempt=0
lost=0
while :; do
    attempt=$((attempt + 1))
    post once
    if [ "$status" = 000 ]; then
        lost=$((lost + 1))
        if [ "$lost" -eq "$LOST_TRIES" ] || [ "$attempt" -eq "$TRIES" ]; then
            stop 1 "cannot reach $IMGEN_URL: $(cat "$work/problem")"
        fi
        say "no answer ($(cat "$work/problem")), asking again"
        sleep "$POLL_S"
        continue
    fi
    id=$(answer id)
    if [ "$status" = 200 ] && [ -n "$id" ]; then break; fi
    case $status in
        409 | 429 | 503) [ "$attempt" -lt "$TRIES" ] || stop 1 "$(error_text)" ;;
        *) stop 1 "$(error_text)" ;;
    esac
    pause_s
    sleep "$wait_s"
done
warnings=$(answer warnings)
[ -z "$warnings" ] || say "the server corrected: $warnings"
ids=$(answer ids)
ids=${ids:-$id}
cp "$work/answer" "$work/job" || stop 1 "cannot keep the answer"

# ------------------------------------------------------------------ events, where the server has them

# Sets $state and $work/answer if the job's end is told; else $state is empty: then poll.
listen() {
    state=
    : >"$work/event"
    curl -sSfN -m "$LISTEN_S" -H @"$work/headers" -H 'Accept: text/event-stream' \
        "$IMGEN_URL/api/v2/events?id=$id" 2>"$work/problem" |
        while IFS= read -r line; do
            case $line in 'data: '*) ;; *) continue ;; esac
            printf '%s' "${line#data: }" >"$work/event"
            line=$(json_state <"$work/event")
            case $line in
                '' | COMPLETED* | FAILED* | TIMED_OUT* | CANCELLED*) break ;;
                "$shown") ;;
                *) say "$id $line" ;;
            esac
            shown=$line
        done
    line=$(json_state <"$work/event")
    case $line in
        COMPLETED | FAILED | TIMED_OUT | CANCELLED)
            state=$line
            cp "$work/event" "$work/answer" || stop 1 "cannot keep the answer"
            ;;
    esac
}

# ------------------------------------------------------------------ poll: one request at a time, POLLS at most

await_end() {
    json_question "$id" <"$work/job" >"$work/body"
    shown=
    listen
    [ -z "$state" ] || return 0
    wait_s=0 # no pause before the first poll: a cache hit may be done already
    polls=0
    while [ "$polls" -lt "$POLLS" ]; do
        sleep "$wait_s"
        wait_s=$POLL_S
        polls=$((polls + 1))
        post headers
        line=$(json_state <"$work/answer")
        state=${line%% *}
        case $status:$state in
            000:*) say "no answer ($(cat "$work/problem")), asking again" ;;
            429:*) pause_s ;;
            5??:* | 200:) say "$(error_text), asking again" ;;
            200:COMPLETED | 200:FAILED | 200:TIMED_OUT | 200:CANCELLED) break ;;
            200:*)
                [ "$line" = "$shown" ] || say "$id $line"
                shown=$line
                ;;
            *) stop 1 "$(error_text)" ;;
        esac
        state=
    done
}

# ------------------------------------------------------------------ the end of each picture

finish() {
    case $state in
        '') stop 4 "gave up after $POLLS polls; $id may still end" ;;
        COMPLETED) ;;
        *)
            text=$(answer error)
            stop 2 "${text:-$state}"
            ;;
    esac
    compliance=$(answer compliance) # before meta: a blocked picture has none
    if [ "${compliance:-safe}" != safe ]; then
        text=$(answer error)
        stop 3 "${text:-Content blocked}"
    fi
    signed=
    thumbnail=
    for index in 0 1 2 3; do # currently two, in any order
        case $(answer "meta.images.$index.type") in
            signed) save "$index" && signed=$saved ;;
            thumbnail) save "$index" && thumbnail=$saved ;;
        esac
        [ -z "$signed" ] || [ -z "$thumbnail" ] || break
    done
    if [ -z "$signed" ] || [ -z "$thumbnail" ]; then stop 1 "the answer names no pictures"; fi
    json_report "$id" "$signed" "$thumbnail" <"$work/answer"
}

IFS=", "
for id in $ids; do
    await_end
    finish
done
