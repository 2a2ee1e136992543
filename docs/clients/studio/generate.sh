#!/bin/sh
# Makes pictures of a picture over Studio, the REST API of an Imgen server. Any POSIX shell; needs curl 7.55 or later and jq.
#
#     IMGEN_URL=https://imgen.example IMGEN_KEY=imgen_… sh generate.sh --image FILE | --from-job ID [--mode M] [--preset P]
#         [--size S] [--aspect A] [--strength X] [--count N] [--seed N] [--out DIR] [PROMPT]
#
# Progress goes to stderr; each picture is one line of JSON on stdout. Exit codes: 0 all are saved, 1 error, 2 a job failed,
# 3 a picture was blocked by review, 4 gave up waiting.
set -u

POLL_S=${IMGEN_POLL_S:-5}
POLLS=120          # of each job
TRIES=25           # of a request while the server is busy; it forgets a request that its process lost after a minute
LOST_TRIES=3       # of a request without an answer
LONGEST_WAIT_S=300 # a longer Retry-After (a spent quota, for example) ends the script
DOWNLOAD_TRIES=3
TIMEOUT_S=60

say() { printf '%s\n' "$1" | sed 's/^/imgen: /' >&2; } # a server's text may have several lines
stop() { say "$2"; exit "$1"; }

command -v jq >/dev/null 2>&1 || stop 1 "needs jq"

# ------------------------------------------------------------------ HTTP

# Requests the URL $2 with the headers in $work/$1 and curl's further options → sets $status (000: no answer); the answer is in
# $work/answer, its headers in $work/replied. Follows no redirect. The key is in a file, because every user of the machine can see arguments.
call() {
    headers=$work/$1
    url=$2
    shift 2
    : >"$work/answer"
    status=$(curl -sS -m "$TIMEOUT_S" -H @"$headers" "$@" -D "$work/replied" -o "$work/answer" -w '%{http_code}' \
        "$url" 2>"$work/problem") || status=000
}

answer() { jq -r "$1 | values" <"$work/answer" 2>/dev/null; }

error_text() {
    text=$(answer '.error | objects | "\(.code): \(.message)"')
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

# Posts the file $2 of the media type $3 to the path $1 until the answer has the field $4; under one key until it is answered: that
# makes nothing twice.
post() {
    once=$(od -An -N16 -tx1 /dev/urandom | sed 's/ //g')
    [ -n "$once" ] || stop 1 "cannot make a random key"
    { cat "$work/headers" && printf 'Content-Type: %s\nIdempotency-Key: %s\nExpect:\n' "$3" "$once"; } >"$work/once" ||
        stop 1 "cannot write the request"
    attempt=0
    lost=0
    while :; do
        attempt=$((attempt + 1))
        call once "$IMGEN_URL$1" --data-binary @"$2"
        if [ "$status" = 000 ]; then
            lost=$((lost + 1))
            if [ "$lost" -eq "$LOST_TRIES" ] || [ "$attempt" -eq "$TRIES" ]; then
                stop 1 "cannot reach $IMGEN_URL: $(cat "$work/problem")"
            fi
            say "no answer ($(cat "$work/problem")), asking again"
            sleep "$POLL_S"
            continue
        fi
        case $status:$(answer ".$4") in
            200:?* | 202:?*) return ;;
            409:* | 429:* | 503:*) [ "$attempt" -lt "$TRIES" ] || stop 1 "$(error_text)" ;;
            *) stop 1 "$(error_text)" ;;
        esac
        pause_s
        sleep "$wait_s"
    done
}

# Polls the job $1 until its status is final → sets $state, empty: it is not. One request at a time, POLLS at most.
poll() {
    shown=
    wait_s=$POLL_S
    polls=0
    while [ "$polls" -lt "$POLLS" ]; do
        sleep "$wait_s"
        wait_s=$POLL_S
        polls=$((polls + 1))
        call headers "$IMGEN_URL/api/v1/jobs/$1"
        state=$(answer .status)
        case $status:$state in
            000:*) say "no answer ($(cat "$work/problem")), asking again" ;;
            429:* | 503:*) pause_s ;;
            5??:* | 200:) say "$(error_text), asking again" ;;
            200:*)
                case $state in
                    succeeded | failed | canceled) return ;;
                    "$shown") ;;
                    *)
                        say "$1 $state"
                        shown=$state
                        ;;
                esac
                ;;
            *) stop 1 "$(error_text)" ;;
        esac
    done
    state=
}

