#!/usr/bin/env php
<?php
/**
 * Requests a picture from an Imgen server, or several (`--option n=4`), waits and saves. PHP 7.4
 * or later; uses the curl extension if it is loaded, otherwise PHP's own HTTP streams.
 *
 *     IMGEN_URL=https://imgen.example IMGEN_KEY=imgen_… php generate.php [--option name=value]… [--out DIR] PROMPT
 *
 * Progress goes to stderr; each picture is one line of JSON on stdout. Exit codes: 0 saved, 1 error, 2 the job failed,
 * timed out or was cancelled, 3 the picture was blocked by review, 4 gave up waiting. It does not resume a job.
 */

declare(strict_types=1);

const POLLS = 120;
const TRIES = 25; // of `generate` while the server is busy; it forgets a request that its process lost after a minute
const LOST_TRIES = 3; // of `generate` without an answer
const BUSY = [409, 429, 503]; // 409: an earlier try is still being answered
const LONGEST_WAIT_S = 300; // a longer Retry-After (a spent quota, for example) ends the script
const DOWNLOAD_TRIES = 3;
const TIMEOUT_S = 30;
const LISTEN_S = 360; // time to wait by events, before polls
const SILENCE_S = 45; // a living server sends a comment every 15 s
const FINAL_STATES = ['COMPLETED', 'FAILED', 'TIMED_OUT', 'CANCELLED'];
const TYPED = '/\A(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|".*")\z/s';
const SAFE_NAME = '/\A[A-Za-z0-9_][A-Za-z0-9._-]*\z/';

define('URL', rtrim((string) getenv('IMGEN_URL'), '/'));
define('KEY', (string) getenv('IMGEN_KEY'));
define('POLL_S', (float) (getenv('IMGEN_POLL_S') ?: 3));
ini_set('display_errors', 'stderr'); // stdout is for the result
ini_set('serialize_precision', '-1'); // sends 7.5 as 7.5, regardless of php.ini

main(array_slice($argv, 1));

function main(array $given): void
{
    [$prompt, $options, $folder] = arguments($given);
    if (URL === '' || KEY === '') {
        stop(1, 'set IMGEN_URL and IMGEN_KEY');
    }
    if (!is_dir($folder) && !@mkdir($folder, 0777, true)) {
        stop(1, "cannot use $folder");
    }

    $job = start(['action' => 'generate', 'prompt' => $prompt] + $options);
    if (!empty($job['warnings'])) {
        say('the server corrected: ' . implode(', ', $job['warnings']));
    }
    foreach ($job['ids'] ?? [$job['id']] as $id) {
        finish(['id' => $id] + $job, $folder);
    }
}

/** Waits for one picture, saves it and reports it on stdout; ends the script if there is none. */
function finish(array $job, string $folder): void
{
    $result = listen($job) ?? poll($job);
    if ($result['status'] !== 'COMPLETED') {
        stop(2, $result['error'] ?? $result['status']);
    }
    if (($result['compliance'] ?? 'safe') !== 'safe') { // before meta: a blocked picture has none
        stop(3, $result['error'] ?? 'Content blocked');
    }

    $meta = $result['meta'] ?? [];
    $pictures = array_column($meta['images'] ?? [], null, 'type');
    if (!isset($pictures['signed'], $pictures['thumbnail'])) {
        stop(1, 'the answer names no pictures');
    }
    echo json_encode([
        'id' => $job['id'],
        'gen_id' => $meta['gen_id'] ?? null,
        'files' => [save($pictures['signed'], $folder), save($pictures['thumbnail'], $folder)],
        'seed' => $meta['seed'] ?? null,
        'fingerprint' => $meta['fingerprint'] ?? null,
        'watermark_id' => $meta['watermark_id'] ?? null,
    ]), "\n";
}

/** Sends `generate`; again under the same key if its answer is lost or the server is busy: that makes no second job. */
function start(array $body): array
{
    $once = bin2hex(random_bytes(16));
    for ($attempt = 1, $lost = 0; ; $attempt++) {
        [$status, $retryAfter, $answer, $problem] = post($body, ["Idempotency-Key: $once"]);
        if ($status === 0) {
            if (++$lost === LOST_TRIES || $attempt === TRIES) {
                stop(1, 'cannot reach ' . URL . ": $problem");
            }
            say("no answer ($problem), asking again");
            pause(POLL_S);
            continue;
        }
        if ($status === 200 && !empty($answer['id'])) {
            return $answer;
        }
        if (!in_array($status, BUSY, true) || $attempt === TRIES) {
            stop(1, errorText($status, $answer));
        }
        pause(pauseS($status, $retryAfter, $answer));
    }
}

