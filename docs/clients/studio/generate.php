#!/usr/bin/env php
<?php
/**
 * Makes pictures of a picture over Studio, the REST API of an Imgen server. PHP 7.4 or later; uses the curl extension if it is
 * loaded, otherwise PHP's own HTTP streams.
 *
 *     IMGEN_URL=https://imgen.example IMGEN_KEY=imgen_… php generate.php --image FILE | --from-job ID [--mode M] [--preset P]
 *         [--size S] [--aspect A] [--strength X] [--count N] [--seed N] [--out DIR] [PROMPT]
 *
 * Progress goes to stderr; each picture is one line of JSON on stdout. Exit codes: 0 all are saved, 1 error, 2 a job failed,
 * 3 a picture was blocked by review, 4 gave up waiting.
 */

declare(strict_types=1);

const POLLS = 120; // of each job
const TRIES = 25; // of a request while the server is busy; it forgets a request that its process lost after a minute
const LOST_TRIES = 3; // of a request without an answer
const BUSY = [409, 429, 503]; // 409: an earlier try is still being answered
const LONGEST_WAIT_S = 300; // a longer Retry-After (a spent quota, for example) ends the script
const DOWNLOAD_TRIES = 3;
const TIMEOUT_S = 60;
const FINAL_STATUSES = ['succeeded', 'failed', 'canceled'];
const BLOCKED = 'moderation_blocked';
const FIELDS = [
    '--mode' => 'mode',
    '--from-job' => 'sourceGenerationId',
    '--preset' => 'preset',
    '--size' => 'exportSize',
    '--aspect' => 'outputAspect',
    '--strength' => 'strength',
    '--count' => 'count',
    '--seed' => 'seed',
];
const NUMBERS = [
    '--strength' => '/\A(0|[1-9][0-9]{0,9})(\.[0-9]+)?\z/',
    '--count' => '/\A(0|[1-9][0-9]{0,9})\z/',
    '--seed' => '/\A(0|[1-9][0-9]{0,9})\z/',
];
const ENDINGS = ['image/jpeg' => 'jpg', 'image/png' => 'png', 'image/webp' => 'webp', 'image/avif' => 'avif'];

define('URL', rtrim((string) getenv('IMGEN_URL'), '/'));
define('KEY', (string) getenv('IMGEN_KEY'));
define('POLL_S', (float) (getenv('IMGEN_POLL_S') ?: 5));
ini_set('display_errors', 'stderr'); // stdout is for the result

main(array_slice($argv, 1));

function main(array $given): void
{
    [$body, $image, $folder] = arguments($given);
    if (URL === '' || KEY === '') {
        stop(1, 'set IMGEN_URL and IMGEN_KEY');
    }
    $source = $image === '' ? '' : @file_get_contents($image);
    if ($source === false) {
        stop(1, "cannot use $image");
    }
    if (!is_dir($folder) && !@mkdir($folder, 0777, true)) {
        stop(1, "cannot use $folder");
    }

    if ($image !== '') {
        $body['imageKey'] = post('/api/v1/images', $source, 'application/octet-stream', 'imageKey')['imageKey'];
    }
    $json = json_encode($body, JSON_UNESCAPED_SLASHES);
    if ($json === false) {
        stop(1, json_last_error_msg());
    }
    $made = post('/api/v1/generate', $json, 'application/json', 'jobId');
    foreach ($made['warnings'] ?? [] as $warning) {
        say("warning: $warning");
    }
    $code = 0;
    foreach ($made['jobs'] ?? [$made] as $one) {
        $ended = finish((string) $one['jobId'], $folder);
        $code = $code ?: $ended;
    }
    exit($code);
}

/** Waits for a job, saves its picture and reports it → the exit code. */
function finish(string $jobId, string $folder): int
{
    $job = poll($jobId);
    if ($job === null) {
        say('gave up after ' . POLLS . " polls; $jobId may still end");
        return 4;
    }
    if ($job['status'] !== 'succeeded') {
        say("$jobId " . ($job['error']['message'] ?? $job['status']));
        return ($job['error']['code'] ?? '') === BLOCKED ? 3 : 2;
    }
    $file = save($job, $folder);
    echo json_encode([
        'jobId' => $jobId,
        'width' => $job['width'] ?? null,
        'height' => $job['height'] ?? null,
        'contentType' => $job['contentType'] ?? null,
        'file' => $file,
    ], JSON_UNESCAPED_SLASHES), "\n";
    return 0;
}

/** Sends a request → its answer, with that field; under one key until it is answered: that makes nothing twice. */
function post(string $path, string $data, string $kind, string $wanted): array
{
    $headers = ["Content-Type: $kind", 'Idempotency-Key: ' . bin2hex(random_bytes(16))];
    for ($attempt = 1, $lost = 0; ; $attempt++) {
        [$status, $retryAfter, $answer, $problem] = call($path, $headers, $data);
        if ($status === 0) {
            if (++$lost === LOST_TRIES || $attempt === TRIES) {
                stop(1, 'cannot reach ' . URL . ": $problem");
            }
            say("no answer ($problem), asking again");
            pause(POLL_S);
            continue;
        }
        if (in_array($status, [200, 202], true) && !empty($answer[$wanted])) {
            return $answer;
        }
        if (!in_array($status, BUSY, true) || $attempt === TRIES) {
            stop(1, errorText($status, $answer));
        }
        pause(pauseS($status, $retryAfter, $answer));
    }
}

