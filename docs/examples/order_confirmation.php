#!/usr/bin/env php
<?php
// Confirms an order, and learns whether the customer got it: order_confirmation.php PHONE ORDER
// Exits with 0: delivered, 1: not delivered, 2: not known in time, 3: not sent, as far as is known.
declare(strict_types=1);

define('URL', getenv('SMSBAT_EXPORTER_URL') ?: 'http://127.0.0.1:10768'); // in place of SMSBat's
define('WAIT_SECONDS', (float) (getenv('WAIT_SECONDS') ?: 120));

/** Returns the status and the body of the answer; 0 and the reason when there is none. */
function call(string $path, array $request = []): array
{
    // No redirect leads the key elsewhere; the exporter needs 60 s at most.
    $settings = ['ignore_errors' => true, 'follow_location' => 0, 'timeout' => 75, ...$request];
    $body = @file_get_contents(URL . $path, context: stream_context_create(['http' => $settings]));
    return $body === false
        ? [0, error_get_last()['message']]
        : [(int) explode(' ', $http_response_header[0])[1], $body];
}

/** Sends a message and returns its id. A send is never repeated: without an answer it may have gone out. */
function send(array $message): ?string
{
    $headers = ['Content-Type: application/json', 'X-Authorization-Key: ' . getenv('SMSBAT_API_KEY')];
    $content = json_encode(['messages' => [$message]], JSON_THROW_ON_ERROR);
    [$status, $body] = call('/bat/messagelist', ['method' => 'POST', 'header' => $headers, 'content' => $content]);
    $sent = $status === 200 ? json_decode($body, true)['messages'][0] : null;
    if ($sent !== null && $sent['status'] === 'accepted') {
        return $sent['messageId'];
    }
    fwrite(STDERR, "not sent, as far as is known: $status " . ($sent['status'] ?? $body) . "\n"); // no phone number
    return null;
}

/** Returns what became of a message as soon as that is known, or "open" when the time is over. */
function outcome(string $id, float $seconds): string
{
    $until = hrtime(true) / 1e9 + $seconds;
    while (true) {
        $left = max(0, (int) ceil($until - hrtime(true) / 1e9));
        [$status, $body] = call('/api/v1/messages/' . rawurlencode($id) . '?wait=' . min($left, 60) . 's');
        $message = json_decode($body, true);
        if ($status === 200 && $message['final']) {
            return $message['outcome'];
        }
        if ($status !== 200) {
            fwrite(STDERR, "not known: $status $body\n");
        }
        if ($left === 0 || !in_array($status, [0, 200, 503], true)) {
            return 'open';
        }
        if ($status !== 200) { // the exporter restarts; it forgets no message
            sleep(1);
        }
    }
}

if ($argc !== 3 || !getenv('SMSBAT_API_KEY')) {
    fwrite(STDERR, "usage: SMSBAT_API_KEY=... order_confirmation.php PHONE ORDER\n");
    exit(3);
}
[, $phone, $order] = $argv;
$text = "Thank you! Your order $order is on its way.";
$id = send([
    'from' => getenv('SMSBAT_SENDER') ?: 'SHOP',
    'to' => $phone,
    'type' => 'viber_trans',
    'text' => $text,
    'ttl' => 86_400,
    'customerMessageId' => $order,
    'fallback' => ['type' => 'sms', 'text' => $text], // SMSBat's own: when Viber does not reach the customer
]);
if ($id === null) {
    exit(3);
}
$became = outcome($id, WAIT_SECONDS);
echo "$became\n";
exit(['delivered' => 0, 'undeliverable' => 1, 'permanenterror' => 1][$became] ?? 2);
