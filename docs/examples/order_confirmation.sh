#!/usr/bin/env bash
# Confirms an order, and learns whether the customer got it: order_confirmation.sh PHONE ORDER
# Exits with 0: delivered, 1: not delivered, 2: not known in time, 3: not sent, as far as is known.
set -euo pipefail

url=${SMSBAT_EXPORTER_URL:-http://127.0.0.1:10768} # in place of SMSBat's
wait_seconds=${WAIT_SECONDS:-120}
sender=${SMSBAT_SENDER:-SHOP}

# Prints a field of the JSON on standard input, such as messages.0.status.
field() {
    python3 -c 'import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    value = value[int(key) if key.isdigit() else key]
print(value)' "$1"
}

# Sends the JSON on standard input and prints the id. A send is never repeated: without an answer it may have gone out.
send() {
    local answer
    if answer=$(curl -sS --fail-with-body --noproxy '*' --max-time 75 --data-binary @- "$url/bat/messagelist" \
        -H 'Content-Type: application/json' -H @<(printf 'X-Authorization-Key: %s\n' "$SMSBAT_API_KEY")); then
        [[ $(field messages.0.status <<<"$answer") != accepted ]] || { field messages.0.messageId <<<"$answer" && return; }
        answer=$(field messages.0.status <<<"$answer") # without the phone number
    fi
    echo "not sent, as far as is known: $answer" >&2
    return 3
}

# Prints what became of a message as soon as that is known, or "open" when the time is over.
outcome() {
    local end=$((SECONDS + $2)) left=1 answer status
    while ((left > 0)); do
        left=$((end > SECONDS ? end - SECONDS : 0))
        answer=$(curl -sS --noproxy '*' --max-time 75 --write-out '\n%{http_code}' \
            "$url/api/v1/messages/$1?wait=$((left < 60 ? left : 60))s") || true
        status=${answer##*$'\n'} answer=${answer%$'\n'*}
        if [[ $status != 200 ]]; then
            echo "not known: $status $answer" >&2
            [[ $status == 000 || $status == 503 ]] || break
            sleep 1 # the exporter restarts; it forgets no message
        elif [[ $(field final <<<"$answer") == True ]]; then
            field outcome <<<"$answer"
            return
        fi
    done
    echo open
}

if [[ $# != 2 || ! (${1-} =~ ^\+?[0-9]{8,15}$ && ${2-} =~ ^[A-Za-z0-9_-]+$) || -z ${SMSBAT_API_KEY-} ]]; then
    echo "usage: SMSBAT_API_KEY=... order_confirmation.sh PHONE ORDER" >&2
    exit 3
fi
text="Thank you! Your order $2 is on its way."
# `fallback` is SMSBat's own: by SMS, when Viber does not reach the customer.
message='{"from": "'$sender'", "to": "'$1'", "type": "viber_trans", "text": "'$text'", "ttl": 86400,
    "customerMessageId": "'$2'", "fallback": {"type": "sms", "text": "'$text'"}}'
id=$(send <<<"{\"messages\": [$message]}")
became=$(outcome "$id" "$wait_seconds")
echo "$became"
case $became in
delivered) exit 0 ;;
undeliverable | permanenterror) exit 1 ;;
*) exit 2 ;;
esac
