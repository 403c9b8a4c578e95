#!/usr/bin/env bash
# Sends a campaign, and reads its delivery rate: campaign.sh CAMPAIGN FILE, with a phone number on each line of FILE.
# Exits with 0: all messages were judged, 2: not all in time, 3: not sent, as far as is known.
set -euo pipefail

url=${SMSBAT_EXPORTER_URL:-http://127.0.0.1:10768} # in place of SMSBat's
metrics_url=${SMSBAT_EXPORTER_METRICS_URL:-http://127.0.0.1:10767/metrics}
wait_seconds=${WAIT_SECONDS:-900}

# Sends to the numbers on standard input, once; prints how many of the messages SMSBat accepted.
send() {
    local answer
    if answer=$(python3 -c 'import json, sys
own = {"from": sys.argv[1], "type": "viber_promo", "text": "Spring is here!", "ttl": 86400}
print(json.dumps({"messages": [{**own, "to": phone} for phone in sys.stdin.read().split()]}))' "${SMSBAT_SENDER:-SHOP}" |
        curl -sS --fail-with-body --noproxy '*' --max-time 75 --data-binary @- "$url/bat/messagelist" \
            -H 'Content-Type: application/json' -H "X-Smsbat-Labels: campaign=$campaign" \
            -H @<(printf 'X-Authorization-Key: %s\n' "$SMSBAT_API_KEY")); then
        python3 -c 'import json, sys
print([each["status"] for each in json.load(sys.stdin)["messages"]].count("accepted"))' <<<"$answer"
    else
        echo "not sent, as far as is known: $answer" >&2
        return 3
    fi
}

# Prints how many messages of the campaign reached their `mature` age: delivered then, of those known, and all.
judged() {
    local metrics
    metrics=$(curl -sS --fail --globoff --noproxy '*' --max-time 75 \
        "$metrics_url?name[]=smsbat_messages_matured_total") || return
    awk -v campaign="campaign=\"$campaign\"" '/^#/ || !index($0, campaign) { next }
        /result="delivered"/ { delivered += $NF }
        !/result="unknown"/ { known += $NF }
        { all += $NF }
        END { print delivered + 0, known + 0, all + 0 }' <<<"$metrics"
}

if [[ $# != 2 || ! ${1-} =~ ^[A-Za-z0-9_-]+$ || ! -r ${2-} || -z ${SMSBAT_API_KEY-} ]]; then
    echo "usage: SMSBAT_API_KEY=... campaign.sh CAMPAIGN FILE" >&2
    exit 3
fi
campaign=$1
mapfile -t phones <"$2"
before=$(judged) || exit 3
read -r delivered_before known_before all_before <<<"$before"
accepted=0
for ((first = 0; first < ${#phones[@]}; first += 5000)); do # the most that SMSBat takes at once
    sent=$(printf '%s\n' "${phones[@]:first:5000}" | send)
    accepted=$((accepted + sent))
done
echo "accepted $accepted of ${#phones[@]}"

all=$all_before end=$((SECONDS + wait_seconds))
while ((all - all_before < accepted && SECONDS < end)); do
    sleep 2
    now=$(judged) || continue
    read -r delivered known all <<<"$now"
done
delivered=$((${delivered:-0} - delivered_before)) known=$((${known:-0} - known_before))
((known > 0)) && echo "delivered $delivered of $known: $((100 * delivered / known)) %"
((all - all_before >= accepted)) || exit 2
