#!/usr/bin/env php
<?php
/**
 * Makes a picture over Forge, the REST API of an Imgen server. PHP 7.4 or later; uses the curl extension if it is loaded,
 * otherwise PHP's own HTTP streams.
 *
 *     IMGEN_URL=https://imgen.example IMGEN_KEY=imgf_… php generate.php [--tier T] [--ratio R] [--model M] [--seed N] [--sync]
 *         [--from-job ID] [--out DIR] PROMPT
 *
 * Progress goes to stderr; the picture is one line of JSON on stdout. Exit codes: 0 saved, 1 error, 2 the job failed,
 * 3 the picture was blocked by review, 4 gave up waiting. Without IMGEN_KEY the caller is anonymous.
 */

declare(strict_types=1);

const POLLS = 120;
const TRIES = 25; // of the request while the server is busy; it forgets a request that its process lost after a minute
const LOST_TRIES = 3; // of the request without an answer
const BUSY = [409, 429, 503]; // 409: an earlier try is still being answered
const LONGEST_WAIT_S = 300; // a longer Retry-After (a spent quota, for example) ends the script
const DOWNLOAD_TRIES = 3;
const TIMEOUT_S = 30;
const SYNC_TIMEOUT_S = 90; // the server waits 55 s for the picture
const FINAL_STATES = ['completed', 'failed'];
const BLOCKED = 'Content blocked';
const ASSET = '~\A/v2/assets/([0-9a-f]{64})\z~';
const FIELDS = [
    '--tier' => 'quality_tier',
    '--ratio' => 'aspect_ratio',
    '--model' => 'model',
    '--seed' => 'seed',
    '--from-job' => 'input_job_id',
];

define('URL', rtrim((string) getenv('IMGEN_URL'), '/'));
define('CREDENTIALS', (string) getenv('IMGEN_KEY') === '' ? [] : ['X-API-Key: ' . getenv('IMGEN_KEY')]);
define('POLL_S', (float) (getenv('IMGEN_POLL_S') ?: 3));
ini_set('display_errors', 'stderr'); // stdout is for the result

main(array_slice($argv, 1));

function main(array $given): void
{
    [$body, $folder] = arguments($given);
    if (URL === '') {
        stop(1, 'set IMGEN_URL, and IMGEN_KEY unless the server takes anonymous callers');
    }
    if (!is_dir($folder) && !@mkdir($folder, 0777, true)) {
        stop(1, "cannot use $folder");
    }

    $job = submit($body);
    if (!in_array($job['state'], FINAL_STATES, true)) {
        $job = poll($job['job_id']);
    }
    if ($job['state'] === 'failed') {
        $reason = (string) ($job['error'] ?? 'failed');
        stop(strpos($reason, BLOCKED) === 0 ? 3 : 2, $reason);
    }
    echo json_encode([
        'job_id' => $job['job_id'],
        'file' => save((string) ($job['asset_url'] ?? ''), $folder),
        'asset_url' => $job['asset_url'],
        'seed' => $job['seed'] ?? null,
        'model' => $job['model'] ?? null,
        'quality_tier' => $job['quality_tier'] ?? null,
    ], JSON_UNESCAPED_SLASHES), "\n";
}

/** Sends the request → the job; again under the same key if its answer is lost or the server is busy: that makes no second job. */
function submit(array $body): array
{
    $json = json_encode($body, JSON_UNESCAPED_SLASHES);
    if ($json === false) {
        stop(1, json_last_error_msg());
    }
    $headers = ['Content-Type: application/json', 'Idempotency-Key: ' . bin2hex(random_bytes(16))];
    $timeoutS = isset($body['sync']) ? SYNC_TIMEOUT_S : TIMEOUT_S;
    for ($attempt = 1, $lost = 0; ; $attempt++) {
        [$status, $retryAfter, $answer, $problem] = call('/v2/generate', $headers, $json, $timeoutS);
        if ($status === 0) {
            if (++$lost === LOST_TRIES || $attempt === TRIES) {
                stop(1, 'cannot reach ' . URL . ": $problem");
            }
            say("no answer ($problem), asking again");
            pause(POLL_S);
            continue;
        }
        if (in_array($status, [201, 202], true) && !empty($answer['job_id']) && !empty($answer['state'])) {
            return $answer;
        }
        if (!in_array($status, BUSY, true) || $attempt === TRIES) {
            stop(1, errorText($status, $answer));
        }
        pause(pauseS($status, $retryAfter, $answer));
    }
}

/** Polls a job until its state is final: one request at a time, POLL_S seconds apart, POLLS times at most. */
function poll(string $jobId): array
{
    $shown = '';
    $waitS = POLL_S;
    for ($count = 0; $count < POLLS; $count++) {
        pause($waitS);
        $waitS = POLL_S;
        [$status, $retryAfter, $job, $problem] = call('/v2/jobs/' . rawurlencode($jobId));
        if ($status === 0) {
            say("no answer ($problem), asking again");
        } elseif ($status === 429 || $status === 503) {
            $waitS = pauseS($status, $retryAfter, $job);
        } elseif ($status >= 500 || ($status === 200 && !isset($job['state']))) {
            say(errorText($status, $job) . ', asking again');
        } elseif ($status !== 200) {
            stop(1, errorText($status, $job));
        } elseif (in_array($job['state'], FINAL_STATES, true)) {
            return $job;
        } elseif ($job['state'] !== $shown) {
            $shown = $job['state'];
            say("$jobId $shown");
        }
    }
    stop(4, 'gave up after ' . POLLS . " polls; $jobId may still end");
}

