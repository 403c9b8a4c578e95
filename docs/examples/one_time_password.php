#!/usr/bin/env php
<?php
// Sends a one-time password by Viber, and by SMS when that has not arrived after 30 s: one_time_password.php PHONE
// Exits with 0: delivered, 1: not delivered, 2: not known in time, 3: not sent, as far as is known.
declare(strict_types=1);

define('URL', getenv('SMSBAT_EXPORTER_URL') ?: 'http://127.0.0.1:10768'); // in place of SMSBat's
define('WAIT_SECONDS', (float) (getenv('WAIT_SECONDS') ?: 30));

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

if ($argc !== 2 || !getenv('SMSBAT_API_KEY')) {
    fwrite(STDERR, "usage: SMSBAT_API_KEY=... one_time_password.php PHONE\n");
    exit(3);
}
$message = ['from' => getenv('SMSBAT_SENDER') ?: 'SHOP', 'to' => $argv[1], 'ttl' => 300];
$message['text'] = sprintf('%06d is your code. Tell it to nobody.', random_int(0, 999_999));
$sent = [];
foreach (['viber_otp', 'sms'] as $type) { // the same code both ways: whichever arrives first works
    $id = send([...$message, 'type' => $type]);
    if ($id === null) {
        continue; // the other way at once
    }
    $sent[] = $id;
    $became = outcome($id, WAIT_SECONDS);
    echo "$type: $became\n";
    if ($became === 'delivered') {
        exit(0);
    }
}
$late = array_map(fn (string $id): string => outcome($id, 0), $sent); // the first may have arrived after all
if (in_array('delivered', $late, true)) {
    echo "delivered after all\n";
    exit(0);
}
exit(!$late ? 3 : (array_diff($late, ['undeliverable', 'permanenterror']) ? 2 : 1));