/** Polls a job until its status is final: one request at a time, POLL_S seconds apart, POLLS times at most; null: it is not. */
function poll(string $jobId): ?array
{
    $shown = '';
    $waitS = POLL_S;
    for ($count = 0; $count < POLLS; $count++) {
        pause($waitS);
        $waitS = POLL_S;
        [$status, $retryAfter, $job, $problem] = call('/api/v1/jobs/' . rawurlencode($jobId));
        if ($status === 0) {
            say("no answer ($problem), asking again");
        } elseif ($status === 429 || $status === 503) {
            $waitS = pauseS($status, $retryAfter, $job);
        } elseif ($status >= 500 || ($status === 200 && !isset($job['status']))) {
            say(errorText($status, $job) . ', asking again');
        } elseif ($status !== 200) {
            stop(1, errorText($status, $job));
        } elseif (in_array($job['status'], FINAL_STATUSES, true)) {
            return $job;
        } elseif ($job['status'] !== $shown) {
            $shown = $job['status'];
            say("$jobId $shown");
        }
    }
    return null;
}

/** Sends one request → [HTTP status (0: no answer), Retry-After in seconds or null, the answer's JSON object or [], problem]. */
function call(string $path, array $headers = [], ?string $body = null): array
{
    $headers[] = 'Authorization: Bearer ' . KEY;
    [$status, $retryAfter, $data, $problem] = request(URL . $path, $headers, $body);
    $answer = json_decode($data, true);
    return [$status, $retryAfter, is_array($answer) ? $answer : [], $problem];
}

/**
 * Sends a GET, or a POST if there is a body → [HTTP status (0: no answer or an incomplete one), Retry-After, body, problem].
 * Follows no redirect: the key goes to this server and no other.
 */
function request(string $url, array $headers, ?string $body): array
{
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
        $curl = curl_init($url);
        curl_setopt_array($curl, [
            CURLOPT_HTTPHEADER => array_merge($headers, ['Expect:']), // no pause before a large body
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TIMEOUT => TIMEOUT_S,
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

    $stream = @fopen($url, 'rb', false, stream_context_create(['http' => [
        'method' => $body === null ? 'GET' : 'POST',
        'header' => array_merge($headers, ['Connection: close']),
        'content' => (string) $body,
        'timeout' => TIMEOUT_S,
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

/** Downloads the picture into the folder, under its job's id → its path. */
function save(array $job, string $folder): string
{
    $jobId = (string) $job['jobId'];
    $url = (string) ($job['downloadUrl'] ?? '');
    $ending = ENDINGS[$job['contentType'] ?? ''] ?? '';
    if (!preg_match('/\A[0-9A-Za-z_-]+\z/', $jobId) || !preg_match('~\Ahttps?://~', $url) || $ending === '') {
        stop(1, 'refused to save ' . json_encode($jobId) . ' of ' . json_encode($url, JSON_UNESCAPED_SLASHES));
    }
    $path = rtrim($folder, '/') . "/$jobId.$ending";
    for ($attempt = 1; ; $attempt++) {
        [$status, , $data, $problem] = request($url, [], null); // signed: without the key, which other hosts must not see
        if ($status === 200) {
            if (@file_put_contents($path, $data) !== strlen($data)) {
                stop(1, "cannot save $path");
            }
            return $path;
        }
        if ($attempt === DOWNLOAD_TRIES) {
            stop(1, "cannot save $jobId: " . ($status === 0 ? $problem : "HTTP $status"));
        }
        pause(POLL_S);
    }
}

function arguments(array $given): array
{
    $words = [];
    $body = ['mode' => 'style'];
    $image = '';
    $folder = '.';
    while (($word = array_shift($given)) !== null) {
        if ($word === '--image' || $word === '--out' || isset(FIELDS[$word])) {
            $value = (string) array_shift($given);
            if ($value === '') {
                stop(1, "$word needs a value");
            }
            if (isset(NUMBERS[$word]) && !preg_match(NUMBERS[$word], $value)) {
                stop(1, "$word needs a number");
            }
            if ($word === '--image') {
                $image = $value;
            } elseif ($word === '--out') {
                $folder = $value;
            } else {
                $body[FIELDS[$word]] = isset(NUMBERS[$word]) ? $value + 0 : $value;
            }
        } elseif (strpos($word, '--') === 0) {
            stop(1, "unknown option $word");
        } else {
            $words[] = $word;
        }
    }
    if (($image !== '') === isset($body['sourceGenerationId'])) {
        stop(1, 'one of --image and --from-job is needed');
    }
    return [$words ? ['prompt' => implode(' ', $words)] + $body : $body, $image, $folder];
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