# Saves the picture of the job $1, whose last poll is in $work/answer, and reports it.
save() {
    cp "$work/answer" "$work/job" || stop 1 "cannot keep the answer"
    url=$(answer .downloadUrl)
    case $(answer .contentType) in
        image/jpeg) ending=jpg ;;
        image/png) ending=png ;;
        image/webp) ending=webp ;;
        image/avif) ending=avif ;;
        *) ending= ;;
    esac
    case $ending:$url in ?*:http://?* | ?*:https://?*) ;; *) stop 1 "refused to save '$1' of '$url'" ;; esac
    file=${folder%/}/$1.$ending
    attempt=0
    while :; do
        attempt=$((attempt + 1))
        call none "$url" # signed: without the key, which other hosts must not see
        [ "$status" != 200 ] || break
        [ "$attempt" -lt "$DOWNLOAD_TRIES" ] || stop 1 "cannot save $1: HTTP $status $(cat "$work/problem")"
        sleep "$POLL_S"
    done
    cp "$work/answer" "$file" || stop 1 "cannot save $file"
    jq -c --arg file "$file" '{jobId, width, height, contentType, file: $file}' <"$work/job"
}

# ------------------------------------------------------------------ the arguments

folder=.
image=
source_job=
prompt=
body='{"mode":"style"}'
add() { body=$(printf '%s' "$body" | jq -c --arg value "$2" ".$1 = \$value"); }
add_number() {
    jq -en --arg value "$3" --arg form "^(0|[1-9][0-9]{0,9})$4\$" '$value | test($form)' >/dev/null || stop 1 "$1 needs a number"
    body=$(printf '%s' "$body" | jq -c --argjson value "$3" ".$2 = \$value")
}
while [ "$#" -gt 0 ]; do
    case $1 in
        --image | --from-job | --mode | --preset | --size | --aspect | --strength | --count | --seed | --out)
            { [ "$#" -gt 1 ] && [ -n "$2" ]; } || stop 1 "$1 needs a value"
            case $1 in
                --image) image=$2 ;;
                --from-job) source_job=$2 ;;
                --mode) add mode "$2" ;;
                --preset) add preset "$2" ;;
                --size) add exportSize "$2" ;;
                --aspect) add outputAspect "$2" ;;
                --strength) add_number "$1" strength "$2" '([.][0-9]+)?' ;;
                --count) add_number "$1" count "$2" '' ;;
                --seed) add_number "$1" seed "$2" '' ;;
                --out) folder=$2 ;;
            esac
            shift 2
            ;;
        --*) stop 1 "unknown option $1" ;;
        *)
            prompt="$prompt${prompt:+ }$1"
            shift
            ;;
    esac
done
case "${image:+image}${source_job:+job}" in image | job) ;; *) stop 1 "one of --image and --from-job is needed" ;; esac
[ -z "$prompt" ] || add prompt "$prompt"
[ -z "$source_job" ] || add sourceGenerationId "$source_job"

IMGEN_URL=${IMGEN_URL:-}
IMGEN_URL=${IMGEN_URL%/}
{ [ -n "$IMGEN_URL" ] && [ -n "${IMGEN_KEY:-}" ]; } || stop 1 "set IMGEN_URL and IMGEN_KEY"
[ -z "$image" ] || { [ -f "$image" ] && [ -r "$image" ]; } || stop 1 "cannot use $image"
mkdir -p -- "$folder" || stop 1 "cannot use $folder"
umask_before=$(umask)
umask 077
work=$(mktemp -d) || stop 1 "cannot make a temporary folder"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
: >"$work/none"
printf 'Authorization: Bearer %s\n' "$IMGEN_KEY" >"$work/headers"
umask "$umask_before"

# ------------------------------------------------------------------ the source, the jobs, the pictures

if [ -n "$image" ]; then
    cp -- "$image" "$work/source" || stop 1 "cannot use $image" # curl takes no name with a comma or a quote
    post /api/v1/images "$work/source" application/octet-stream imageKey
    add imageKey "$(answer .imageKey)"
fi
printf '%s' "$body" >"$work/body" || stop 1 "cannot write the request"
post /api/v1/generate "$work/body" application/json jobId
answer '.warnings[]?' | while read -r warning; do say "warning: $warning"; done
jobs=$(answer 'if .jobs then .jobs[].jobId else .jobId end')
code=0
for job_id in $jobs; do
    case $job_id in *[!0-9A-Za-z_-]*) stop 1 "the answer has no plain jobId" ;; esac
    poll "$job_id"
    ended=0
    case $state:$(answer .error.code) in
        succeeded:*) save "$job_id" ;;
        :*)
            say "gave up after $POLLS polls; $job_id may still end"
            ended=4
            ;;
        *)
            text=$(answer .error.message)
            say "$job_id ${text:-$state}"
            case $(answer .error.code) in moderation_blocked) ended=3 ;; *) ended=2 ;; esac
            ;;
    esac
    [ "$code" -ne 0 ] || code=$ended
done
exit "$code"