/** Waits by events → the final answer; null if the server has none or the stream breaks: then poll. */
function listen(array $job): ?array
{
    $url = URL . '/api/v2/events?id=' . rawurlencode($job['id']);
    $headers = ['Authorization: Bearer ' . KEY, 'Accept: text/event-stream'];
    $final = null;
    $shown = '';
    $text = '';
    $take = static function (string $chunk) use ($job, &$final, &$shown, &$text): void {
        $lines = explode("\n", $text . $chunk);
        $text = (string) array_pop($lines);
        foreach ($lines as $line) {
            $answer = strpos($line, 'data: ') === 0 ? json_decode(substr($line, 6), true) : null;
            if (!is_array($answer) || ($answer['id'] ?? '') !== $job['id'] || !isset($answer['status'])) {
                continue;
            }
            if (in_array($answer['status'], FINAL_STATES, true)) {
                $final = $answer;
            } else {
                $shown = show($job, $answer, $shown);
            }
        }
    };

    if (function_exists('curl_init')) {
        $curl = curl_init($url);
        curl_setopt_array($curl, [
            CURLOPT_HTTPHEADER => $headers,
            CURLOPT_TIMEOUT => LISTEN_S,
            CURLOPT_FAILONERROR => true,
            CURLOPT_WRITEFUNCTION => static function ($curl, string $chunk) use ($take, &$final): int {
                $take($chunk);
                return $final === null ? strlen($chunk) : 0; // 0 ends the transfer
            },
        ]);
        curl_exec($curl);
        return $final;
    }

    $stream = @fopen($url, 'rb', false, stream_context_create(['http' => [
        'header' => array_merge($headers, ['Connection: close']),
        'timeout' => SILENCE_S,
        'follow_location' => 0,
    ]]));
    $until = time() + LISTEN_S;
    while ($stream && $final === null && time() < $until && ($line = fgets($stream)) !== false) {
        $take($line);
    }
    if ($stream) {
        fclose($stream);
    }
    return $final;
}

/** Polls `status` until it is final: one request at a time, POLL_S seconds apart, POLLS times at most. */
function poll(array $job): array
{
    $question = ['action' => 'status', 'id' => $job['id']] + array_intersect_key($job, ['prompt' => 1, 'model' => 1]);
    $shown = '';
    $waitS = 0; // no pause before the first poll: a cache hit may be done already
    for ($count = 0; $count < POLLS; $count++) {
        pause($waitS);
        $waitS = POLL_S;
        [$status, $retryAfter, $answer, $problem] = post($question);
        if ($status === 0) {
            say("no answer ($problem), asking again");
        } elseif ($status === 429) {
            $waitS = pauseS($status, $retryAfter, $answer);
        } elseif ($status >= 500 || ($status === 200 && !isset($answer['status']))) {
            say(errorText($status, $answer) . ', asking again');
        } elseif ($status !== 200) {
            stop(1, errorText($status, $answer));
        } elseif (in_array($answer['status'], FINAL_STATES, true)) {
            return $answer;
        } else {
            $shown = show($job, $answer, $shown);
        }
    }
    stop(4, 'gave up after ' . POLLS . " polls; {$job['id']} may still end");
}

/** Reports an open job's answer, unless it says the same as the line before → the line. */
function show(array $job, array $answer, string $shown): string
{
    $line = "{$job['id']} {$answer['status']}";
    foreach (['position', 'progress', 'eta'] as $name) {
        $line .= isset($answer[$name]) ? " $name {$answer[$name]}" : '';
    }
    if ($line !== $shown) {
        say($line);
    }
    return $line;
}

/** Sends one request to the Action API → [HTTP status (0: no answer), Retry-After in seconds or null, answer, problem]. */
function post(array $body, array $headers = []): array
{
    $json = json_encode($body, JSON_UNESCAPED_SLASHES);
    if ($json === false) {
        stop(1, json_last_error_msg());
    }
    $headers = array_merge(['Authorization: Bearer ' . KEY, 'Content-Type: application/json'], $headers);
    [$status, $retryAfter, $data, $problem] = request(URL . '/api/v2', $headers, $json);
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
            CURLOPT_HTTPHEADER => $headers,
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

/** Downloads one picture into the folder → its path. Uses only the last part of the server's file name. */
function save(array $image, string $folder): string
{
    $url = (string) ($image['url'] ?? '');
    $parts = preg_split('~[/\\\\]~', (string) ($image['filename'] ?? ''));
    $name = end($parts);
    if (!preg_match(SAFE_NAME, $name) || !preg_match('~\Ahttps?://~', $url)) {
        stop(1, 'refused to save ' . json_encode($name) . " from $url");
    }
    $path = rtrim($folder, '/') . "/$name";
    for ($attempt = 1; ; $attempt++) {
        // No Authorization header: the URL is pre-signed, and S3 refuses a request with two signatures.
        [$status, , $data, $problem] = request($url, [], null);
        if ($status === 200) {
            if (@file_put_contents($path, $data) !== strlen($data)) {
                stop(1, "cannot save $path");
            }
            return $path;
        }
        if ($attempt === DOWNLOAD_TRIES) {
            stop(1, "cannot save $name: " . ($status === 0 ? $problem : "HTTP $status"));
        }
        pause(POLL_S);
    }
}

function arguments(array $given): array
{
    $words = [];
    $options = [];
    $folder = '.';
    while (($word = array_shift($given)) !== null) {
        if ($word === '--option') {
            if (!preg_match('/\A([^=]+)=(.*)\z/s', (string) array_shift($given), $found)) {
                stop(1, '--option needs name=value');
            }
            $options[$found[1]] = typed($found[2]);
        } elseif ($word === '--out') {
            $folder = (string) array_shift($given);
            if ($folder === '') {
                stop(1, '--out needs a folder');
            }
        } elseif (strpos($word, '--') === 0) {
            stop(1, "unknown option $word");
        } else {
            $words[] = $word; // one "-" begins a negative term, not an option
        }
    }
    return [implode(' ', $words), $options, $folder];
}

/** Parses an option: JSON numbers, true, false and quoted strings keep their type; any other value is a string. */
function typed(string $value)
{
    return preg_match(TYPED, $value) ? json_decode($value, true) ?? $value : $value;
}

function errorText(int $status, array $answer): string
{
    return (string) ($answer['error'] ?? "HTTP $status");
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
