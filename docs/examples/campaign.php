#!/usr/bin/env php
<?php
// Sends a campaign, and reads its delivery rate: campaign.php CAMPAIGN FILE, with a phone number on each line of FILE.
// Exits with 0: all messages were judged, 2: not all in time, 3: not sent, as far as is known.
declare(strict_types=1);

define('URL', getenv('SMSBAT_EXPORTER_URL') ?: 'http://127.0.0.1:10768'); // in place of SMSBat's
define('METRICS_URL', getenv('SMSBAT_EXPORTER_METRICS_URL') ?: 'http://127.0.0.1:10767/metrics');
define('WAIT_SECONDS', (float) (getenv('WAIT_SECONDS') ?: 900));

/** Returns the status and the body of the answer; 0 and the reason when there is none. */
function call(string $url, array $request = []): array
{
    // No redirect leads the key elsewhere.
    $settings = ['ignore_errors' => true, 'follow_location' => 0, 'timeout' => 75, ...$request];
    $body = @file_get_contents($url, context: stream_context_create(['http' => $settings]));
    return $body === false
        ? [0, error_get_last()['message']]
        : [(int) explode(' ', $http_response_header[0])[1], $body];
}

/** Sends to up to 5,000 numbers, once; returns how many of the messages SMSBat accepted. */
function send(string $campaign, array $phones): int
{
    $headers = [
        'Content-Type: application/json',
        'X-Authorization-Key: ' . getenv('SMSBAT_API_KEY'),
        "X-Smsbat-Labels: campaign=$campaign",
    ];
    $own = ['from' => getenv('SMSBAT_SENDER') ?: 'SHOP', 'type' => 'viber_promo', 'text' => 'Spring is here!', 'ttl' => 86_400];
    $messages = array_map(fn (string $phone): array => [...$own, 'to' => $phone], $phones);
    $content = json_encode(['messages' => $messages], JSON_THROW_ON_ERROR);
    [$status, $body] = call(URL . '/bat/messagelist', ['method' => 'POST', 'header' => $headers, 'content' => $content]);
    if ($status !== 200) {
        fwrite(STDERR, "not sent, as far as is known: $status $body\n");
        exit(3);
    }
    return array_count_values(array_column(json_decode($body, true)['messages'], 'status'))['accepted'] ?? 0;
}

/** Returns how many messages of a campaign reached their `mature` age, by what they were then; null when unknown. */
function judged(string $campaign): ?array
{
    [$status, $body] = call(METRICS_URL . '?name[]=smsbat_messages_matured_total');
    if ($status !== 200) {
        fwrite(STDERR, "no metrics: $status $body\n");
        return null;
    }
    $results = ['delivered' => 0, 'failed' => 0, 'pending' => 0, 'unknown' => 0];
    preg_match_all('/^smsbat_messages_matured_total\{(.*)\} (\S+)$/m', $body, $samples, PREG_SET_ORDER);
    foreach ($samples as [, $labels, $value]) {
        if (in_array("campaign=\"$campaign\"", explode(',', $labels), true)) {
            preg_match('/result="(\w+)"/', $labels, $result);
            $results[$result[1]] += (int) $value;
        }
    }
    return $results;
}

if ($argc !== 3 || !preg_match('/^[\w-]+$/D', $argv[1]) || !getenv('SMSBAT_API_KEY')) {
    fwrite(STDERR, "usage: SMSBAT_API_KEY=... campaign.php CAMPAIGN FILE\n");
    exit(3);
}
[, $campaign, $file] = $argv;
$phones = file($file, FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES) ?: exit(3);
$before = judged($campaign) ?? exit(3);
$accepted = 0;
foreach (array_chunk($phones, 5000) as $some) { // the most that SMSBat takes at once
    $accepted += send($campaign, $some);
}
echo "accepted $accepted of ", count($phones), "\n";

$until = hrtime(true) / 1e9 + WAIT_SECONDS;
[$delivered, $known, $all] = [0, 0, 0];
while ($all < $accepted && hrtime(true) / 1e9 < $until) {
    sleep(2);
    $now = judged($campaign) ?? $before;
    $delivered = $now['delivered'] - $before['delivered'];
    $known = $delivered + $now['failed'] - $before['failed'] + $now['pending'] - $before['pending'];
    $all = $known + $now['unknown'] - $before['unknown'];
}
if ($known > 0) {
    echo "delivered $delivered of $known: ", intdiv(100 * $delivered, $known), " %\n";
}
exit($all >= $accepted ? 0 : 2);