/** Sends one request → [HTTP status (0: no answer), Retry-After in seconds or null, the answer's JSON object or [], problem]. */
function call(string $path, array $headers = [], ?string $body = null, int $timeoutS = TIMEOUT_S): array
{
    [$status, $retryAfter, $data, $problem] = request($path, $headers, $body, $timeoutS);
    $answer = json_decode($data, true);
    return [$status, $retryAfter, is_array($answer) ? $answer : [], $problem];
}

/**
 * Sends a GET, or a POST if there is a body → [HTTP status (0: no answer or an incomplete one), Retry-After, body, problem].
 * Follows no redirect: the key goes to this server and no other.
 */
function request(string $path, array $headers, ?string $body, int $timeoutS): array
{
    $headers = array_merge(CREDENTIALS, $headers);
    $retryAfter = null;
    $length = null;
    $read = static function (string $line) use (&$retryAfter, &$length): void {
        if (preg_match('/\ARetry-After:\s*([0-9]+)\s*\z/i', $line, $found)) {
            $retryAfter = (int) $found[1];
        } elseif (preg_match('/\AContent-Length:\s*([0-9]+)\s*\z/i', $line, $found)) {
            $length = (int) $found[1];
        }
    };

    if (function_exists('curl_init')) {
        $curl = curl_init(URL . $path);
        curl_setopt_array($curl, [
            CURLOPT_HTTPHEADER => $headers,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TIMEOUT => $timeoutS,
            CURLOPT_HEADERFUNCTION => static function ($curl, string $line) use ($read): int {
                $read($line);
                return strlen($line);
            },
        ]);
        if ($body !== null) {
            curl_setopt($curl, CURLOPT_POSTFIELDS, $body);
        }
        $data = curl_exec($curl);
        $status = $data === false ? 0 : curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
        return [$status, $retryAfter, (string) $data, curl_error($curl)];
    }

    $stream = @fopen(URL . $path, 'rb', false, stream_context_create(['http' => [
        'method' => $body === null ? 'GET' : 'POST',
        'header' => array_merge($headers, ['Connection: close']),
        'content' => (string) $body,
        'timeout' => $timeoutS,
        'follow_location' => 0,
        'ignore_errors' => true, // a 4xx has a body as well
    ]]));
    if (!$stream) {
        return [0, null, '', error_get_last()['message'] ?? 'no answer'];
    }
    $data = (string) stream_get_contents($stream);
    $about = stream_get_meta_data($stream);
    fclose($stream);
    array_map($read, $about['wrapper_data']);
    if ($about['timed_out'] || ($length !== null && strlen($data) < $length)) {
        return [0, null, '', 'the answer broke off'];
    }
    preg_match('~\AHTTP/\S+ ([0-9]{3})~', $about['wrapper_data'][0], $found);
    return [(int) $found[1], $retryAfter, $data, ''];
}

/** Returns the waiting time of a busy server's answer in seconds; ends the script if it is too long. */
function pauseS(int $status, ?int $retryAfter, array $answer): float
{
    $text = errorText($status, $answer);
    if ($retryAfter > LONGEST_WAIT_S) {
        stop(1, "$text, try again in $retryAfter s");
    }
    $waitS = max((float) $retryAfter, POLL_S);
    say("$text, waiting $waitS s");
    return $waitS;
}

/** Downloads the picture into the folder, under its digest → its path. Bytes of another digest are not kept. */
function save(string $assetUrl, string $folder): string
{
    if (!preg_match(ASSET, $assetUrl, $found)) {
        stop(1, 'refused to save ' . json_encode($assetUrl));
    }
    $path = rtrim($folder, '/') . "/$found[1].png";
    for ($attempt = 1; ; $attempt++) {
        [$status, , $data, $problem] = request($assetUrl, [], null, TIMEOUT_S); // with the key, because assets may be private
        if ($status === 200 && hash('sha256', $data) === $found[1]) {
            if (@file_put_contents($path, $data) !== strlen($data)) {
                stop(1, "cannot save $path");
            }
            return $path;
        }
        if ($attempt === DOWNLOAD_TRIES) {
            $reasons = [0 => $problem, 200 => 'the bytes have another digest'];
            stop(1, "cannot save $assetUrl: " . ($reasons[$status] ?? "HTTP $status"));
        }
        pause(POLL_S);
    }
}

function arguments(array $given): array
{
    $words = [];
    $body = [];
    $folder = '.';
    while (($word = array_shift($given)) !== null) {
        if ($word === '--sync') {
            $body['sync'] = true;
        } elseif ($word === '--out' || isset(FIELDS[$word])) {
            $value = (string) array_shift($given);
            if ($value === '') {
                stop(1, "$word needs a value");
            }
            if ($word === '--seed' && !preg_match('/\A(0|[1-9][0-9]{0,9})\z/', $value)) {
                stop(1, '--seed needs a whole number');
            }
            if ($word === '--out') {
                $folder = $value;
            } else {
                $body[FIELDS[$word]] = $word === '--seed' ? (int) $value : $value;
            }
        } elseif (strpos($word, '--') === 0) {
            stop(1, "unknown option $word");
        } else {
            $words[] = $word;
        }
    }
    return [['prompt' => implode(' ', $words)] + $body, $folder];
}

/** Returns the answer's code and message, or the HTTP status if a proxy answered. */
function errorText(int $status, array $answer): string
{
    $error = $answer['error'] ?? null;
    return is_array($error) ? "{$error['code']}: {$error['message']}" : "HTTP $status";
}

function pause(float $seconds): void
{
    usleep((int) ($seconds * 1000000));
}

function say(string $text): void
{
    fwrite(STDERR, "imgen: $text\n");
}

function stop(int $code, string $text): void
{
    say($text);
    exit($code);
}
